"""The effect of any contrast of arms on any score: one number with its interval, in goodness.

A score over several benchmarks is the plain mean of theirs. Seeds are what they share, so a seed's
values stand in one row; items are drawn within each benchmark, so each benchmark's mean is taken
off before items are compared (items as strata; Cochran, Sampling Techniques, 1977, ch. 5).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from davinci.ablations.alignment import MetricKey, ReplicateKey, Replicates, align
from davinci.ablations.declaration import INTERACTION, Ablation, Claim
from davinci.ablations.findings import MetricComparison
from davinci.ablations.statistics import Effect, Paired, paired_effect
from davinci.platform.store.records import Floats

Weights = Mapping[str, float]
"""Arm -> weight; they sum to 0. The effect is the weighted sum of the arms' scores."""
Records = Mapping[str, Mapping[MetricKey, Replicates]]
"""Arm -> score -> records."""


class Signed(NamedTuple):
    """Scores that enter a metric, each with its sign: -1 where less is better, or is taken off."""

    parts: tuple[tuple[MetricKey, float], ...]


def contrasts_of(ablation: Ablation, claim: Claim) -> tuple[Weights, ...]:
    """Return the contrasts of a claim: one, or for `best` one against every other arm."""
    if claim.contrast:
        return (dict(claim.contrast),)
    if claim.trend:
        return (_trend(claim.trend),)
    if claim.expect == "best":
        others = [arm for arm in ablation.arms if arm != claim.arm]
        return tuple({claim.arm: 1.0, other: -1.0} for other in others)
    return ({claim.arm: 1.0, claim.against or ablation.baseline: -1.0},)


def scores_of(metric: str, headline: Sequence[MetricComparison]) -> tuple[Signed, ...]:
    """Return the scores whose mean a metric is: one per benchmark, two together in an interaction.

    Empty where there are none.
    """
    protocol, _, domain = metric.partition("/")
    wanted = [m for m in headline if domain in ("mean", m.key.domain)]
    if protocol != INTERACTION:
        own = [m for m in wanted if m.key.protocol == protocol]
        return tuple(Signed(((m.key, 1.0 if m.higher_is_better else -1.0),)) for m in own)
    by_benchmark = {(m.key.benchmark, m.key.protocol): m for m in wanted if m.higher_is_better}
    return tuple(
        Signed(((answers.key, 1.0), (ranks.key, -1.0)))
        for (benchmark, name), answers in by_benchmark.items()
        if name == "generative" and (ranks := by_benchmark.get((benchmark, "ppl")))
    )


def effect_of(records: Records, weights: Weights, scores: Sequence[Signed]) -> Effect | None:
    """Return a contrast's effect on the mean of some scores; None where nothing can be paired.

    More is better, whatever the scores: signs turn bits per byte.
    """
    shared = _shared_replicates(records, weights, scores)
    worlds = sorted({replicate.world_seed for replicate in shared})
    blocks = []
    for world in worlds:
        chosen = [replicate for replicate in shared if replicate.world_seed == world]
        parts = [_part(records, weights, score, chosen) for score in scores]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts) and parts:
            blocks.append(_joined(known))
    return paired_effect(blocks, bounded=_bounded(scores, weights)) if blocks else None


def _shared_replicates(
    records: Records, weights: Weights, scores: Sequence[Signed]
) -> list[ReplicateKey]:
    found = [
        set(records.get(arm, {}).get(key, {}))
        for score in scores
        for key, _ in score.parts
        for arm in weights
    ]
    return sorted(set.intersection(*found)) if found else []


def _part(
    records: Records, weights: Weights, score: Signed, chosen: Sequence[ReplicateKey]
) -> Paired | None:
    """Return one benchmark's values of one world, what is added up against what is taken off."""
    terms = [
        (weight * sign, {r: records[arm][key][r] for r in chosen})
        for arm, weight in weights.items()
        for key, sign in score.parts
    ]
    aligned = align(*(found for _, found in terms))
    if len(aligned.worlds) != 1:
        return None
    world = aligned.worlds[0]
    factors = [factor for factor, _ in terms]
    sides = [
        sum((abs(f) * v for f, v in zip(factors, world.values, strict=True) if f * side > 0), _ZERO)
        for side in (1, -1)
    ]
    return Paired(sides[0], sides[1], world.weights, world.num_items)


_ZERO = np.zeros(1)


def _joined(parts: Sequence[Paired]) -> Paired:
    """Return benchmarks side by side, each weighing the same, and each without its own mean."""
    if len(parts) == 1:
        return parts[0]
    differences = [part.treatment - part.baseline for part in parts]
    means = [
        float((values @ part.weights / part.weights.sum()).mean())
        for values, part in zip(differences, parts, strict=True)
    ]
    overall = float(np.mean(means))
    levelled: list[Floats] = [
        values - mean + overall for values, mean in zip(differences, means, strict=True)
    ]
    weights = [part.weights / part.weights.sum() for part in parts]
    whole = np.concatenate(levelled, axis=1)
    num_items = sum(part.num_items or len(part.weights) for part in parts)
    return Paired(whole, np.zeros_like(whole), np.concatenate(weights), num_items)


def _bounded(scores: Sequence[Signed], weights: Weights) -> bool:
    """Return whether values lie within [0, 1], so that no spread at all needs care."""
    shares = all(key.protocol != "bpb" for score in scores for key, _ in score.parts)
    return shares and len(scores) == 1 and len(weights) == 2


def _trend(arms: Sequence[str]) -> Weights:
    """Return the contrast that is the rise of the least-squares line over arms in order."""
    places = np.arange(len(arms)) - (len(arms) - 1) / 2
    slopes = places / float(places @ places) * (len(arms) - 1)
    return {arm: float(w) for arm, w in zip(arms, slopes, strict=True) if abs(w) > 1e-12}
