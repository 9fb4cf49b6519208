"""Differences between arms and scores of single arms, as intervals that say what they cover."""

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from davinci.ablations.statistics.variance import (
    Block,
    Components,
    Estimate,
    Scope,
    estimates,
)
from davinci.platform.store.records import Floats

POWER = 0.8


class Paired(NamedTuple):
    """One world's values of two arms, (S, I) each, rows paired by replicate; else as `Block`."""

    treatment: Floats
    baseline: Floats
    weights: Floats
    num_items: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Treatment minus baseline, in units of the score.

    Attributes:
        low: Lower end of the interval; NaN where none can be computed (see `scope`).
        high: Upper end.
        p_value: Two-sided, uncorrected, from the same standard error and degrees of freedom; of one
            replicate's right and wrong answers, exact.
        se_seed: Standard error from seeds alone (with the noise of single answers), NaN if unknown.
        se_item: Standard error from the choice of items (clusters) alone, NaN if unknown.
        num_replicates: Paired replicates, over all worlds.
        num_items: Items, summed over worlds.
        num_clusters: Units that they form, summed over worlds: as many where none are clustered.
        min_detectable: Smallest true difference that this design finds with 80 % power.
        scope: What the interval generalises over, see `Estimate`.
    """

    mean: float
    low: float
    high: float
    p_value: float
    df: float
    se: float
    se_seed: float
    se_item: float
    num_replicates: int
    num_worlds: int
    num_items: int
    num_clusters: int
    min_detectable: float
    scope: Scope
    components: Components
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One arm's score with its interval; fields as in `Effect`."""

    mean: float
    low: float
    high: float
    df: float
    se: float
    num_replicates: int
    num_worlds: int
    num_items: int
    num_clusters: int
    scope: Scope
    confidence: float = 0.95


def paired_effect(
    worlds: Sequence[Paired], *, bounded: bool = False, confidence: float = 0.95
) -> Effect:
    """Return the difference between two arms, paired by replicate and item.

    The differences of paired values are taken first, so that what both arms share (hard items,
    lucky seeds) cancels; the interval is a t interval on `estimate`'s standard error.

    Args:
        worlds: One entry per world.
        bounded: Whether values lie in [0, 1]. Where such values leave no variance at all (every
            item differs alike, or none), two made-up items, one won and one lost, keep the
            interval open.
        confidence: Coverage of the interval.

    Raises:
        ValueError: If there is no world, or shapes, values or weights are unusable.

    Source: two made-up items: Bonett and Price, J. Educ. Behav. Stat. 37 (2012).
    """
    (found,) = paired_effects([worlds], bounded=[bounded], confidence=confidence)
    return found


def paired_effects(
    cases: Sequence[Sequence[Paired]], *, bounded: Sequence[bool], confidence: float = 0.95
) -> list[Effect]:
    """Return `paired_effect` of every case, to the same bits, in a fraction of the time.

    Raises:
        ValueError: As `paired_effect`.
    """
    found = estimates([[_difference(world) for world in worlds] for worlds in cases])
    return [
        _effect(worlds, one, is_bounded, confidence)
        for worlds, one, is_bounded in zip(cases, found, bounded, strict=True)
    ]


def _difference(world: Paired) -> Block:
    if world.treatment.shape != world.baseline.shape:
        raise ValueError(
            "treatment and baseline must be paired, value by value, but got shapes "
            f"{world.treatment.shape} and {world.baseline.shape}."
        )
    return Block(world.treatment - world.baseline, world.weights, world.num_items)


def _effect(worlds: Sequence[Paired], found: Estimate, bounded: bool, confidence: float) -> Effect:
    se = found.se
    if bounded and se == 0.0:
        se = math.sqrt(2.0 / found.num_clusters / max(found.num_clusters - 1, 1))
    half = _quantile(confidence, found.df) * se
    exact = _exact_p_value(worlds) if found.scope == "items" else None
    p_value = _p_value(found.mean, se, found.df) if exact is None else exact
    return Effect(
        mean=found.mean,
        low=found.mean - half,
        high=found.mean + half,
        p_value=p_value,
        df=found.df,
        se=se,
        se_seed=_se_seed(found),
        se_item=math.sqrt(found.components.item),
        num_replicates=found.num_replicates,
        num_worlds=found.num_worlds,
        num_items=found.num_items,
        num_clusters=found.num_clusters,
        min_detectable=detectable(unbiased(se, found.df), found.df, confidence),
        scope=found.scope,
        components=found.components,
        confidence=confidence,
    )


def arm_score(worlds: Sequence[Block], *, bounded: bool = False, confidence: float = 0.95) -> Score:
    """Return one arm's score with its interval.

    Bounded scores get Wilson's interval at the effective number of items (as many independent items
    as would give the same standard error), so that a score of 0 or 1 keeps an honest width.

    Raises:
        ValueError: If there is no world, or shapes, values or weights are unusable.

    Source: effective sample sizes for proportions: Korn and Graubard, Survey Methodology 24 (1998).
    """
    (found,) = arm_scores([worlds], bounded=[bounded], confidence=confidence)
    return found


