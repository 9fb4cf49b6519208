from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from davinci.ablations.comparison import Cell, SweepComparison, compare
from davinci.ablations.statistics import Paired, paired_effect
from davinci.platform.store.records import Arm, Cost, Outcomes, Run, Sweep

NUM_ITEMS = 30


def outcome(protocol: str, metric: str, values: Any, **changes: Any) -> Outcomes:
    values = np.asarray(values, dtype=np.float64)
    fields: dict[str, Any] = {
        "benchmark": "held_out_math" if protocol == "bpb" else "world_math",
        "domain": "math",
        "protocol": protocol,
        "metric": metric,
        "higher_is_better": protocol != "bpb",
        "item_ids": tuple(f"i{index}" for index in range(len(values))),
        "values": values,
        "weights": np.ones(len(values)),
    }
    return Outcomes(**(fields | changes))


def run(seed: int, *outcomes: Outcomes, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "digest": f"run{seed}",
        "recipe": "recipe",
        "seed": seed,
        "world_seed": 0,
        "state": "done",
        "outcomes": outcomes,
        "cost": Cost(tokens=1000, flops=1.0, wall_s=1.0, cpu_s=1.0),
    }
    return Run(**(fields | changes))


def arm(label: str, runs: list[Run], **changes: Any) -> Arm:
    fields: dict[str, Any] = {
        "label": label,
        "recipe": label,
        "choices": {"data.level": label},
        "overrides": (f"data.level={label}",),
        "config": {"data": {"levels": {"math": label}}, "model": {"hidden_size": 64}},
        "runs": tuple(runs),
    }
    return Arm(**(fields | changes))


def sweep(*arms: Arm, baseline: str = "L2") -> Sweep:
    return Sweep(
        digest="d",
        name="s",
        command="c",
        created="2026-11-23T00:00:00+00:00",
        axes={"data.level": tuple(a.label for a in arms)},
        fixed=(),
        baseline=baseline,
        arms=arms,
        corpora={},
        provenance={},
    )


def bpb(level: float, seed: int) -> Outcomes:
    noise = np.random.default_rng([seed, round(level * 100)])
    items = np.random.default_rng(99).normal(0, 0.2, NUM_ITEMS)
    return outcome("bpb", "bits_per_byte", level + items + noise.normal(0, 0.01, NUM_ITEMS))


def right(share: float, seed: int, protocol: str = "ppl", metric: str = "accuracy") -> Outcomes:
    draws = np.random.default_rng([seed, round(share * 100)]).random(NUM_ITEMS)
    return outcome(protocol, metric, draws < share)


def only_cell(comparison: SweepComparison, label: str, protocol: str = "bpb") -> Cell:
    (found,) = [
        cell
        for metric in comparison.headline
        if metric.key.protocol == protocol
        for cell in metric.cells
        if cell.arm == label
    ]
    return found


def test_a_clear_gain_is_resolved_and_said_with_its_numbers_and_n() -> None:
    found = compare(
        sweep(
            arm("L2", [run(s, bpb(1.5, s)) for s in range(3)]),
            arm("L5", [run(s, bpb(1.4, s)) for s in range(3)]),
        )
    )
    cell = only_cell(found, "L5")
    assert cell.resolved
    assert cell.direction == "better"  # fewer bits
    assert cell.effect is not None
    assert cell.effect.mean == pytest.approx(-0.1, abs=0.01)
    assert found.sentences[0] == "1 of 1 headline difference to “L2” is resolved: 1 better."
    assert "3 seeds, 30 items per domain" in found.sentences[1]
    assert f"−{abs(cell.effect.mean):.3f}" in found.sentences[1]


