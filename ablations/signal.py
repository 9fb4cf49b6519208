"""Which benchmarks can decide anything at a scale: the signal between arms beside all noise.

Seed noise is the spread of a score over seeds within an arm, checkpoint noise its spread along the
last checkpoints around their own line, item noise what another draw of items would change. The
signal is the spread of the arms' true scores: that of their means, less what seeds explain of it.

Source: signal and noise of benchmarks as in Heineman et al. 2025; variance of arms by the method of
moments (Searle, Casella and McCulloch 1992, ch. 3).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import numpy as np

from davinci.ablations.alignment import (
    Checkpoints,
    MetricKey,
    Replicates,
    checkpoints,
    columns,
    outcomes_by_key,
    whole_values,
)
from davinci.ablations.findings import SweepComparison
from davinci.ablations.statistics.effects import detectable, unbiased
from davinci.platform.store.records import Floats, Outcomes, Sweep

NUM_LATE_CHECKPOINTS = 5
MIN_LATE_CHECKPOINTS = 4
MIN_CHECKPOINTS = 3
ABOVE_CHANCE_SE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSignal:
    """One benchmark's metric at the scale of a sweep; all but counts in units of the score.

    Attributes:
        num_arms: Arms with a score.
        num_runs: Runs with a score.
        seed_sd: Pooled over arms; NaN with one seed per arm.
        checkpoint_sd: Around a line through the last checkpoints of each run, pooled; NaN with too
            few checkpoints.
        item_se: Standard error of one run's score from the choice of items.
        signal_sd: Of the arms' true scores; 0 where seeds explain all of the spread.
        signal_to_noise: `signal_sd` over the larger of seed and checkpoint noise.
        min_detectable: Difference of two arms that this many seeds find with 80 % power.
        monotonicity: Rank correlation of score and tokens along training, mean over runs, in terms
            of goodness; NaN with fewer than three checkpoints.
        above_chance: How many standard errors the mean score lies above chance; NaN where chance is
            not known.
        spread: Between the best and the worst arm's mean.
    """

    key: MetricKey
    num_arms: int
    num_runs: int
    num_items: int
    seed_sd: float
    checkpoint_sd: float
    item_se: float
    signal_sd: float
    signal_to_noise: float
    min_detectable: float
    monotonicity: float
    above_chance: float
    spread: float

    @property
    def decides(self) -> bool:
        """Whether the arms differ by more than these seeds can miss, and guessing is beaten."""
        beaten = math.isnan(self.above_chance) or self.above_chance >= ABOVE_CHANCE_SE
        return beaten and self.spread > self.min_detectable

    @property
    def reason(self) -> str:
        """Why it decides nothing, "" where it does."""
        if math.isnan(self.min_detectable):
            return "one seed: its noise is not known"
        if not math.isnan(self.above_chance) and self.above_chance < ABOVE_CHANCE_SE:
            return "not above guessing"
        return "" if self.decides else "arms differ by less than can be detected"


def benchmark_signals(sweep: Sweep, comparison: SweepComparison) -> tuple[BenchmarkSignal, ...]:
    """Return every headline metric, those with the most signal for their noise first."""
    records = {arm.label: outcomes_by_key(arm) for arm in sweep.arms}
    runs = [
        {key: found for key, found in checkpoints(run).items() if len(found) >= MIN_CHECKPOINTS}
        for arm in sweep.arms
        for run in arm.runs
    ]
    found = (
        _signal(metric.key, records, [run[metric.key] for run in runs if metric.key in run])
        for metric in comparison.headline
    )
    return tuple(sorted((one for one in found if one is not None), key=_rank))


def _rank(found: BenchmarkSignal) -> tuple[bool, float, MetricKey]:
    ratio = found.signal_to_noise
    return not found.decides, -ratio if math.isfinite(ratio) else math.inf, found.key


def _signal(
    key: MetricKey,
    records: Mapping[str, Mapping[MetricKey, Replicates]],
    runs: Sequence[Checkpoints],
) -> BenchmarkSignal | None:
    arms = [list(arm.get(key, {}).values()) for arm in records.values()]
    found = _whole(arms) or _one_by_one(arms)
    scores = [arm for arm in found.arms if arm]
    if not scores:
        return None
    seed_sd, df = _pooled_sd(scores)
    means = [fmean(arm) for arm in scores]
    per_arm = fmean([len(arm) for arm in scores])
    signal_sd = _signal_sd(means, seed_sd, per_arm)
    checkpoint_sd = _checkpoint_sd(runs)
    noise = max((sd for sd in (seed_sd, checkpoint_sd) if math.isfinite(sd)), default=math.nan)
    se = seed_sd * math.sqrt(2 / per_arm)
    chances = [one.chance for arm in arms for one in arm if math.isfinite(one.chance)]
    item_se = fmean(found.item_ses)
    return BenchmarkSignal(
        key=key,
        num_arms=len(scores),
        num_runs=len(found.item_ses),
        num_items=found.num_items,
        seed_sd=seed_sd,
        checkpoint_sd=checkpoint_sd,
        item_se=item_se,
        signal_sd=signal_sd,
        signal_to_noise=signal_sd / noise if noise > 0 else math.nan,
        min_detectable=detectable(unbiased(se, df), df) if df else math.nan,
        monotonicity=_monotonicity(runs),
        above_chance=_above_chance(chances, [one for arm in scores for one in arm], item_se),
        spread=max(means) - min(means),
    )


class _Scores(NamedTuple):
    """Every arm's scores, one per run, and the item noise of each; `num_items` at most."""

    arms: list[list[float]]
    item_ses: list[float]
    num_items: int


