"""A forecast counts every shared stretch once."""

from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.models.size import flops_per_token, num_parameters
from davinci.platform.config.compose import config_loader
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.cost import Known
from davinci.platform.plan.forecast import Forecast, forecast
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import request_sweep
from davinci.platform.store.read_rates import Rate

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def forecast_of(loader: ConfigLoader, *words: str, rate: float = 0.0) -> Forecast:
    request = request_sweep([*words, "seeds=1"], loader, "config")
    plan = make_plan((arm.recipe, r) for arm in request.arms for r in arm.replicates)
    size = num_parameters(request.arms[0].recipe.model)
    rates = {size: Rate(rate, 1)} if rate else {}
    return forecast(plan, request.runtime, known=Known(rates=rates))


def test_two_second_stages_of_a_quarter_save_three_eighths(loader: ConfigLoader) -> None:
    found = forecast_of(loader, "curriculum=two_stage", "curriculum.stages.1.qa_frac=0.1,0.2")
    assert (found.alone.num_segments, found.shared.num_segments) == (4, 3)
    assert found.alone.tokens == 2 * 1_048_576
    assert found.shared.tokens == 1_048_576 * 5 // 4
    assert found.saved_frac == pytest.approx(3 / 8)
    assert found.seconds is None


def test_flops_are_tokens_times_those_of_a_token(loader: ConfigLoader) -> None:
    model = request_sweep(["seeds=1"], loader, "config").arms[0].recipe.model
    expected = 1_048_576 * flops_per_token(model, 128)
    assert forecast_of(loader).shared.flops == pytest.approx(expected)
    assert forecast_of(loader, rate=1e9).seconds == pytest.approx(expected / 1e9)


def test_disk_follows_the_policy(loader: ConfigLoader) -> None:
    words = ("curriculum=davinci",)
    sizes = [
        forecast_of(loader, *words, f"trainer.keep={keep}").checkpoint_bytes
        for keep in ("all", "stages", "last")
    ]
    model = request_sweep(["seeds=1"], loader, "config").arms[0].recipe.model
    each = 12 * num_parameters(model)
    assert sizes == [12 * each, 4 * each, each]


def test_the_papers_model_is_forecast_in_full(loader: ConfigLoader) -> None:
    found = forecast_of(loader, "scale=3b", "curriculum=davinci", "trainer=gpu")
    assert found.shared.tokens == 8_011_120_640_000
    # 6 N of the paper's count, and attention over 4096 tokens on top
    assert found.shared.flops / found.shared.tokens == pytest.approx(
        18_515_632_128 + 12 * 36 * 2048 * 4096
    )
    assert 60 < found.memory.total / 2**30 < 80
