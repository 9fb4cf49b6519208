"""A report says what was compared, what is dirty, and what the scores are without that."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from davinci.ablations.comparison import compare
from davinci.data_levels.contamination.record import Overlap
from davinci.data_levels.contamination.settings import DEFAULT_RULE
from davinci.platform.store.records import Arm, Contamination, Corpus, Outcomes, Run, Sweep
from davinci.reports.contamination import (
    ContaminationReport,
    OverlapRow,
    contamination_caveats,
    contamination_report,
)
from davinci.reports.html import render_sweep

Read = Callable[[Path], Any]
"""The fixture `read`: a page's elements, text and data."""

VALUES = np.array([1.0, 0.0, 1.0, 0.0])
IDS = ("math-0", "math-1", "math-2", "math-3")


def check(
    dirty: Mapping[str, tuple[str, ...]] | None = None,
    sources: Mapping[str, int] | None = None,
    *,
    benchmark: str = "microworld_math",
    ids: tuple[str, ...] = IDS,
    corpus_domain: str = "math",
) -> Contamination:
    """Return a check in which the last item is not checkable; `dirty` has the documents."""
    dirty = dirty or {}
    num = len(ids)
    overlap = Overlap(
        benchmark=benchmark,
        domain="math",
        item_ids=ids,
        checkable=np.array([True] * (num - 1) + [False]),
        question_overlap=np.zeros(num),
        overlap=np.zeros(num),
        coverage=np.zeros(num),
        num_documents=np.array([len(dirty.get(item, ())) for item in ids]),
        examples=dirty,
        sources=sources or {},
    )
    return Contamination(
        corpus_domain=corpus_domain,
        corpus_documents=1_500,
        corpus_bytes=600_000,
        rule=DEFAULT_RULE,
        overlap=overlap,
    )


Make = Callable[..., Sweep]


@pytest.fixture
def sweep_of(
    build_sweep: Callable[..., Sweep],
    build_arm: Callable[..., Arm],
    build_run: Callable[..., Run],
    build_outcomes: Callable[..., Outcomes],
) -> Make:
    """Return a function from arms' checks to a sweep; each run answers four math items."""

    def make(checks: Mapping[str, Iterable[Contamination]], worlds: int = 1) -> Sweep:
        arms = []
        for level, found in checks.items():
            flipped = VALUES if level == "L2" else 1 - VALUES
            outcome = build_outcomes("math", "ppl", "accuracy", flipped)
            runs = tuple(
                build_run(
                    0.0,
                    0,
                    level,
                    world_seed=world,
                    outcomes=(outcome,),
                    contamination=tuple(found) if world == 0 else (check(),),
                    corpora={"math": f"math-{level}-{world}"},
                )
                for world in range(worlds)
            )
            arms.append(build_arm(level, runs))
        corpora = {
            digest: Corpus(digest=digest, domain="math", level=level, parent="", manifest={})
            for level in checks
            for digest in (f"math-{level}-{world}" for world in range(worlds))
        }
        return build_sweep(arms=tuple(arms), baseline=arms[0].label, corpora=corpora)

    return make


def report_of(sweep: Sweep) -> ContaminationReport:
    return contamination_report(sweep, compare(sweep))


def counts(rows: Iterable[OverlapRow]) -> list[tuple[str, str, int, int, int]]:
    return [
        (row.benchmark, f"{row.corpus_domain} {row.level}", row.num_items, row.num_checkable,
         row.num_dirty)
        for row in rows
    ]  # fmt: skip


def test_without_a_check_the_report_says_so(sweep: Sweep, read: Read, tmp_path: Path) -> None:
    assert report_of(sweep) == ContaminationReport(
        sentence="These runs were not checked for contamination."
    )
    assert (
        "These runs were not checked for contamination." in read(render_sweep(sweep, tmp_path)).text
    )


def test_when_nothing_is_dirty_one_sentence_says_what_was_compared(sweep_of: Make) -> None:
    both = (check(), check(benchmark="held_out_math", ids=("math/0", "math/1")))
    sweep = sweep_of({"L2": both, "L5": both})
    report = report_of(sweep)
    assert report.sentence == (
        "No item is dirty: 6 items and held-out texts of 2 benchmarks, 4 of them checkable, were "
        "compared with 2 corpora of 3,000 documents (1.2 MB)."
    )
    assert (report.dirty, report.splits) == ((), ())
    assert report.domains == ("math",)
    assert [(row.benchmark, row.num_items, row.num_checkable) for row in report.benchmarks] == [
        ("held_out_math", 2, 1),
        ("microworld_math", 4, 3),
    ]
    assert contamination_caveats(sweep) == []


