"""Which arms of an ablation deserve a larger run, with the evidence: scores, chances, transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from davinci.ablations.alignment import outcomes_by_key
from davinci.ablations.comparison import compare
from davinci.ablations.contrasts import scores_of
from davinci.ablations.known import scale_words
from davinci.ablations.scaling import Scaling, scaling
from davinci.ablations.transfer import MIN_RECIPES, Proposal, Transfer, propose, transfer
from davinci.platform.store.records import Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is proposed for a larger scale.

    Attributes:
        scale: The largest one at which the arms were run.
        proposals: Every arm there, the likeliest best one first.
        smaller: A smaller scale with the same arms, "" for none.
        transfer: How well that one foretold this one; None where there is none.
        law: Of the loss in compute; None with fewer than three scales, or for other metrics than
            bits per byte.
    """

    metric: str
    scale: str
    num_seeds: int
    proposals: tuple[Proposal, ...]
    smaller: str
    transfer: Transfer | None
    law: Scaling | None


def promotion(sweeps: Sequence[Sweep], metric: str) -> Promotion | None:
    """Return the proposal from all sweeps of one ablation; None where no score is there.

    Scores are turned so that more is better.
    """
    found = [(_compute(sweep), sweep, seed_scores(sweep, metric)) for sweep in sweeps]
    scored = sorted(((c, s, v) for c, s, v in found if v), key=lambda one: one[0])
    if not scored:
        return None
    _, largest, scores = scored[-1]
    others = [
        (sweep, values)
        for compute, sweep, values in scored[:-1]
        if compute < scored[-1][0] and len(set(values) & set(scores)) >= MIN_RECIPES
    ]
    found_transfer = None
    if others:
        means, target = (
            {name: float(np.mean(seeds)) for name, seeds in values.items()}
            for values in (others[0][1], scores)
        )
        found_transfer = transfer(means, target, baseline=largest.baseline)
    return Promotion(
        metric=metric,
        scale=scale_words(largest),
        num_seeds=max(len(seeds) for seeds in scores.values()),
        proposals=propose(scores),
        smaller=scale_words(others[0][0]) if others else "",
        transfer=found_transfer,
        law=_law(scored) if metric.startswith("bpb/") else None,
    )


def _law(scored: Sequence[tuple[float, Sweep, Mapping[str, list[float]]]]) -> Scaling | None:
    """Return the law through the losses of all scales; of equal compute, the last sweep's."""
    return scaling(
        {
            compute: {name: -float(np.mean(seeds)) for name, seeds in values.items()}
            for compute, _, values in scored
            if compute > 0
        }
    )


def seed_scores(sweep: Sweep, metric: str) -> Mapping[str, list[float]]:
    """Return arm -> the metric of each finished run, more being better."""
    scores = scores_of(metric, compare(sweep).headline)
    found: dict[str, list[float]] = {}
    for arm in sweep.arms:
        records = outcomes_by_key(arm)
        replicates = sorted({r for one in records.values() for r in one})
        for replicate in replicates:
            values = [
                sum(sign * records[key][replicate].score for key, sign in score.parts)
                for score in scores
                if all(replicate in records.get(key, {}) for key, _ in score.parts)
            ]
            if values and len(values) == len(scores):
                found.setdefault(arm.label, []).append(float(np.mean(values)))
    return found


def _compute(sweep: Sweep) -> float:
    return max((run.cost.flops for arm in sweep.arms for run in arm.runs if run.cost), default=0.0)