def test_the_effect_is_the_paired_one_whatever_the_order_of_seeds_and_items() -> None:
    base = [bpb(1.5, s) for s in range(3)]
    ours = [bpb(1.4, s) for s in range(3)]
    turned = [
        outcome("bpb", "bits_per_byte", o.values[::-1], item_ids=o.item_ids[::-1]) for o in ours
    ]
    found = compare(
        sweep(
            arm("L2", [run(s, base[s]) for s in range(3)]),
            arm("L5", [run(s, turned[s]) for s in (2, 0, 1)]),
        )
    )
    expected = paired_effect(
        [
            Paired(
                np.array([o.values for o in ours]),
                np.array([o.values for o in base]),
                np.ones(NUM_ITEMS),
            )
        ]
    )
    effect = only_cell(found, "L5").effect
    assert effect is not None
    assert (effect.mean, effect.low, effect.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_two_seeds_or_one_carry_no_claim() -> None:
    for seeds, said in ((range(1), "says nothing about other seeds"), (range(2), "not enough")):
        found = compare(
            sweep(
                arm("L2", [run(s, bpb(1.5, s)) for s in seeds]),
                arm("L5", [run(s, bpb(1.2, s)) for s in seeds]),
            )
        )
        cell = only_cell(found, "L5")
        assert not cell.resolved
        assert said in cell.notes[0]
        assert found.sentences[0].startswith("None of 1 headline difference")
        assert "no difference is called resolved" in found.problems[0]


def test_families_are_corrected_by_protocol_and_apart_from_the_other_metrics() -> None:
    def runs(level: float, share: float) -> list[Run]:
        return [
            run(
                s,
                bpb(level, s),
                right(share, s),
                right(share, s, "generative", "accuracy"),
                right(share, s, "generative", "step_rate"),
            )
            for s in range(3)
        ]

    found = compare(sweep(arm("L2", runs(1.5, 0.5)), arm("L5", runs(1.4, 0.6))))
    assert [m.key.metric for m in found.headline] == ["bits_per_byte", "accuracy", "accuracy"]
    assert [m.key.metric for m in found.secondary] == ["step_rate"]
    for metric in found.metrics:
        effect = metric.cells[1].effect
        assert effect is not None
        assert metric.cells[1].p_corrected == pytest.approx(effect.p_value)  # families of one


def test_a_gain_in_style_alone_is_told_apart_from_a_gain_in_all_styles() -> None:
    def styled(gain: float, seed: int) -> tuple[Outcomes, Outcomes]:
        same = bpb(1.0, seed)
        better = bpb(1.0 - gain, seed)
        return (
            replace(better, metric="bits_per_byte_worked"),
            replace(same, metric="bits_per_byte_terse"),
        )

    arms = [
        arm(label, [run(seed, bpb(1.0 - gain, seed), *styled(gain, seed)) for seed in range(3)])
        for label, gain in (("L2", 0.0), ("L5", 0.3))
    ]
    comparison = compare(sweep(*arms))
    assert [metric.style for metric in comparison.styles] == ["terse", "worked"]
    assert not comparison.secondary
    terse, worked = (metric.cells[1] for metric in comparison.styles)
    assert worked.resolved
    assert not terse.resolved
    said = [sentence for sentence in comparison.sentences if "terse" in sentence]
    assert said == [
        "“L5” against “L2”, held-out text, bits per byte of terse text "
        "(3 seeds, 30 items per domain): not resolved in math."
    ]


def test_opposite_signs_are_a_swing_and_a_reversal_only_if_both_are_resolved() -> None:
    def two(ppl: tuple[float, float], free: tuple[float, float]) -> str:
        arms = [
            arm(
                label,
                [run(s, right(p, s), right(g, s + 50, "generative")) for s in range(5)],
            )
            for label, p, g in zip(("L2", "L5"), ppl, free, strict=True)
        ]
        return next(p.kind for p in compare(sweep(*arms)).protocol_pairs if p.arm == "L5")

    assert two((0.1, 0.9), (0.9, 0.1)) == "reversal"
    assert two((0.1, 0.9), (0.55, 0.45)) == "swing"
    assert two((0.1, 0.9), (0.1, 0.9)) == "agree"


def test_failed_runs_are_named_and_only_seeds_in_common_are_compared() -> None:
    failed = run(2, state="failed", cause="out_of_memory", error="boom", cost=None)
    found = compare(
        sweep(
            arm("L2", [run(s, bpb(1.5, s)) for s in range(3)]),
            arm("L5", [run(0, bpb(1.4, 0)), run(1, bpb(1.4, 1)), failed]),
        )
    )
    assert found.problems[0] == ("“L5”: 2 of 3 runs finished; seed 2 failed (out of memory).")
    assert "do not have the same finished seeds" in found.problems[1]
    effect = only_cell(found, "L5").effect
    assert effect is not None
    assert effect.num_replicates == 2


def test_an_arm_that_failed_wholly_and_a_lost_baseline_are_said() -> None:
    good = arm("L2", [run(s, bpb(1.5, s)) for s in range(3)])
    dead = arm("L5", [run(s, state="failed", cause="diverged") for s in range(3)])
    found = compare(sweep(good, dead))
    assert only_cell(found, "L5").score is None
    assert "0 of 3 runs finished" in found.problems[0]
    lost = compare(sweep(good, dead, baseline="L9"))
    assert "is not among the arms" in lost.problems[0]
    assert lost.sentences == ("No arm can be compared with a baseline, so nothing is concluded.",)


@pytest.mark.parametrize("arms", [(), (arm("L2", []),)])
def test_nothing_to_compare_is_said(arms: tuple[Arm, ...]) -> None:
    found = compare(sweep(*arms))
    assert found.metrics == ()
    assert "nothing to compare" in found.problems[0]


def test_unusable_values_are_left_out_and_counted() -> None:
    holes = bpb(1.4, 0).values.copy()
    holes[:4] = np.nan
    runs = [
        run(0, outcome("bpb", "bits_per_byte", holes)),
        run(1, bpb(1.4, 1)),
        run(2, bpb(1.4, 2)),
    ]
    found = compare(sweep(arm("L2", [run(s, bpb(1.5, s)) for s in range(3)]), arm("L5", runs)))
    cell = only_cell(found, "L5")
    assert cell.effect is not None
    assert cell.effect.num_items == NUM_ITEMS - 4
    assert "4 items" in cell.notes[0]


def test_a_metric_that_is_nan_throughout_has_no_score() -> None:
    nothing = outcome("bpb", "bits_per_byte", [np.nan] * NUM_ITEMS)
    found = compare(
        sweep(
            arm("L2", [run(s, bpb(1.5, s)) for s in range(3)]),
            arm("L5", [run(s, nothing) for s in range(3)]),
        )
    )
    cell = only_cell(found, "L5")
    assert (cell.score, cell.effect, cell.resolved) == (None, None, False)


def test_worlds_with_different_items_are_compared_world_by_world() -> None:
    def runs(level: float) -> list[Run]:
        return [
            run(
                0,
                outcome(
                    "bpb",
                    "bits_per_byte",
                    bpb(level, world).values,
                    item_ids=tuple(f"w{world}i{index}" for index in range(NUM_ITEMS)),
                ),
                world_seed=world,
            )
            for world in range(4)
        ]

    effect = only_cell(compare(sweep(arm("L2", runs(1.5)), arm("L5", runs(1.4)))), "L5").effect
    assert effect is not None
    assert (effect.scope, effect.num_worlds, effect.df) == ("worlds", 4, 3.0)


def test_unequal_tokens_and_many_epochs_are_problems() -> None:
    more = Cost(tokens=2000, flops=1.0, wall_s=1.0, cpu_s=1.0)
    found = compare(
        sweep(
            arm("L2", [run(0, bpb(1.5, 0), epochs={"qa": 4.0, "math": 9.5})]),
            arm("L5", [run(0, bpb(1.4, 0), cost=more)]),
        )
    )
    assert found.problems[1:] == (
        "Trained tokens are not equal: “L2” 1,000 and “L5” 2,000. "
        "Part of any difference may be that.",
        "Repeated more than 4 times: math (9.5 epochs at most, 1 arm).",
    )
