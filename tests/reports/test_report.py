import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from davinci.ablations import wording
from davinci.ablations.comparison import compare
from davinci.platform.store.records import Arm, Outcomes, Run, Sweep
from davinci.reports.entries import index_entry
from davinci.reports.html import render_index, render_sweep

Read = Callable[[Path], Any]
"""The fixture `read`: a page's elements, text and data."""


@pytest.fixture(scope="module")
def report(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_sweep(sweep, tmp_path_factory.mktemp("report"))


def test_the_page_is_one_small_file_that_fetches_nothing(read: Read, report: Path) -> None:
    page = read(report)
    text = page.text
    assert [one for one in page.fetched if not one.startswith("runs/")] == [], "links aside"
    assert "@import" not in text
    assert "url(http" not in text
    assert report.stat().st_size < 2_000_000


def test_ids_are_unique_headings_in_order_and_headers_scoped(read: Read, report: Path) -> None:
    page = read(report)
    assert len(page.ids) == len(set(page.ids))
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    steps = np.diff(page.headings)
    assert steps.max() <= 1
    assert page.bare_headers == 0


def test_the_same_sweep_gives_the_same_bytes(sweep: Sweep, report: Path, tmp_path: Path) -> None:
    assert render_sweep(sweep, tmp_path).read_bytes() == report.read_bytes()


def test_every_number_in_the_page_is_the_computed_one(
    read: Read, sweep: Sweep, report: Path
) -> None:
    page = read(report)
    shown = [float(value) for value in re.findall(r'<data value="([^"]+)">', page.text)]
    rows = iter(page.data["scores"])
    for metric in compare(sweep).metrics:
        for cell in metric.cells:
            row = next(rows)
            assert (row["arm"], row["protocol"]) == (cell.arm, metric.key.protocol)
            assert cell.score is not None
            assert row["score"] == cell.score.mean
            assert cell.score.mean in shown
            if cell.effect is not None:
                effect = cell.effect
                assert row["difference"] == effect.mean
                assert (row["difference_low"], row["difference_high"]) == (effect.low, effect.high)
                assert (row["p_corrected"], row["resolved"]) == (cell.p_corrected, cell.resolved)
                assert effect.mean in shown
                assert wording.interval(*cell.shown, signed=True) in page.text


def test_every_sentence_of_the_comparison_stands_in_the_page(
    read: Read, sweep: Sweep, report: Path
) -> None:
    text = read(report).text
    comparison = compare(sweep)
    assert len(comparison.sentences) > 3
    for sentence in (*comparison.sentences, *comparison.problems):
        assert sentence in text


def test_the_teacher_stands_wherever_its_documents_are_shown(
    read: Read, sweep: Sweep, report: Path
) -> None:
    text = read(report).text
    written = [c for c in sweep.corpora.values() if c.manifest["teacher"]]
    assert text.count("Written by: microworld tutor") == len(written)


def test_the_commands_are_exact(read: Read, report: Path) -> None:
    text = read(report).text
    assert "python run.py -m data.level=L2,L5 mixture=math_heavy" in text
    assert "python run.py data.level=L5 mixture=math_heavy seed=2" in text


def test_scores_csv_has_all_numbers(sweep: Sweep, report: Path) -> None:
    with (report.parent / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = [cell for metric in compare(sweep).metrics for cell in metric.cells]
    assert [row["arm"] for row in rows] == [cell.arm for cell in cells]
    assert [float(row["score"]) for row in rows] == [c.score.mean for c in cells if c.score]


def test_an_arm_that_failed_and_a_nan_metric_are_said_in_words(
    read: Read,
    sweep: Sweep,
    build_run: Callable[..., Run],
    build_outcomes: Callable[..., Outcomes],
    tmp_path: Path,
) -> None:
    nothing = build_outcomes("math", "ppl", "accuracy", np.full(40, np.nan))
    odd = build_run(1.0, 0, "L5", outcomes=(nothing,), curves=(), cost=None)
    dead = build_run(
        1.0, 1, "L5", state="failed", cause="out_of_memory", error="Traceback", cost=None
    )
    arms = (sweep.arms[0], replace(sweep.arms[1], runs=(odd, dead)))
    text = read(render_sweep(replace(sweep, arms=arms), tmp_path)).text
    assert "seed 1 failed (out of memory)" in text
    assert "no finished run has a usable score" in text
    assert "no run with a known cost" in text
    assert "Error of" in text


def test_a_sweep_with_nothing_in_it_is_still_a_page(
    read: Read, build_sweep: Callable[..., Sweep], build_arm: Callable[..., Arm], tmp_path: Path
) -> None:
    for arms in ((), (build_arm("L2", ()),)):
        empty = build_sweep(
            arms=arms, corpora={}, axes={}, fixed=(), provenance={}, num_tasks=0, baseline=""
        )
        text = read(render_sweep(empty, tmp_path)).text
        assert "How does this recipe score?" in text
        assert "There is no picture" in text
        assert "No finished run has scores" in text


def test_one_seed_is_shown_and_called_what_it_is(
    read: Read, build_sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    text = read(render_sweep(build_sweep(seeds=(0,)), tmp_path)).text
    assert "the interval says nothing about other seeds" in text
    assert "bits per byte none of 5; ppl none of 5; generative none of 5." in text


def test_a_single_arm_shows_its_scores(
    read: Read, build_sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    text = read(render_sweep(build_sweep(levels={"L2": 0.0}), tmp_path)).text
    assert "nothing to compare it with" in text
    assert "Held-out text: bits per byte" in text
    assert "<svg" in text


def test_unexpected_configuration_differences_are_flagged(
    read: Read, sweep: Sweep, tmp_path: Path
) -> None:
    other = {**sweep.arms[1].config, "precision": "bf16-mixed"}
    arms = (sweep.arms[0], replace(sweep.arms[1], config=other))
    text = read(render_sweep(replace(sweep, arms=arms), tmp_path)).text
    assert "<strong>Confounded:</strong>" in text
    assert "<strong>unexpected</strong>" in text


def test_the_index_lists_the_newest_sweep_first(read: Read, sweep: Sweep, tmp_path: Path) -> None:
    old = index_entry(sweep, "old/index.html")
    new = replace(old, created="2026-11-24T09:00:00+00:00", href="new/index.html")
    page = read(render_index([old, new], tmp_path))
    text = page.text
    assert list(dict.fromkeys(page.fetched)) == ["new/index.html", "old/index.html"]
    assert "What does data level change: L2 or L5?" in text
    assert compare(sweep).sentences[0] in text


def test_every_point_of_a_picture_says_its_numbers(read: Read, sweep: Sweep, report: Path) -> None:
    text = read(report).text
    points = [cell for metric in compare(sweep).headline for cell in metric.cells if cell.effect]
    tips = re.findall(r"<title>([^<]*corrected p[^<]*)</title>", text)
    assert len(tips) == len(points)
    assert sum("not resolved" not in tip for tip in tips) == sum(c.resolved for c in points)


def test_figures_take_their_colours_from_the_page(read: Read, report: Path) -> None:
    pictures = re.findall(r"<svg.*?</svg>", read(report).text, flags=re.DOTALL)
    assert len(pictures) == 10
    assert not [colour for svg in pictures for colour in re.findall(r":\s*#[0-9a-f]{6}", svg)]
    assert all("var(--arm-0)" in svg or "var(--domain-" in svg for svg in pictures)
