from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from davinci.ablations.comparison import compare
from davinci.ablations.differences import shared_settings
from davinci.platform.store.records import Arm, Outcomes, Run, Sweep


def arm(label: str, config: Mapping[str, Any], runs: tuple[Run, ...] = (), **choices: str) -> Arm:
    return Arm(
        label=label,
        recipe=label,
        choices=choices or {"data.level": label},
        overrides=(),
        config=config,
        runs=runs,
    )


def sweep(*arms: Arm) -> Sweep:
    return Sweep(
        digest="d",
        name="s",
        command="c",
        created="",
        axes={},
        fixed=(),
        baseline=arms[0].label,
        arms=arms,
        corpora={},
        provenance={},
    )


def config(**changes: Any) -> Mapping[str, Any]:
    base: dict[str, Any] = {
        "data": {"levels": {"math": "L2"}},
        "optimizer": {"lr_peak": 0.003},
        "stages": [{"name": "main", "tokens": 10, "weights": {"math": 1.0}}],
    }
    return base | changes


def stage(tokens: int, **weights: float) -> list[dict[str, Any]]:
    return [{"name": "main", "tokens": tokens, "weights": weights}]


def test_what_follows_from_the_axis_is_explained_and_the_rest_is_confounded() -> None:
    other = config(data={"levels": {"math": "L5"}}, stages=stage(20, math=1.0))
    found = compare(sweep(arm("L2", config()), arm("L5", other)))
    assert {d.field: d.explained_by for d in found.differences} == {
        "data.levels.math": "data.level",
        "stages.0.tokens": "",
    }
    assert [d.field for d in found.confounders] == ["stages.0.tokens"]


def test_an_axis_explains_only_the_arms_that_differ_in_it() -> None:
    both = {"mixture": "x"}
    other = config(optimizer={"lr_peak": 0.006}, stages=stage(10, math=0.5, qa=0.5))
    found = compare(
        sweep(
            arm("a", config(), (), **both, **{"optimizer.lr_peak": "1"}),
            arm("b", other, (), **both, **{"optimizer.lr_peak": "2"}),
        )
    )
    assert {d.field: d.explained_by for d in found.differences} == {
        "optimizer.lr_peak": "optimizer.lr_peak",
        "stages.0.weights.math": "",
        "stages.0.weights.qa": "",
    }


def test_a_mixture_explains_weights_but_not_tokens() -> None:
    found = compare(
        sweep(
            arm("a", config(), (), mixture="uniform"),
            arm("b", config(stages=stage(11, math=0.4, qa=0.6)), (), mixture="qa_heavy"),
        )
    )
    explained = {d.field: d.explained_by for d in found.differences}
    assert explained["stages.0.weights.math"] == "mixture"
    assert explained["stages.0.tokens"] == ""


