"""What a report says of the evaluation itself: which benchmarks decide, agreement, items lost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from davinci.ablations.agreement import Agreement, Measured, Subject, agreement
from davinci.ablations.averages import CLUSTER_OF
from davinci.ablations.findings import MetricComparison, SweepComparison
from davinci.platform.store.records import Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Items of one benchmark that did not count as they should, in one arm's runs together."""

    arm: str
    benchmark: str
    protocol: str
    over_context: int
    empty: int
    cramped: int


def lost_items(sweep: Sweep) -> tuple[Lost, ...]:
    """Return where items did not fit the context, or answers were empty or short of room."""
    found = []
    for arm in sweep.arms:
        counts: dict[tuple[str, str], list[int]] = {}
        for run in arm.runs:
            for evaluation in run.evaluations:
                for place, name in enumerate(
                    ("items_over_context", "empty_answers", "answers_with_less_room")
                ):
                    for benchmark, number in _counts(evaluation.notes, name):
                        key = (benchmark, evaluation.protocol)
                        counts.setdefault(key, [0, 0, 0])[place] += number
        for (benchmark, protocol), (over, empty, cramped) in sorted(counts.items()):
            found.append(
                Lost(
                    arm=arm.label,
                    benchmark=benchmark,
                    protocol=protocol,
                    over_context=over,
                    empty=empty,
                    cramped=cramped,
                )
            )
    return tuple(found)


def agreements(sweep: Sweep, comparison: SweepComparison) -> tuple[Agreement, ...]:
    """Return how alike the protocols rank the arms, per benchmark and per cluster of several.

    Arms are ranked by their mean over seeds; the standard error is that of the seeds and items, as
    in the table of scores. A metric of which less is better enters with its sign turned.
    """
    main = {(m.key.benchmark, m.key.protocol): m for m in comparison.headline}
    found = []
    clusters: dict[str, list[tuple[Subject, ...]]] = {}
    for (benchmark, protocol), ppl in main.items():
        generative = main.get((benchmark, "generative"))
        if protocol != "ppl" or generative is None:
            continue
        subjects = tuple(_subjects(ppl, generative))
        found.append(agreement(benchmark, subjects))
        if ppl.higher_is_better:
            clusters.setdefault(CLUSTER_OF.get(ppl.key.domain, ppl.key.domain), []).append(subjects)
    several = {name: groups for name, groups in clusters.items() if len(groups) > 1}
    if len(clusters) > 1:
        several["all benchmarks"] = [group for groups in clusters.values() for group in groups]
    found += [agreement(name, _averaged(groups)) for name, groups in several.items()]
    return tuple(found)


def _counts(notes: Mapping[str, Any], name: str) -> Iterator[tuple[str, int]]:
    value = notes.get(name)
    if isinstance(value, Mapping):
        yield from ((str(benchmark), int(number)) for benchmark, number in value.items())


def _subjects(ppl: MetricComparison, generative: MetricComparison) -> Iterator[Subject]:
    for left, right in zip(ppl.cells, generative.cells, strict=True):
        if left.score is None or right.score is None:
            continue
        yield Subject(
            name=left.arm,
            ppl=_measured(ppl, left.score.mean, left.score.se),
            generative=_measured(generative, right.score.mean, right.score.se),
        )


def _measured(metric: MetricComparison, mean: float, se: float) -> Measured:
    return Measured(mean if metric.higher_is_better else -mean, se)


def _averaged(groups: list[tuple[Subject, ...]]) -> tuple[Subject, ...]:
    """Return the plain means over benchmarks, of the subjects that all of them have."""
    by_name = [{subject.name: subject for subject in group} for group in groups]
    names = [name for name in by_name[0] if all(name in group for group in by_name)]
    return tuple(
        Subject(
            name=name,
            ppl=_mean([group[name].ppl for group in by_name]),
            generative=_mean([group[name].generative for group in by_name]),
        )
        for name in names
    )


def _mean(values: list[Measured]) -> Measured:
    score = float(np.mean([value.score for value in values]))
    return Measured(score, float(np.sqrt(np.sum([value.se**2 for value in values])) / len(values)))
