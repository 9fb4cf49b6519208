"""The controller on the paper's own trajectories finds what its authors found by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from benchmarks.adaptive_on_paper import (
    SETTINGS,
    WEIGHTS,
    first_action,
    first_saturated,
    load,
    looks,
    replay,
)

from davinci.platform.curriculum.controller import Observation

BY_HAND = 3_984_590
"""Where the paper changed its mixture, in millions of tokens."""


@pytest.fixture(scope="module")
def stages() -> Mapping[str, Sequence[Observation]]:
    return load()


def test_every_checkpoint_of_the_figures_is_there(
    stages: Mapping[str, Sequence[Observation]],
) -> None:
    sizes = {stage: len(points) for stage, points in stages.items()}
    assert sizes == {"1-1": 62, "1-2": 24, "1-3": 12, "2-1": 11, "2-2": 12}


def test_general_saturates_first_while_code_and_science_go_on(
    stages: Mapping[str, Sequence[Observation]],
) -> None:
    undisturbed = replay(replace(SETTINGS, patience=10**6), stages["1-1"], WEIGHTS["1-1"])
    order = first_saturated(undisturbed)
    assert list(order) == ["general"]
    since = looks(undisturbed, order["general"])
    assert since["science"]["growing"] >= 0.9 * sum(since["science"].values())
    assert "saturated" not in since["code"]
    assert since["code"]["growing"] >= 10


@pytest.mark.parametrize(
    "changes",
    [{}, {"window": 8}, {"window": 16}, {"patience": 3}, {"min_gain": 0.05}, {"confidence": 0.95}],
)
def test_weight_would_have_left_general_before_the_paper_moved_it(
    stages: Mapping[str, Sequence[Observation]], changes: Mapping[str, float]
) -> None:
    decisions = replay(replace(SETTINGS, **changes), stages["1-1"], WEIGHTS["1-1"])  # type: ignore[arg-type]
    action = first_action(decisions)
    assert action is not None
    assert action.action == "shift"
    assert action.tokens < BY_HAND
    assert action.weights["general"] < WEIGHTS["1-1"]["general"]
    assert action.weights["science"] > WEIGHTS["1-1"]["science"]


def test_without_qa_shifting_stops_to_pay_and_qa_would_come_in(
    stages: Mapping[str, Sequence[Observation]],
) -> None:
    decisions = replay(replace(SETTINGS, window=8), stages["1-3"], WEIGHTS["1-3"])
    action = first_action(decisions)
    assert action is not None
    assert (action.action, action.weights["qa"]) == ("bring in qa", 0.3)


def test_while_all_grow_in_the_papers_second_stage_nothing_is_changed(
    stages: Mapping[str, Sequence[Observation]],
) -> None:
    assert first_action(replay(SETTINGS, stages["1-2"], WEIGHTS["1-2"])) is None
