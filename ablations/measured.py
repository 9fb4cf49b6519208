"""Scores and effects of many metrics at once: taken together, they cost a tenth of the time."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from davinci.ablations.alignment import Aligned, Replicates, align_each
from davinci.ablations.statistics import Effect, Score, arm_scores, paired_effects

Arms = Mapping[str, Replicates]
"""Label -> an arm's records of one score."""

NOTHING = Aligned((), (), 0, False)


class Measured(NamedTuple):
    """One arm in one metric: `own` records by themselves, `pair` beside the baseline's.

    `score` and `effect` are None where there is nothing to compute them from; the baseline itself
    has no pair.
    """

    own: Aligned
    pair: Aligned
    score: Score | None
    effect: Effect | None


def measure(
    metrics: Sequence[Arms], bounded: Sequence[bool], baseline: str
) -> list[dict[str, Measured]]:
    """Return every metric's arms, by label; `bounded` says whose values lie in [0, 1].

    Raises:
        ValueError: As `align`.
    """
    aligned = [_align_arms(arms, baseline) for arms in metrics]
    sides = [
        (own, pair, is_bounded)
        for arms, is_bounded in zip(aligned, bounded, strict=True)
        for own, pair in arms.values()
    ]
    scores = iter(
        arm_scores(
            [own.blocks for own, _, _ in sides if own.worlds],
            bounded=[is_bounded for own, _, is_bounded in sides if own.worlds],
        )
    )
    effects = iter(
        paired_effects(
            [pair.pairs for _, pair, _ in sides if pair.worlds],
            bounded=[is_bounded for _, pair, is_bounded in sides if pair.worlds],
        )
    )
    return [
        {
            label: Measured(
                own=own,
                pair=pair,
                score=next(scores) if own.worlds else None,
                effect=next(effects) if pair.worlds else None,
            )
            for label, (own, pair) in arms.items()
        }
        for arms in aligned
    ]


def _align_arms(arms: Arms, baseline: str) -> dict[str, tuple[Aligned, Aligned]]:
    """Return every arm by itself, and beside the baseline."""
    labels = list(arms)
    base = labels.index(baseline) if baseline in arms else -1
    paired = [place for place in range(len(labels)) if base not in (-1, place)]
    alone: list[tuple[int, ...]] = [(place,) for place in range(len(labels))]
    wanted = [*alone, *((place, base) for place in paired)]
    found = align_each(list(arms.values()), wanted)
    pairs = dict(zip(paired, found[len(labels) :], strict=True))
    return {label: (found[place], pairs.get(place, NOTHING)) for place, label in enumerate(labels)}