def arm_scores(
    cases: Sequence[Sequence[Block]], *, bounded: Sequence[bool], confidence: float = 0.95
) -> list[Score]:
    """Return `arm_score` of every case, to the same bits, in a fraction of the time.

    Raises:
        ValueError: As `arm_score`.
    """
    return [
        _score(one, is_bounded, confidence)
        for one, is_bounded in zip(estimates(cases), bounded, strict=True)
    ]


def _score(found: Estimate, bounded: bool, confidence: float) -> Score:
    quantile = _quantile(confidence, found.df)
    low, high = found.mean - quantile * found.se, found.mean + quantile * found.se
    if bounded and math.isfinite(found.se):
        low, high = _wilson(found, quantile)
    return Score(
        mean=found.mean,
        low=low,
        high=high,
        df=found.df,
        se=found.se,
        num_replicates=found.num_replicates,
        num_worlds=found.num_worlds,
        num_items=found.num_items,
        num_clusters=found.num_clusters,
        scope=found.scope,
        confidence=confidence,
    )


def detectable(se: float, df: float, confidence: float = 0.95) -> float:
    """Return the smallest true difference that a t test finds with 80 % power (noncentral t).

    `se` is the true standard error; of an observed one, `unbiased`.
    """
    if not (math.isfinite(se) and df > 0):
        return float("nan")
    inverses, found = _power_table(confidence)
    inverse = min(1 / df, inverses[-1])
    place = min(bisect.bisect_right(inverses, inverse), len(inverses) - 1)
    left, right = inverses[place - 1], inverses[place]
    share = (inverse - left) / (right - left)
    return (found[place - 1] + share * (found[place] - found[place - 1])) * se


def unbiased(se: float, df: float) -> float:
    """Return a standard error without its bias: from few degrees of freedom it is too small.

    Source: the mean of the chi distribution.
    """
    if not df > 0:
        return float("nan")
    return se / (math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)))


@functools.cache
def _power_table(confidence: float) -> tuple[list[float], list[float]]:
    """Return 1/df, rising from 0, and the least differences in units of the standard error.

    Between them the curve is all but straight.
    """
    inverses = np.concatenate([np.linspace(0, 0.5, 26)[1:], np.linspace(0.5, 1, 21)[1:]])
    df = 1 / inverses
    found = special.nctdtrinc(df, 1 - POWER, special.stdtrit(df, 0.5 + confidence / 2))
    limit = float(special.ndtri(0.5 + confidence / 2) + special.ndtri(POWER))
    return [0.0, *inverses.tolist()], [limit, *found.tolist()]


def _wilson(found: Estimate, quantile: float) -> tuple[float, float]:
    p = min(max(found.mean, 0.0), 1.0)
    most = float(found.num_items * max(found.num_replicates, 1))
    num = min(p * (1 - p) / found.se**2, most) if found.se > 0 else float(found.num_clusters)
    if num == 0.0:  # all values are 0 or 1, by rounding alone not quite
        num = float(found.num_clusters)
    shrink = 1 + quantile**2 / num
    centre = (p + quantile**2 / (2 * num)) / shrink
    half = quantile / shrink * math.sqrt(p * (1 - p) / num + quantile**2 / (4 * num**2))
    return min(max(centre - half, 0.0), p), max(min(centre + half, 1.0), p)


def _quantile(confidence: float, df: float) -> float:
    if not df > 0:
        return float("nan")
    return float(special.stdtrit(df, 0.5 + confidence / 2))  # `scipy.stats` is slow to import


def _p_value(mean: float, se: float, df: float) -> float:
    if not (math.isfinite(se) and df > 0):
        return float("nan")
    if mean == 0.0 or se == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * special.stdtr(df, -abs(mean) / se))


def _exact_p_value(worlds: Sequence[Paired]) -> float | None:
    """Return McNemar's exact p-value: of the items that one arm alone has right, half by chance.

    None unless every value is 0 or 1 and every item counts the same and for itself.
    """
    if any(w.num_items not in (0, len(w.weights)) or np.ptp(w.weights) > 0 for w in worlds):
        return None
    both = [side.ravel() for world in worlds for side in (world.treatment, world.baseline)]
    if not np.isin(np.concatenate(both), (0.0, 1.0)).all():
        return None
    won = sum(int((w.treatment > w.baseline).sum()) for w in worlds)
    lost = sum(int((w.treatment < w.baseline).sum()) for w in worlds)
    return mcnemar(won, lost)


def mcnemar(won: int, lost: int) -> float:
    """Return the exact two-sided p-value of items won and lost: each is a coin, if none is better.

    Source: McNemar, Psychometrika 12 (1947), with the binomial distribution itself.
    """
    return min(1.0, 2 * float(special.bdtr(min(won, lost), won + lost, 0.5)))


def _se_seed(found: Estimate) -> float:
    parts = found.components
    seed = parts.seed if math.isnan(parts.rest) else parts.seed + parts.rest
    return math.sqrt(seed / found.num_replicates)
