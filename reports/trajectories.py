"""Scores along training: per benchmark, and averaged over the clusters that the paper averages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from davinci.ablations.alignment import Checkpoints, MetricKey, checkpoints, done_runs
from davinci.ablations.averages import CLUSTER_OF
from davinci.platform.store.records import Floats, Sweep

MAX_TRAJECTORIES = 40
"""Most that are drawn."""
Points = tuple[Floats, Floats]
"""Tokens and scores of one run's checkpoints, (C,) each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One score along training: a series of (tokens, scores) for each seed of each arm."""

    benchmark: str
    protocol: str
    metric: str
    runs: Mapping[str, Sequence[Points]]


def trajectories(sweep: Sweep, keys: Sequence[MetricKey]) -> tuple[Trajectory, ...]:
    """Return the given scores along training, and the averages of clusters with several of them.

    The last checkpoint's score is the end of each. Averages are plain means of what is better when
    higher, as the paper's are, over the checkpoints that all benchmarks have.
    """
    found: dict[MetricKey, dict[str, list[Points]]] = {}
    for arm in sweep.arms:
        for run in done_runs(arm).values():
            along = checkpoints(run)
            for key in keys if along else ():
                if points := _points(along.get(key, {})):
                    found.setdefault(key, {}).setdefault(arm.label, []).append(points)
    single = [
        Trajectory(
            benchmark=key.benchmark, protocol=key.protocol, metric=key.metric, runs=found[key]
        )
        for key in keys
        if key in found
    ]
    return tuple([*_clusters(found), *single][:MAX_TRAJECTORIES])


def _clusters(found: Mapping[MetricKey, Mapping[str, list[Points]]]) -> Iterator[Trajectory]:
    groups: dict[tuple[str, str], list[MetricKey]] = {}
    for key in found:
        if key.metric != "bits_per_byte":
            name = CLUSTER_OF.get(key.domain, key.domain)
            groups.setdefault((key.protocol, name), []).append(key)
    for (protocol, name), members in groups.items():
        labels = set.intersection(*(set(found[key]) for key in members))
        runs = {
            label: [
                _mean_points(same)
                for same in zip(*(found[key][label] for key in members), strict=False)
            ]
            for label in found[members[0]]
            if label in labels
        }
        if len(members) > 1 and runs:
            title = f"mean of {len(members)} {name} benchmarks"
            yield Trajectory(benchmark=title, protocol=protocol, metric="score", runs=runs)


def _mean_points(several: Sequence[Points]) -> Points:
    shared = sorted(set.intersection(*(set(tokens.tolist()) for tokens, _ in several)))
    rows = [dict(zip(tokens.tolist(), scores.tolist(), strict=True)) for tokens, scores in several]
    means = [float(np.mean([row[at] for row in rows])) for at in shared]
    return np.array(shared, dtype=float), np.array(means, dtype=float)


def _points(found: Checkpoints) -> Points | None:
    """Return one score's points; none where it was not scored on the way to the end."""
    if len(found) < 2:
        return None
    return np.array(list(found), dtype=float), np.array([one.score for one in found.values()])
