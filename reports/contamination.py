"""What the corpora of a sweep hold of its items: the section on contamination."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from davinci.ablations.alignment import done_runs
from davinci.ablations.findings import SweepComparison
from davinci.ablations.wording import count, listed
from davinci.data_levels.contamination.record import Overlap
from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Contamination, Run, Sweep
from davinci.reports.clean_scores import (
    SplitRow,
    checks_of,
    dirty_ids,
    dirty_items,
    split_scores,
)
from davinci.reports.corpora import depth_order
from davinci.reports.filters import name, size

MAX_EXAMPLES = 3
MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapRow:
    """One benchmark against one domain's corpora of one level, summed over worlds.

    `sources` is ordered by dirty documents, most first; `examples` are of (item, document).
    """

    benchmark: str
    corpus_domain: str
    level: str
    arms: tuple[str, ...]
    num_corpora: int
    num_items: int
    num_checkable: int
    num_dirty: int
    sources: tuple[tuple[str, int], ...]
    examples: tuple[tuple[str, str], ...]


class OverlapCell(NamedTuple):
    """One benchmark against one domain's corpora of all levels and worlds.

    `largest` is the largest share of an item's runs that one document holds; NaN where no item
    could be compared, or the domain is not trained on.
    """

    num_dirty: int
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRow:
    """One benchmark against all corpora; `cells` are in the order of the report's `domains`."""

    benchmark: str
    num_items: int
    num_checkable: int
    cells: tuple[OverlapCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationReport:
    """Everything that a report says about contamination.

    `sentence` is the gist of it, `dirty` has the pairs of benchmark and corpora with dirty items,
    `benchmarks` all benchmarks against all `domains`.
    """

    sentence: str
    words: int = 0
    domains: tuple[str, ...] = ()
    benchmarks: tuple[BenchmarkRow, ...] = ()
    dirty: tuple[OverlapRow, ...] = ()
    splits: tuple[SplitRow, ...] = ()


@dataclass(slots=True)
class _Group:
    """The checks of one benchmark against one domain and level: corpus -> check, and the arms."""

    checks: dict[str, Contamination] = field(default_factory=dict)
    arms: dict[str, None] = field(default_factory=dict)


def contamination_report(sweep: Sweep, comparison: SweepComparison) -> ContaminationReport:
    """Return what is known of the overlap of the sweep's items with its corpora."""
    rows = _rows(sweep)
    if not rows:
        return ContaminationReport(sentence="These runs were not checked for contamination.")
    checks = [check for _, check in checks_of(sweep)]
    domains = tuple(sorted({check.corpus_domain for check in checks}, key=_domain_order))
    return ContaminationReport(
        sentence=f"{_sentence(sweep, rows)}{_unchecked(sweep)}",
        words=checks[0].rule.words,
        domains=domains,
        benchmarks=_benchmarks(sweep, domains),
        dirty=tuple(row for row in rows if row.num_dirty),
        splits=split_scores(sweep, comparison),
    )


def contamination_caveats(sweep: Sweep) -> list[str]:
    """Return what to hold against the scores of benchmarks with dirty items."""
    by_benchmark: dict[str, int] = {}
    for (_, benchmark), items in dirty_items(sweep).items():
        by_benchmark[benchmark] = by_benchmark.get(benchmark, 0) + len(items)
    if not by_benchmark:
        return []
    most = sorted(by_benchmark.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{name(benchmark)} ({num:,})" for benchmark, num in most[:MAX_NAMED]]
    more = [f"{count(len(most) - MAX_NAMED, 'further benchmark')}"] if len(most) > MAX_NAMED else []
    return [
        f"Items of {listed([*named, *more])} stand in documents that were trained on: their scores "
        "may be memory. The section on contamination has the scores without them."
    ]


def _rows(sweep: Sweep) -> list[OverlapRow]:
    groups: dict[tuple[str, str, str], _Group] = {}
    for arm in sweep.arms:
        for run in arm.runs:
            for check in run.contamination:
                digest, level = _corpus(sweep, run, check)
                key = (check.overlap.benchmark, check.corpus_domain, level)
                group = groups.setdefault(key, _Group())
                group.checks[digest] = check
                group.arms[arm.label] = None
    rows = [_row(key, group) for key, group in groups.items()]
    return sorted(rows, key=lambda row: (-row.num_dirty, *_reading_order(row)))


def _corpus(sweep: Sweep, run: Run, check: Contamination) -> tuple[str, str]:
    """Return the digest and the level of the corpus that was checked."""
    digest = run.corpora.get(check.corpus_domain, "")
    return digest, sweep.corpora[digest].level if digest in sweep.corpora else ""


def _row(key: tuple[str, str, str], group: _Group) -> OverlapRow:
    benchmark, corpus_domain, level = key
    overlaps = [check.overlap for check in group.checks.values()]
    sources: Counter[str] = Counter()
    for overlap in overlaps:
        sources.update(overlap.sources)
    examples = [
        (item, document)
        for overlap in overlaps
        for item, documents in overlap.examples.items()
        for document in documents[:1]
    ]
    return OverlapRow(
        benchmark=benchmark,
        corpus_domain=corpus_domain,
        level=level,
        arms=tuple(group.arms),
        num_corpora=len(overlaps),
        num_items=sum(len(overlap.item_ids) for overlap in overlaps),
        num_checkable=sum(int(overlap.checkable.sum()) for overlap in overlaps),
        num_dirty=sum(int(overlap.dirty.sum()) for overlap in overlaps),
        sources=tuple(sorted(sources.items(), key=lambda pair: (-pair[1], pair[0]))),
        examples=tuple(examples[:MAX_EXAMPLES]),
    )


def _reading_order(row: OverlapRow) -> tuple[str, tuple[int, str], tuple[int, tuple[str, ...]]]:
    return row.benchmark, _domain_order(row.corpus_domain), depth_order(row.level)


def _domain_order(domain: str) -> tuple[int, str]:
    domains = list[str](DOMAINS)
    return domains.index(domain) if domain in domains else len(domains), domain


def _benchmarks(sweep: Sweep, domains: Sequence[str]) -> tuple[BenchmarkRow, ...]:
    items: dict[str, dict[int, Overlap]] = {}
    dirty: dict[tuple[str, str], set[tuple[int, str]]] = {}
    largest: dict[tuple[str, str], float] = {}
    for run, check in checks_of(sweep):
        overlap, key = check.overlap, (check.overlap.benchmark, check.corpus_domain)
        items.setdefault(overlap.benchmark, {})[run.world_seed] = overlap
        dirty.setdefault(key, set()).update((run.world_seed, item) for item in dirty_ids(overlap))
        most = float(np.fmax.reduce(overlap.overlap, initial=np.nan))
        largest[key] = float(np.fmax(most, largest.get(key, np.nan)))
    return tuple(
        BenchmarkRow(
            benchmark=benchmark,
            num_items=sum(len(overlap.item_ids) for overlap in worlds.values()),
            num_checkable=sum(int(overlap.checkable.sum()) for overlap in worlds.values()),
            cells=tuple(
                OverlapCell(
                    len(dirty.get((benchmark, domain), ())),
                    largest.get((benchmark, domain), float("nan")),
                )
                for domain in domains
            ),
        )
        for benchmark, worlds in sorted(items.items())
    )


def _sentence(sweep: Sweep, rows: Iterable[OverlapRow]) -> str:
    """Return what was compared with what, and what came of it."""
    items: dict[tuple[int, str], Contamination] = {}
    corpora: dict[str, Contamination] = {}
    for run, check in checks_of(sweep):
        items[run.world_seed, check.overlap.benchmark] = check
        corpora[_corpus(sweep, run, check)[0]] = check
    overlaps = [check.overlap for check in items.values()]
    num_items = sum(len(overlap.item_ids) for overlap in overlaps)
    num_checkable = sum(int(overlap.checkable.sum()) for overlap in overlaps)
    num_documents = sum(check.corpus_documents for check in corpora.values())
    num_bytes = sum(check.corpus_bytes for check in corpora.values())
    num_dirty = sum(len(found) for found in dirty_items(sweep).values())
    compared = (
        f"{count(num_items, 'item')} and held-out texts of "
        f"{count(len({row.benchmark for row in rows}), 'benchmark')}, {num_checkable:,} of them "
        f"checkable, were compared with {count(len(corpora), 'corpus', 'corpora')} of "
        f"{count(num_documents, 'document')} ({size(num_bytes)})"
    )
    if not num_dirty:
        return f"No item is dirty: {compared}."
    return f"{count(num_dirty, 'item is', 'items are')} dirty: {compared}."


def _unchecked(sweep: Sweep) -> str:
    """Return a sentence on finished runs of which some corpus was not compared."""
    num = sum(
        not set(run.corpora) <= {check.corpus_domain for check in run.contamination}
        for arm in sweep.arms
        for run in done_runs(arm).values()
    )
    return f" {count(num, 'finished run')} had a corpus that was not compared." if num else ""
