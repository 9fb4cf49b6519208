"""Composing a design at once gives what Hydra gives point by point."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from davinci.platform.config import factored
from davinci.platform.config.compose import compose, config_loader
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.factored import compose_points
from davinci.platform.config.resolve import to_plain
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.points import request_sweep

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Count what is composed by Hydra."""
    seen: list[list[str]] = []

    def counted(loader: ConfigLoader, words: list[str], name: str) -> DictConfig:
        seen.append(list(words))
        return compose(loader, words, name)

    monkeypatch.setattr(factored, "compose", counted)
    return seen


def grid(**axes: list[str]) -> list[dict[str, str]]:
    keys = [key.replace("__", ".") for key in axes]
    return [dict(zip(keys, values, strict=True)) for values in product(*axes.values())]


def by_hydra(loader: ConfigLoader, point: dict[str, str]) -> dict[str, Any]:
    return to_plain(compose(loader, [f"{k}={v}" for k, v in point.items()], "config"))


def test_it_is_what_hydra_composes_and_takes_a_fraction_of_its_compositions(
    loader: ConfigLoader, composed: list[list[str]]
) -> None:
    points = grid(
        mixture=["uniform", "math_heavy", "qa_heavy"],
        scale=["nano", "1m"],
        curriculum=["single", "two_stage", "davinci"],
        data__level=["L1", "L2+L3", "L5"],
        scale__lr_peak=["1e-3", "0.01"],
        evaluation=["bpb", "both"],
    )
    found = compose_points(loader, [], points, "config", to_plain)
    assert len(composed) < 20
    for index in range(0, len(points), 37):
        assert found[index] == by_hydra(loader, points[index])


def test_a_value_goes_before_what_a_group_says_of_it(loader: ConfigLoader) -> None:
    points = grid(scale__tokens=["4096", "8192"], scale=["nano", "1m"])
    for point, plain in zip(
        points, compose_points(loader, [], points, "config", to_plain), strict=True
    ):
        assert not isinstance(plain, ConfigError)
        assert plain == by_hydra(loader, point)
        assert plain["scale"]["tokens"] == int(point["scale.tokens"])


def test_fields_of_one_list_are_left_to_hydra(loader: ConfigLoader) -> None:
    points = [
        {"curriculum": "two_stage", "curriculum.stages.1.qa_frac": qa, "curriculum.stages.0.lr": lr}
        for qa in ("0.1", "0.2")
        for lr in ("1", "2")
    ]
    for point in points:
        point["curriculum.stages.0.lr_end_frac"] = f"0.{point.pop('curriculum.stages.0.lr')}"
    found = compose_points(loader, [], points, "config", to_plain)
    assert [f == by_hydra(loader, p) for f, p in zip(found, points, strict=True)] == [True] * 4


def test_groups_that_choose_for_each_other_are_left_to_hydra(
    tmp_path: Path, composed: list[list[str]]
) -> None:
    register_schema()
    (tmp_path / "mixture").mkdir()
    (tmp_path / "scale").mkdir()
    (tmp_path / "scale" / "bossy.yaml").write_text(
        "# @package _global_\ndefaults:\n  - nano@scale\n  - override /mixture: math_heavy\n"
    )
    loader = config_loader(CONF, str(tmp_path))
    points = grid(scale=["nano", "1m"], mixture=["uniform", "qa_heavy"], seed=["0", "1"])
    found = compose_points(loader, [], points, "config", to_plain)
    assert [f == by_hydra(loader, p) for f, p in zip(found, points, strict=True)] == [True] * 8
    # Both axes decide on data.level: what the pair means is only known when it is composed.
    for group, level in (("mixture", "L1"), ("scale", "L2")):
        base = "uniform@mixture" if group == "mixture" else "nano@scale"
        (tmp_path / group / "deep.yaml").write_text(
            f"# @package _global_\ndefaults:\n  - {base}\ndata:\n  level: {level}\n"
        )
    loader = config_loader(CONF, str(tmp_path))
    points = grid(scale=["nano", "deep"], mixture=["uniform", "deep"])
    composed.clear()
    found = compose_points(loader, [], points, "config", to_plain)
    assert [f == by_hydra(loader, p) for f, p in zip(found, points, strict=True)] == [True] * 4
    assert len(composed) >= 4


def test_everything_wrong_in_a_large_sweep_is_told_at_once(loader: ConfigLoader) -> None:
    words = [
        "data.level=L1,L2,L33",
        "mixture=uniform,maths,qa_heavy,code_heavy",
        "scale.batch_tokens=512,500",
        "curriculum=single,two_stage,davincy,wsd,constant",
        "trainer.devices=1,3",
    ]
    with pytest.raises(ConfigError) as caught:
        request_sweep(words, loader, "config")
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {
        *("data.level", "mixture", "curriculum", "scale.batch_tokens", "trainer.devices")
    }


def test_a_design_makes_the_arms(loader: ConfigLoader) -> None:
    words = ["data.level=L1,L2,L3", "mixture=uniform,math_heavy", "seeds=1"]
    request = request_sweep([*words, "sweep.design=one_factor"], loader, "config")
    assert [arm.label for arm in request.arms] == [
        "level L1, mixture uniform",
        "level L2, mixture uniform",
        "level L3, mixture uniform",
        "level L1, mixture math_heavy",
    ]
    listed = ["sweep.points=['data.level=L1 mixture=qa_heavy','data.level=L2']", "seeds=1"]
    request = request_sweep(listed, loader, "config")
    assert [arm.label for arm in request.arms] == [
        "level L1, mixture qa_heavy",
        "level L2, mixture uniform",
    ]
    with pytest.raises(ConfigError, match="Did you mean one_factor"):
        request_sweep([*words, "sweep.design=one_facto"], loader, "config")