@pytest.mark.parametrize(
    ("axis", "explained", "confounded"),
    [
        ("scale.lr_peak", "optimizer.lr_peak", "stages.0.tokens"),
        ("scale.hidden_size", "model.hidden_size", "model.num_layers"),
        ("scale.vocab_size", "data.tokenizer_vocab_size", "model.hidden_size"),
        ("scale.tokens", "stages.0.tokens", "stages.0.weights.qa"),
        ("scale.chinchilla", "stages.0.batches.0.num_steps", "model.hidden_size"),
        ("scale", "optimizer.lr_peak", "optimizer.beta2"),
        ("scale", "model.hidden_size", "stages.0.schedule"),
        ("trainer", "optimizer.beta2", "optimizer.lr_peak"),
        ("trainer.precision", "precision", "optimizer.beta2"),
        ("trainer.weight_decay", "optimizer.weight_decay", "optimizer.beta2"),
        ("curriculum", "stages.0.schedule", "optimizer.lr_peak"),
        ("curriculum.stages.1.qa_frac", "stages.1.weights.math", "stages.0.weights.math"),
        ("curriculum.stages.1.level", "stages.1.levels.math", "data.levels.math"),
        ("curriculum.stages.0.tokens_frac", "stages.1.tokens", "stages.1.weights.qa"),
        ("curriculum.stages.0.checkpoints", "stages.0.num_checkpoints", "stages.0.tokens"),
        ("curriculum.stages.1.lr_end_frac", "stages.1.lr_end_frac", "stages.0.lr_end_frac"),
        ("curriculum.stages.0.weights.qa", "stages.0.weights.qa", "stages.0.weights.math"),
        ("curriculum.mask_questions", "stages.0.mask_questions", "stages.0.tokens"),
        ("curriculum.controller.window", "controller.window", "stages.0.tokens"),
        ("curriculum.parent", "parent.digest", "stages.0.tokens"),
        ("mixture", "stages.0.weights.math", "stages.0.tokens"),
        ("mixture.weights.math", "stages.0.weights.math", "stages.0.weights.qa"),
        ("data", "data.source.name", "data.tokenizer_vocab_size"),
        ("data.documents", "data.source.documents", "data.levels.math"),
        ("data.level_of.math", "data.levels.math", "data.levels.qa"),
        ("data.rules.min_chars", "data.level_settings.rules.min_chars", "data.levels.math"),
        ("evaluation.max_items", "evaluation.max_items", "evaluation.protocols.0"),
    ],
)
def test_an_axis_explains_its_own_fields_and_no_other(
    axis: str, explained: str, confounded: str
) -> None:
    arms = [arm(value, nested(explained, confounded, value), (), **{axis: value}) for value in "ab"]
    found = {d.field: d.explained_by for d in compare(sweep(*arms)).differences}
    assert found == {explained: axis, confounded: ""}


def nested(one: str, other: str, value: str) -> dict[str, Any]:
    """Return a configuration in which these two dotted fields have this value."""
    tree: dict[str, Any] = {}
    for field in (one, other):
        *path, last = field.split(".")
        here = tree
        for part in path:
            here = here.setdefault(part, {})
        here[last] = value
    return tree


def test_a_curriculum_explains_all_of_a_stage_that_only_one_arm_has() -> None:
    two = [*stage(5, math=1.0), stage(5, math=1.0)[0] | {"batch_tokens": 512}]
    found = compare(
        sweep(
            arm("a", config(), (), curriculum="single"),
            arm("b", config(stages=two), (), curriculum="two_stage"),
        )
    )
    assert {d.field for d in found.differences} >= {"stages.0.tokens", "stages.1.batch_tokens"}
    assert not found.confounders


def test_one_domain_s_level_explains_levels() -> None:
    other = config(data={"levels": {"math": "L5"}})
    axis = "data.level_of.math"
    found = compare(
        sweep(arm("a", config(), (), **{axis: "L2"}), arm("b", other, (), **{axis: "L5"}))
    )
    assert [d.explained_by for d in found.differences] == [axis]


def test_a_field_that_one_arm_lacks_is_a_difference() -> None:
    found = compare(sweep(arm("L2", {"a": 1, "b": {}}), arm("L5", {"b": {}})))
    assert found.differences[0].values == {"L2": "1", "L5": "(absent)"}


def test_shared_settings_are_the_leaves_that_all_arms_agree_on() -> None:
    shared = shared_settings(sweep(arm("L2", config()), arm("L5", config(optimizer={}))))
    assert shared == {
        "data.levels.math": "L2",
        "stages.0.name": "main",
        "stages.0.tokens": "10",
        "stages.0.weights.math": "1.0",
    }


def test_confounders_reach_the_summary() -> None:
    values = np.linspace(1, 2, 9)
    scored = tuple(
        Run(
            digest=f"r{seed}",
            recipe="r",
            seed=seed,
            world_seed=0,
            state="done",
            outcomes=(
                Outcomes(
                    benchmark="held_out_math",
                    domain="math",
                    protocol="bpb",
                    metric="bits_per_byte",
                    higher_is_better=False,
                    item_ids=tuple("abcdefghi"),
                    values=values + seed,
                    weights=np.ones(9),
                ),
            ),
        )
        for seed in range(3)
    )
    other = config(optimizer={"lr_peak": 1.0})
    found = compare(sweep(arm("L2", config(), scored), arm("L5", other, scored)))
    assert "`optimizer.lr_peak`" in found.sentences[-1]
