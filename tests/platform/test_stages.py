"""From fractions of a budget to whole steps, and from stages to the segments they are cut to."""

from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.models.ladder import parameters_outside_embeddings
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.recipe import BatchStep, Recipe, StageSettings
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.points import request_run
from davinci.platform.plan.segments import cut, tokens_at_step
from davinci.platform.training.settings import LearningRateLaw, SegmentSettings, lr_at_step

CONF = Path(__file__).resolve().parents[2] / "conf"
CURRICULA = sorted(path.stem for path in (CONF / "curriculum").glob("*.yaml"))
MODEL = ModelSettings(
    hidden_size=8,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    intermediate_size=16,
    vocab_size=10,
    context_length=10,
)


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def recipe_of(loader: ConfigLoader, *words: str) -> Recipe:
    return request_run(list(words), loader, "config").arms[0].recipe


def stage(**changes: object) -> StageSettings:
    values: dict[str, object] = {
        "name": "s",
        "tokens": 400,
        "batches": (BatchStep(batch_tokens=10, num_steps=40),),
        "weights": {"math": 1.0},
    }
    return StageSettings(**(values | changes))  # type: ignore[arg-type]


def rates(stage: StageSettings) -> list[float]:
    """Return the learning rate of every step of a stage, through its pieces."""
    found = []
    for piece in cut(stage):
        settings = SegmentSettings(
            model=MODEL,
            optimizer=OptimizerSettings(lr_peak=1.0),
            seed=0,
            weights={"math": 1.0},
            num_steps=piece.num_steps,
            batch_tokens=piece.batch_tokens,
            lr=piece.lr,
        )
        found += [lr_at_step(settings, step) for step in range(piece.num_steps)]
    return found


def test_the_papers_curriculum_has_its_steps_batches_and_warmups_at_its_scale(
    loader: ConfigLoader,
) -> None:
    stages = recipe_of(loader, "curriculum=davinci", "scale=3b").stages
    sequences = [[(b.batch_tokens // 4096, b.num_steps) for b in s.batches] for s in stages]
    assert sequences == [
        [(1024, 70_000), (2048, 40_000), (4096, 200_000)],
        [(4096, 120_000)],
        [(4096, 60_000)],
        [(4096, 60_000)],
    ]
    assert [s.tokens for s in stages] == [
        3_984_588_800_000,
        2_013_265_920_000,
        1_006_632_960_000,
        1_006_632_960_000,
    ]
    assert [s.warmup_tokens for s in stages] == [2000 * 1024 * 4096, 0, 2000 * 4096 * 4096, 0]
    ends = [(s.schedule, s.lr_start_frac, s.lr_end_frac) for s in stages]
    assert ends == [
        ("constant", 1.0, 1.0),
        ("cosine", 1.0, 0.1),
        ("constant", 0.1, 0.1),
        ("constant", 0.1, 0.1),
    ]
    shares = [(s.weights["general"], s.weights["code"], s.weights.get("qa", 0.0)) for s in stages]
    assert shares == [
        (0.682, 0.0953, 0.0),
        (0.5542, 0.1166, 0.0),
        (0.10, 0.30, 0.30),
        (0.1884, 0.0261, 0.70),
    ]
    science = [s.weights["math"] + s.weights["science"] for s in stages]
    assert science == pytest.approx([0.2227, 0.3292, 0.30, 0.0855], abs=1e-6)


@pytest.mark.parametrize("curriculum", CURRICULA)
@pytest.mark.parametrize("tokens", [1_048_576, 600_000, 99_999])
def test_every_curriculum_trains_the_whole_batches_of_the_budget(
    loader: ConfigLoader, curriculum: str, tokens: int
) -> None:
    stages = recipe_of(loader, f"curriculum={curriculum}", f"scale.tokens={tokens}").stages
    assert sum(s.tokens for s in stages) == tokens // 512 * 512
    for each in stages:
        assert each.tokens == sum(b.tokens for b in each.batches)
        pieces = cut(each)
        assert sum(p.batch_tokens * p.num_steps for p in pieces) == each.tokens
        assert sum(p.checkpoint for p in pieces) == each.num_checkpoints
        assert pieces[-1].checkpoint
        assert [p.begun_tokens for p in pieces] == [
            sum(q.batch_tokens * q.num_steps for q in pieces[:n]) for n in range(len(pieces))
        ]


def test_a_budget_too_small_for_the_ramp_names_the_part(loader: ConfigLoader) -> None:
    with pytest.raises(ConfigError, match=r"stages\.0\.ramp\.0: scale\.tokens is too small"):
        recipe_of(loader, "curriculum=davinci", "scale.tokens=8192")


def test_a_ramp_is_cut_where_the_batch_grows() -> None:
    ramp = (BatchStep(batch_tokens=10, num_steps=8), BatchStep(batch_tokens=20, num_steps=16))
    pieces = cut(stage(batches=ramp, num_checkpoints=2))
    assert [(p.batch_tokens, p.num_steps, p.checkpoint) for p in pieces] == [
        (10, 8, False),
        (20, 4, True),
        (20, 12, True),
    ]
    assert tokens_at_step(stage(batches=ramp), 10) == 120


def test_cutting_changes_no_learning_rate() -> None:
    for shape in ("constant", "cosine", "linear", "wsd"):
        changes = {"schedule": shape, "warmup_tokens": 60, "decay_tokens": 100, "lr_end_frac": 0.1}
        assert rates(stage(**changes, num_checkpoints=7)) == rates(stage(**changes))


def test_wsd_warms_up_stays_and_goes_down() -> None:
    found = rates(stage(schedule="wsd", warmup_tokens=40, decay_tokens=100, lr_end_frac=0.0))
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4:30] == [1.0] * 26
    assert found[30:] == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])