def _whole(arms: Sequence[Sequence[Outcomes]]) -> _Scores | None:
    """Return the scores of complete records of the same items, all at once; None of others."""
    every = [one for arm in arms for one in arm]
    values = whole_values(every) if every else None
    if values is None:
        return None
    scores, ses = _scores(values, every[0])
    rest = iter(scores)
    return _Scores([[next(rest) for _ in arm] for arm in arms], ses, values.shape[1])


def _one_by_one(arms: Sequence[Sequence[Outcomes]]) -> _Scores:
    """Return the scores over the usable items of each record; without them, it has none."""
    found: list[list[float]] = []
    item_ses: list[float] = []
    num_items = 0
    for arm in arms:
        usable = [kept for one in arm if len((kept := _usable(one)).values)]
        own = [_scores(one.values[None], one) for one in usable]
        found.append([score for scores, _ in own for score in scores])
        item_ses += [se for _, ses in own for se in ses]
        num_items = max([num_items, *(len(one.values) for one in usable)])
    return _Scores(found, item_ses, num_items)


def _usable(outcomes: Outcomes) -> Outcomes:
    """Return the outcomes without items that have no finite value or no weight."""
    kept = np.isfinite(outcomes.values) & (outcomes.weights > 0)
    if kept.all():
        return outcomes
    places = np.flatnonzero(kept).tolist()
    return replace(
        outcomes,
        values=outcomes.values[kept],
        weights=outcomes.weights[kept],
        item_ids=tuple(outcomes.item_ids[place] for place in places),
        clusters=tuple(outcomes.clusters[place] for place in places if outcomes.clusters),
    )


def _scores(values_NI: Floats, one: Outcomes) -> tuple[list[float], list[float]]:
    """Return the scores, and their standard errors over clusters of items, of rows like `one`."""
    scores_N = values_NI @ one.weights / one.weights.sum()
    columns_NC, weights_C = columns(values_NI, one.weights, one.clusters, one.item_ids)
    num = len(weights_C)
    if num < 2:
        return scores_N.tolist(), [math.nan] * len(scores_N)
    parts_NC = weights_C / weights_C.sum() * (columns_NC - scores_N[:, None])
    ses_N = np.sqrt((parts_NC**2).sum(axis=1) * num / (num - 1))
    return scores_N.tolist(), ses_N.tolist()


def _pooled_sd(arms: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the standard deviation within arms, and its degrees of freedom."""
    df = sum(len(arm) - 1 for arm in arms)
    if not df:
        return math.nan, 0.0
    squares = sum(_squares(arm) for arm in arms)
    return math.sqrt(squares / df), float(df)


def _squares(values: Sequence[float]) -> float:
    """Return the sum of the squared distances from the mean."""
    middle = fmean(values)
    return math.fsum([(value - middle) ** 2 for value in values])


def _signal_sd(means: Sequence[float], seed_sd: float, per_arm: float) -> float:
    if len(means) < 2:
        return math.nan
    own = 0.0 if math.isnan(seed_sd) else seed_sd**2 / per_arm
    return math.sqrt(max(0.0, _squares(means) / (len(means) - 1) - own))


def _above_chance(chances: Sequence[float], scores: Sequence[float], se: float) -> float:
    if not chances:
        return math.nan
    above = fmean(scores) - fmean(chances)
    if not se > 0:
        return math.inf if above > 0 else -math.inf if above < 0 else 0.0
    return above / se


def _curve(run: Checkpoints) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return tokens and scores of a run's checkpoints, and whether more is better."""
    found = [
        (tokens, one.score, one.higher_is_better)
        for tokens, one in run.items()
        if tokens > 0 and math.isfinite(one.score)
    ]
    tokens, scores = (np.array([one[i] for one in found], dtype=float) for i in (0, 1))
    return tokens, scores, all(higher for _, _, higher in found)


def _checkpoint_sd(runs: Sequence[Checkpoints]) -> float:
    squares, df = 0.0, 0
    for run in runs:
        tokens, scores, _ = _curve(run)
        tokens, scores = tokens[-NUM_LATE_CHECKPOINTS:], scores[-NUM_LATE_CHECKPOINTS:]
        if len(scores) < MIN_LATE_CHECKPOINTS:
            continue
        x = np.log(tokens)
        line = np.polyfit(x, scores, 1)
        squares += float(((scores - np.polyval(line, x)) ** 2).sum())
        df += len(scores) - 2
    return math.sqrt(squares / df) if df else math.nan


def _monotonicity(runs: Sequence[Checkpoints]) -> float:
    found = []
    for run in runs:
        tokens, scores, higher = _curve(run)
        if len(scores) >= MIN_CHECKPOINTS and len(set(scores.tolist())) > 1:
            from scipy import stats  # slow to import, and mostly not needed

            value = float(stats.spearmanr(tokens, scores).statistic)
            found.append(value if higher else -value)
    return float(np.mean(found)) if found else math.nan
