"""What the arms score on the items that no training corpus holds, and on the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from davinci.ablations.alignment import MetricKey, Replicates, outcomes_by_key
from davinci.ablations.findings import SweepComparison
from davinci.ablations.wording import number, spanned
from davinci.data_levels.contamination.record import Overlap
from davinci.platform.store.records import Contamination, Run, Sweep

DirtyItems = Mapping[tuple[int, str], frozenset[str]]
"""(World, benchmark) -> the items that some arm's corpora make dirty there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScore:
    """An arm's score over some of the items: mean over its runs, and items of each run."""

    mean: float
    counts: tuple[int, ...]

    @property
    def words(self) -> str:
        """The score with its number of items."""
        if not any(self.counts):
            return "no item scored"
        noun = "item" if set(self.counts) == {1} else "items"
        return f"{number(self.mean)} ({spanned(self.counts)} {noun})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRow:
    """One arm in one metric, over all items and over the clean and the dirty ones."""

    key: MetricKey
    arm: str
    every: PartScore
    clean: PartScore
    dirty: PartScore


def checks_of(sweep: Sweep) -> Iterator[tuple[Run, Contamination]]:
    """Yield every check of every run's corpora."""
    for arm in sweep.arms:
        for run in arm.runs:
            for check in run.contamination:
                yield run, check


def dirty_ids(overlap: Overlap) -> list[str]:
    """Return the ids of the dirty items."""
    names = zip(overlap.item_ids, overlap.dirty.tolist(), strict=True)
    return [item for item, is_dirty in names if is_dirty]


def dirty_items(sweep: Sweep) -> DirtyItems:
    """Return the items that any run's corpora make dirty, by world and benchmark.

    Over all arms together, so that clean scores of two arms are over the same items.
    """
    found: dict[tuple[int, str], set[str]] = {}
    for run, check in checks_of(sweep):
        if items := dirty_ids(check.overlap):
            found.setdefault((run.world_seed, check.overlap.benchmark), set()).update(items)
    return {key: frozenset(items) for key, items in found.items()}


def split_scores(sweep: Sweep, comparison: SweepComparison) -> tuple[SplitRow, ...]:
    """Return the scores of benchmarks with dirty items, metric by metric and arm by arm."""
    dirty = dirty_items(sweep)
    affected = {benchmark for _, benchmark in dirty}
    by_arm = {arm.label: outcomes_by_key(arm) for arm in sweep.arms}
    return tuple(
        SplitRow(
            key=metric.key,
            arm=arm,
            every=_part(records[metric.key], dirty, (False, True)),
            clean=_part(records[metric.key], dirty, (False,)),
            dirty=_part(records[metric.key], dirty, (True,)),
        )
        for metric in comparison.headline
        if metric.key.benchmark in affected
        for arm, records in by_arm.items()
        if metric.key in records
    )


def _part(records: Replicates, dirty: DirtyItems, wanted: tuple[bool, ...]) -> PartScore:
    """Return the mean over runs of the weighted mean over the items that are dirty as wanted."""
    means, counts = [], []
    for replicate, outcomes in records.items():
        items = dirty.get((replicate.world_seed, outcomes.benchmark), frozenset())
        chosen = np.array([(item in items) in wanted for item in outcomes.item_ids])
        chosen &= np.isfinite(outcomes.values) & (outcomes.weights > 0)
        counts.append(int(chosen.sum()))
        if chosen.any():
            means.append(np.average(outcomes.values[chosen], weights=outcomes.weights[chosen]))
    return PartScore(mean=float(np.mean(means)) if means else float("nan"), counts=tuple(counts))