def test_arms_are_scored_over_the_items_that_are_clean_for_all(sweep_of: Make) -> None:
    shallow = check({"math-0": ("d1", "d2")}, {"forum": 2})
    deep = check({"math-0": ("d1",), "math-1": ("d7",)}, {"forum": 1, "books": 1})
    sweep = sweep_of({"L2": (shallow,), "L5": (deep,)})
    report = report_of(sweep)
    assert counts(report.dirty) == [
        ("microworld_math", "math L5", 4, 3, 2),
        ("microworld_math", "math L2", 4, 3, 1),
    ]
    assert report.dirty[0].sources == (("books", 1), ("forum", 1))
    assert report.dirty[0].examples == (("math-0", "d1"), ("math-1", "d7"))
    assert report.dirty[0].arms == ("data.level=L5",)
    assert report.sentence.startswith("2 items are dirty: 4 items")
    rows = [(row.arm, row.every.words, row.clean.words, row.dirty.words) for row in report.splits]
    assert rows == [
        ("data.level=L2", "0.500 (4 items)", "0.500 (2 items)", "0.500 (2 items)"),
        ("data.level=L5", "0.500 (4 items)", "0.500 (2 items)", "0.500 (2 items)"),
    ]
    only = report_of(sweep_of({"L2": (shallow,), "L5": (check(),)}))
    rows = [(row.arm, row.every.words, row.clean.words, row.dirty.words) for row in only.splits]
    assert rows == [
        ("data.level=L2", "0.500 (4 items)", "0.333 (3 items)", "1.000 (1 item)"),
        ("data.level=L5", "0.500 (4 items)", "0.667 (3 items)", "0.000 (1 item)"),
    ]


def test_all_benchmarks_stand_against_all_domains_with_their_largest_overlap(
    sweep_of: Make,
) -> None:
    def overlapping(found: Contamination, *shares: float) -> Contamination:
        return replace(found, overlap=replace(found.overlap, overlap=np.array(shares)))

    nan = float("nan")
    shallow = (
        overlapping(check({"math-0": ("d",)}, {"forum": 1}), 0.6, nan, 0.2, 0.1),
        overlapping(check(benchmark="quiz", corpus_domain="code"), nan, nan, nan, nan),
    )
    deep = (
        overlapping(check({"math-0": ("d",), "math-2": ("e",)}, {"forum": 2}), 0.1, 0, 0.9, nan),
    )
    report = report_of(sweep_of({"L2": shallow, "L5": deep}))
    assert report.domains == ("code", "math")
    own, quiz = report.benchmarks
    assert (own.benchmark, own.num_items, own.cells[1]) == ("microworld_math", 4, (2, 0.9))
    for cell in (own.cells[0], *quiz.cells):
        assert cell.num_dirty == 0
        assert np.isnan(cell.largest)


def test_parts_are_weighted_and_leave_unusable_items_out(
    sweep_of: Make, build_outcomes: Callable[..., Outcomes]
) -> None:
    sweep = sweep_of({"L2": (check({"math-3": ("d",)}, {"forum": 1}),)})
    outcome = build_outcomes(
        "math", "ppl", "accuracy", np.array([1.0, 4.0, np.nan, 9.0]), weights=np.array([3, 1, 5, 2])
    )
    (arm,) = sweep.arms
    arm = replace(arm, runs=tuple(replace(run, outcomes=(outcome,)) for run in arm.runs))
    (row,) = report_of(replace(sweep, arms=(arm,))).splits
    assert (row.clean.mean, row.clean.counts) == (7 / 4, (2,))
    assert (row.dirty.mean, row.dirty.counts) == (9, (1,))
    assert (row.every.mean, row.every.counts) == (25 / 6, (3,))


def test_what_is_dirty_in_one_world_is_clean_in_another(sweep_of: Make) -> None:
    dirty = check({"math-0": ("d",)}, {"forum": 1})
    report = report_of(sweep_of({"L2": (dirty,)}, worlds=2))
    assert counts(report.dirty) == [("microworld_math", "math L2", 8, 6, 1)]
    assert report.dirty[0].num_corpora == 2
    (row,) = report.splits
    assert (row.clean.mean, row.clean.counts) == ((1 / 3 + 1 / 2) / 2, (3, 4))
    assert row.clean.words == "0.417 (3 to 4 items)"
    assert (row.dirty.mean, row.dirty.counts) == (1, (1, 0))


def test_a_run_with_a_corpus_that_was_not_compared_is_counted(sweep_of: Make) -> None:
    sweep = sweep_of({"L2": (check(),), "L5": ()})
    assert report_of(sweep).sentence.endswith("1 finished run had a corpus that was not compared.")


def test_the_page_shows_dirty_items_their_source_and_a_caveat(
    sweep_of: Make, read: Read, tmp_path: Path
) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    dirty = check({"math-0": (hostile,)}, {hostile: 7, "books": 1})
    page = read(render_sweep(sweep_of({"L2": (dirty,), "L5": (check(),)}), tmp_path))
    assert "<img" not in page.text
    assert page.bare_headers == 0
    assert len(page.ids) == len(set(page.ids))
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "1 item is dirty: 4 items and held-out texts of 1 benchmark, 3 of them" in words
    assert "4 3 75 % 1 25 %" in words
    assert "7 documents and 1 other source" in words
    assert "1.000 (1 item)" in words
    assert "All 1 benchmark against all corpora" in words
    assert "Items of microworld_math (1) stand in documents that were trained on" in words
    assert "dirty item Item whose question stands word for word" in words
