from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from davinci.ablations.comparison import Cell, SweepComparison, compare
from davinci.ablations.statistics import Paired, paired_effect
from davinci.platform.store.records import Cost, Outcomes, Run


def only_cell(comparison: SweepComparison, label: str, protocol: str = "bpb") -> Cell:
    (found,) = [
        cell
        for metric in comparison.headline
        if metric.key.protocol == protocol
        for cell in metric.cells
        if cell.arm == label
    ]
    return found


def test_a_clear_gain_is_resolved_and_said_with_its_numbers_and_n(build: SimpleNamespace) -> None:
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in range(3)]),
            build.arm("L5", [build.run(s, build.bpb(1.4, s)) for s in range(3)]),
        )
    )
    cell = only_cell(found, "L5")
    assert cell.resolved
    assert cell.direction == "better"  # fewer bits
    assert cell.effect is not None
    assert cell.effect.mean == pytest.approx(-0.1, abs=0.01)
    assert found.sentences[0] == "Resolved against “L2”: bits per byte 1 of 1 (1 better)."
    assert "(3 seeds × 30 items per domain): 1 of 1 resolved, better in math" in found.sentences[1]
    assert f"−{abs(cell.effect.mean):.3f}" in found.sentences[1]


def test_the_effect_is_the_paired_one_whatever_the_order_of_seeds_and_items(
    build: SimpleNamespace,
) -> None:
    base = [build.bpb(1.5, s) for s in range(3)]
    ours = [build.bpb(1.4, s) for s in range(3)]
    turned = [
        build.outcome("bpb", "bits_per_byte", o.values[::-1], item_ids=o.item_ids[::-1])
        for o in ours
    ]
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, base[s]) for s in range(3)]),
            build.arm("L5", [build.run(s, turned[s]) for s in (2, 0, 1)]),
        )
    )
    expected = paired_effect(
        [
            Paired(
                np.array([o.values for o in ours]),
                np.array([o.values for o in base]),
                np.ones(build.num_items),
            )
        ]
    )
    effect = only_cell(found, "L5").effect
    assert effect is not None
    assert (effect.mean, effect.low, effect.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_two_seeds_or_one_carry_no_claim(build: SimpleNamespace) -> None:
    for seeds, said in ((range(1), "says nothing about other seeds"), (range(2), "not enough")):
        found = compare(
            build.sweep(
                build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in seeds]),
                build.arm("L5", [build.run(s, build.bpb(1.2, s)) for s in seeds]),
            )
        )
        cell = only_cell(found, "L5")
        assert not cell.resolved
        assert said in cell.notes[0]
        assert found.sentences[0] == "Resolved against “L2”: bits per byte none of 1."
        assert "no difference is called resolved" in found.problems[0]


def test_families_are_corrected_by_protocol_and_apart_from_the_other_metrics(
    build: SimpleNamespace,
) -> None:
    def runs(level: float, share: float) -> list[Run]:
        return [
            build.run(
                s,
                build.bpb(level, s),
                build.right(share, s),
                build.right(share, s, "generative", "accuracy"),
                build.right(share, s, "generative", "step_rate"),
            )
            for s in range(3)
        ]

    found = compare(build.sweep(build.arm("L2", runs(1.5, 0.5)), build.arm("L5", runs(1.4, 0.6))))
    assert [m.key.metric for m in found.headline] == ["bits_per_byte", "accuracy", "accuracy"]
    assert [m.key.metric for m in found.secondary] == ["step_rate"]
    for metric in found.metrics:
        effect = metric.cells[1].effect
        assert effect is not None
        assert metric.cells[1].p_corrected == pytest.approx(effect.p_value)  # families of one


def test_a_gain_in_style_alone_is_told_apart_from_a_gain_in_all_styles(
    build: SimpleNamespace,
) -> None:
    def styled(gain: float, seed: int) -> tuple[Outcomes, Outcomes]:
        same = build.bpb(1.0, seed)
        better = build.bpb(1.0 - gain, seed)
        return (
            replace(better, metric="bits_per_byte_worked"),
            replace(same, metric="bits_per_byte_terse"),
        )

    arms = [
        build.arm(
            label,
            [
                build.run(seed, build.bpb(1.0 - gain, seed), *styled(gain, seed))
                for seed in range(3)
            ],
        )
        for label, gain in (("L2", 0.0), ("L5", 0.3))
    ]
    comparison = compare(build.sweep(*arms))
    assert [metric.style for metric in comparison.styles] == ["terse", "worked"]
    assert not comparison.secondary
    terse, worked = (metric.cells[1] for metric in comparison.styles)
    assert worked.resolved
    assert not terse.resolved
    said = [sentence for sentence in comparison.sentences if "terse" in sentence]
    assert said == [
        "Held-out text, bits per byte of terse text, “L5” against “L2” "
        "(3 seeds × 30 items per domain): not resolved in math."
    ]
    assert comparison.sentences.index(said[0]) == 2  # right below bits per byte over all styles