def test_a_stretch_at_constant_rate_does_not_know_how_long_the_stage_is() -> None:
    short = cut(stage(warmup_tokens=20, num_checkpoints=4))
    long_ = cut(
        stage(
            tokens=800,
            batches=(BatchStep(batch_tokens=10, num_steps=80),),
            warmup_tokens=20,
            num_checkpoints=8,
            schedule="wsd",
            decay_tokens=80,
        )
    )
    assert short[:4] == long_[:4]
    assert short[1].lr == LearningRateLaw()


def test_a_share_of_qa_leaves_the_others_in_proportion(loader: ConfigLoader) -> None:
    words = ("curriculum=two_stage", "curriculum.stages.1.qa_frac=0.5")
    weights = recipe_of(loader, *words).stages[1].weights
    assert weights["qa"] == 0.5
    assert weights["general"] / weights["code"] == pytest.approx(0.1884 / 0.0261, rel=1e-4)
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-12)
    none = recipe_of(loader, "curriculum=two_stage", "curriculum.stages.1.qa_frac=0")
    assert "qa" not in none.stages[1].weights


def test_a_stage_may_have_levels_of_its_own(loader: ConfigLoader) -> None:
    words = ("curriculum=two_stage", "data.level=L2", "curriculum.stages.1.level=L5")
    found = recipe_of(loader, *words, "curriculum.stages.1.level_of.qa=L2").stages
    assert found[0].levels == {}
    assert found[1].levels == dict.fromkeys(("general", "code", "math", "science"), "L5")


def test_tokens_come_as_multiples_of_chinchilla(loader: ConfigLoader) -> None:
    recipe = recipe_of(loader, "scale=1m", "scale.chinchilla=2")
    total = sum(s.tokens for s in recipe.stages)
    outside = parameters_outside_embeddings(recipe.model)
    assert 0 <= 2 * 20 * outside - total < 20_480, "whole batches of twice 20 tokens a parameter"


def test_one_field_masks_the_questions_of_every_stage(loader: ConfigLoader) -> None:
    words = ("curriculum=davinci", "curriculum.mask_questions=true")
    assert all(s.mask_questions for s in recipe_of(loader, *words).stages)
    one = recipe_of(loader, "curriculum=davinci", "curriculum.stages.3.mask_questions=true").stages
    assert [s.mask_questions for s in one] == [False, False, False, True]
