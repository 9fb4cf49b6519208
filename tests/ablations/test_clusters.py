from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from davinci.ablations.comparison import Cell, SweepComparison, compare
from davinci.ablations.statistics import Paired, paired_effect
from davinci.platform.store.records import Outcomes


def only_cell(comparison: SweepComparison, label: str, protocol: str = "bpb") -> Cell:
    (found,) = [
        cell
        for metric in comparison.headline
        if metric.key.protocol == protocol
        for cell in metric.cells
        if cell.arm == label
    ]
    return found


def clustered(build: SimpleNamespace, share: float, seed: int, num_clusters: int = 6) -> Outcomes:
    clusters = tuple(f"law{index % num_clusters}" for index in range(build.num_items))
    found: Outcomes = replace(build.right(share, seed), clusters=clusters)
    return found


def test_clusters_are_the_unit_and_said_with_the_items(build: SimpleNamespace) -> None:
    base, ours = ([clustered(build, share, s) for s in range(3)] for share in (0.3, 0.6))
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, base[s]) for s in range(3)]),
            build.arm("L5", [build.run(s, ours[s]) for s in range(3)]),
        )
    )
    effect = only_cell(found, "L5", "ppl").effect
    assert effect is not None
    assert (effect.num_items, effect.num_clusters) == (build.num_items, 6)
    assert "3 seeds × 30 items in 6 clusters per domain" in found.sentences[1]
    by_hand = paired_effect(  # item i is of law i % 6, so that each law is a column
        [
            Paired(
                np.array([o.values.reshape(5, 6).mean(axis=0) for o in ours]),
                np.array([o.values.reshape(5, 6).mean(axis=0) for o in base]),
                np.full(6, 5.0),
            )
        ],
        bounded=True,
    )
    assert (effect.mean, effect.low, effect.high) == pytest.approx(
        (by_hand.mean, by_hand.low, by_hand.high)
    )


def test_one_cluster_carries_no_claim(build: SimpleNamespace) -> None:
    arms = [
        build.arm(
            label, [build.run(s, clustered(build, share, s, num_clusters=1)) for s in range(5)]
        )
        for label, share in (("L2", 0.1), ("L5", 0.9))
    ]
    cell = only_cell(compare(build.sweep(*arms)), "L5", "ppl")
    assert not cell.resolved
    assert "one cluster of items: the interval says nothing about other items" in cell.notes


def test_clusters_that_do_not_match_the_items_are_refused(build: SimpleNamespace) -> None:
    wrong = replace(build.right(0.5, 0), clusters=("a", "b"))
    with pytest.raises(ValueError, match="one cluster per item, but world_math accuracy has 2"):
        compare(build.sweep(build.arm("L2", [build.run(0, wrong)])))


def test_arms_at_the_floor_are_marked_and_a_difference_between_them_says_so(
    build: SimpleNamespace,
) -> None:
    arms = [
        build.arm(
            label, [build.run(s, replace(build.right(share, s), chance=0.25)) for s in range(3)]
        )
        for label, share in (("L2", 0.25), ("L4", 0.26), ("L5", 0.9))
    ]
    found = compare(build.sweep(*arms))
    two, four, five = found.headline[0].cells
    assert [cell.floor for cell in (two, four, five)] == ["at", "at", ""]
    assert (four.floor_note, five.floor_note) == ("both at the floor", "")
    assert "both at the floor: nothing learnt to compare" in four.notes


def test_a_score_wholly_on_the_wrong_side_of_the_floor_is_below_it(build: SimpleNamespace) -> None:
    arms = [
        build.arm(
            label, [build.run(s, replace(build.right(share, s), chance=0.5)) for s in range(3)]
        )
        for label, share in (("L2", 0.05), ("L5", 0.5))
    ]
    below, at = compare(build.sweep(*arms)).headline[0].cells
    assert (below.floor, at.floor) == ("below", "at")
    assert at.floor_note == "neither above the floor"
    assert at.resolved  # a true difference, but none in skill


def test_printed_intervals_stay_within_what_can_be_reached(build: SimpleNamespace) -> None:
    base = [clustered(build, 0.2, s, 3) for s in range(3)]
    ours = [clustered(build, 0.1, s, 3) for s in range(3)]
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, base[s]) for s in range(3)]),
            build.arm("L5", [build.run(s, ours[s]) for s in range(3)]),
        )
    )
    baseline, cell = found.headline[0].cells
    assert cell.effect is not None
    assert baseline.score is not None
    assert cell.effect.low < -baseline.score.mean  # three clusters: wider than the scale
    assert cell.shown.low == -baseline.score.mean
    assert cell.shown.cut
    assert cell.effect.high == cell.shown.high


def test_the_control_after_another_prompt_is_found_beside_its_accuracy(
    build: SimpleNamespace,
) -> None:
    control = [build.right(0.3, s, "ppl", "accuracy_other_prompt") for s in range(3)]
    runs = [build.run(s, build.right(0.6, s), control[s]) for s in range(3)]
    found = compare(build.sweep(build.arm("L2", runs)))
    (main,) = found.headline
    assert main.key.metric == "accuracy"
    shown = found.control(main, "L2")
    assert shown is not None
    assert shown.mean == pytest.approx(np.mean([o.values.mean() for o in control]))
    assert [m.key.metric for m in found.secondary] == ["accuracy_other_prompt"]
    assert found.control(found.secondary[0], "L2") is None