def test_protocols_are_counted_apart_and_never_pooled(build: SimpleNamespace) -> None:
    arms = [
        build.arm(label, [build.run(s, build.bpb(level, s), build.right(0.5, s)) for s in range(3)])
        for label, level in (("L2", 1.5), ("L4", 1.4), ("L5", 1.6))
    ]
    found = compare(build.sweep(*arms))
    assert found.lead == (
        "Resolved against “L2”: bits per byte 2 of 2 (1 better, 1 worse); ppl none of 2."
    )
    assert [finding.text for finding in found.findings] == [
        "Held-out text, bits per byte (3 seeds × 30 items per domain): "
        "2 of 2 resolved, 1 better and 1 worse.",
        "Likelihood ranking (ppl), accuracy, “L4” and “L5” against “L2” "
        "(3 seeds × 30 items per domain): not resolved in math.",
    ]
    assert [d.split(": ")[0] for d in found.findings[0].details] == ["“L4”", "“L5”"]


def test_failed_runs_are_named_and_only_seeds_in_common_are_compared(
    build: SimpleNamespace,
) -> None:
    failed = build.run(2, state="failed", cause="out_of_memory", error="boom", cost=None)
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in range(3)]),
            build.arm(
                "L5", [build.run(0, build.bpb(1.4, 0)), build.run(1, build.bpb(1.4, 1)), failed]
            ),
        )
    )
    assert found.problems[0] == ("“L5”: 2 of 3 runs finished; seed 2 failed (out of memory).")
    assert "do not have the same finished seeds" in found.problems[1]
    effect = only_cell(found, "L5").effect
    assert effect is not None
    assert effect.num_replicates == 2


def test_an_arm_that_failed_wholly_and_a_lost_baseline_are_said(build: SimpleNamespace) -> None:
    good = build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in range(3)])
    dead = build.arm("L5", [build.run(s, state="failed", cause="diverged") for s in range(3)])
    found = compare(build.sweep(good, dead))
    assert only_cell(found, "L5").score is None
    assert "0 of 3 runs finished" in found.problems[0]
    lost = compare(build.sweep(good, dead, baseline="L9"))
    assert "is not among the arms" in lost.problems[0]
    assert lost.sentences == ("No arm can be compared with a baseline, so nothing is concluded.",)


@pytest.mark.parametrize("num_arms", [0, 1])
def test_nothing_to_compare_is_said(build: SimpleNamespace, num_arms: int) -> None:
    found = compare(build.sweep(*(build.arm("L2", []) for _ in range(num_arms))))
    assert found.metrics == ()
    assert "nothing to compare" in found.problems[0]


def test_unusable_values_are_left_out_and_counted(build: SimpleNamespace) -> None:
    holes = build.bpb(1.4, 0).values.copy()
    holes[:4] = np.nan
    runs = [
        build.run(0, build.outcome("bpb", "bits_per_byte", holes)),
        build.run(1, build.bpb(1.4, 1)),
        build.run(2, build.bpb(1.4, 2)),
    ]
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in range(3)]),
            build.arm("L5", runs),
        )
    )
    cell = only_cell(found, "L5")
    assert cell.effect is not None
    assert cell.effect.num_items == build.num_items - 4
    assert "4 items" in cell.notes[0]


def test_an_accuracy_with_a_hole_is_still_between_0_and_1(build: SimpleNamespace) -> None:
    holes = build.right(1.01, 0).values.astype(float)
    holes[3] = np.nan
    arms = [
        build.arm(label, [build.run(s, build.outcome("ppl", "accuracy", holes)) for s in range(3)])
        for label in ("L2", "L5")
    ]
    (metric,) = compare(build.sweep(*arms)).headline
    for cell in metric.cells:
        assert cell.score is not None
        assert cell.score.mean == 1.0
        assert cell.score.low < 0.97, "all right is not certainly all right"
        assert cell.score.high == 1.0


def test_a_metric_that_is_nan_throughout_has_no_score(build: SimpleNamespace) -> None:
    nothing = build.outcome("bpb", "bits_per_byte", [np.nan] * build.num_items)
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(s, build.bpb(1.5, s)) for s in range(3)]),
            build.arm("L5", [build.run(s, nothing) for s in range(3)]),
        )
    )
    cell = only_cell(found, "L5")
    assert (cell.score, cell.effect, cell.resolved) == (None, None, False)


def test_worlds_with_different_items_are_compared_world_by_world(build: SimpleNamespace) -> None:
    def runs(level: float) -> list[Run]:
        return [
            build.run(
                0,
                build.outcome(
                    "bpb",
                    "bits_per_byte",
                    build.bpb(level, world).values,
                    item_ids=tuple(f"w{world}i{index}" for index in range(build.num_items)),
                ),
                world_seed=world,
            )
            for world in range(4)
        ]

    effect = only_cell(
        compare(build.sweep(build.arm("L2", runs(1.5)), build.arm("L5", runs(1.4)))), "L5"
    ).effect
    assert effect is not None
    assert (effect.scope, effect.num_worlds, effect.df) == ("worlds", 4, 3.0)


def test_unequal_tokens_and_many_epochs_are_problems(build: SimpleNamespace) -> None:
    more = Cost(tokens=2000, flops=1.0, wall_s=1.0, cpu_s=1.0)
    found = compare(
        build.sweep(
            build.arm("L2", [build.run(0, build.bpb(1.5, 0), epochs={"qa": 4.0, "math": 9.5})]),
            build.arm("L5", [build.run(0, build.bpb(1.4, 0), cost=more)]),
        )
    )
    assert found.problems[1:] == (
        "Trained tokens are not equal: “L2” 1,000 and “L5” 2,000. "
        "Part of any difference may be that.",
        "Repeated more than 4 times: math (9.5 epochs at most, 1 arm).",
    )
