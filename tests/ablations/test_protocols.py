from types import SimpleNamespace

import numpy as np
import pytest

from davinci.ablations.comparison import SweepComparison, compare


def two_protocols(
    build: SimpleNamespace, ppl: tuple[float, float], free: tuple[float, float]
) -> SweepComparison:
    arms = [
        build.arm(
            label,
            [
                build.run(s, build.right(p, s), build.right(g, s + 50, "generative"))
                for s in range(5)
            ],
        )
        for label, p, g in zip(("L2", "L5"), ppl, free, strict=True)
    ]
    return compare(build.sweep(*arms))


@pytest.mark.parametrize(
    ("ppl", "free", "kind", "said"),
    [
        ((0.1, 0.9), (0.9, 0.1), "reversal", "Reversal in math"),
        ((0.51, 0.49), (0.1, 0.9), "swing", "Swing in math"),
        ((0.52, 0.48), (0.48, 0.52), "unresolved", ""),
        ((0.1, 0.9), (0.1, 0.9), "unresolved", ""),
        ((0.3, 0.5), (0.0, 1.0), "apart", ""),
    ],
)
def test_only_a_resolved_interaction_with_opposite_signs_is_a_swing(
    build: SimpleNamespace,
    ppl: tuple[float, float],
    free: tuple[float, float],
    kind: str,
    said: str,
) -> None:
    found = two_protocols(build, ppl, free)
    (pair,) = found.protocol_pairs
    assert pair.kind == kind
    sentences = [s for s in found.sentences if s.startswith(("Swing", "Reversal"))]
    assert [s.split(" (")[0] for s in sentences] == ([said] if said else [])


def test_the_interaction_is_the_difference_of_the_two_differences(build: SimpleNamespace) -> None:
    (pair,) = two_protocols(build, (0.52, 0.48), (0.1, 0.9)).protocol_pairs
    assert pair.interaction is not None
    assert pair.ppl.effect is not None
    assert pair.generative.effect is not None
    expected = pair.generative.effect.mean - pair.ppl.effect.mean
    assert pair.interaction.mean == pytest.approx(expected)
    assert pair.p_corrected == pytest.approx(pair.interaction.p_value)  # a family of one


def test_without_any_effect_swings_are_as_rare_as_the_correction_says(
    build: SimpleNamespace,
) -> None:
    opposite = swings = 0
    for draw in range(40):
        rng = np.random.default_rng([77, draw])
        arms = []
        for label in ("L2", "L5"):
            runs = []
            for seed in range(3):
                values = rng.random((2, build.num_items)) < 0.4
                records = [
                    build.outcome(protocol, "accuracy", values[index])
                    for index, protocol in enumerate(("ppl", "generative"))
                ]
                runs.append(build.run(seed, *records))
            arms.append(build.arm(label, runs))
        (pair,) = compare(build.sweep(*arms)).protocol_pairs
        opposite += {pair.ppl.direction, pair.generative.direction} == {"better", "worse"}
        swings += pair.kind in ("swing", "reversal")
    assert opposite >= 12
    assert swings <= 4
