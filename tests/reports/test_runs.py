"""The page of a run: scores beside the baseline's run, items won and lost, lineage, answers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from davinci.ablations.comparison import compare
from davinci.platform.store.records import Run, Sweep
from davinci.reports.html import render_sweep
from davinci.reports.runs import run_context

from .conftest import outcomes


def with_answers(sweep: Sweep, first: np.ndarray, second: np.ndarray) -> Sweep:
    """Return the sweep with two arms of one run each, both asked the same items."""
    arms = []
    for arm, values in zip(sweep.arms[:2], (first, second), strict=True):
        run = replace(arm.runs[0], outcomes=(outcomes("math", "ppl", "accuracy", values),))
        arms.append(replace(arm, runs=(run,)))
    return replace(sweep, arms=tuple(arms), baseline=sweep.arms[0].label)


def test_items_are_won_and_lost_against_the_same_seed(sweep: Sweep) -> None:
    num = len(sweep.arms[0].runs[0].outcomes[0].item_ids)
    base, ours = np.zeros(num), np.zeros(num)
    base[:3], ours[2:9] = 1.0, 1.0  # seven right against three, one of them by both
    found = with_answers(sweep, base, ours)
    arm = found.arms[1]
    context = run_context(found, compare(found), arm, arm.runs[0], {})
    (score,) = context["scores"]
    assert (len(score.won), len(score.lost)) == (6, 2)
    assert score.p == pytest.approx(stats.binomtest(6, 8).pvalue)
    assert score.difference == pytest.approx(4 / num)
    assert context["partner"].digest == found.arms[0].runs[0].digest
    own = run_context(found, compare(found), found.arms[0], found.arms[0].runs[0], {})
    assert own["partner"] is None


def test_an_item_that_only_one_of_the_two_has_is_neither_won_nor_lost(sweep: Sweep) -> None:
    values = np.zeros(20)
    found = with_answers(sweep, values, 1 - values)
    arm = found.arms[1]
    (one,) = arm.runs[0].outcomes
    other = replace(one, item_ids=(*one.item_ids[:5], *(f"new {i}" for i in range(15))))
    arm = replace(arm, runs=(replace(arm.runs[0], outcomes=(other,)),))
    found = replace(found, arms=(found.arms[0], arm))
    (score,) = run_context(found, compare(found), arm, arm.runs[0], {})["scores"]
    assert (score.won, score.lost) == (list(one.item_ids[:5]), [])


def test_scores_that_are_not_right_or_wrong_have_a_difference_alone(sweep: Sweep) -> None:
    values = np.linspace(0.0, 1.0, 20)
    found = with_answers(sweep, np.zeros(20), values)
    arm = found.arms[1]
    (score,) = run_context(found, compare(found), arm, arm.runs[0], {})["scores"]
    assert score.difference == pytest.approx(0.5)
    assert (score.won, score.lost, score.p) == ((), (), None)


def test_hostile_names_of_items_are_shown_as_text(sweep: Sweep, tmp_path: Path) -> None:
    hostile = ('<script>alert("won")</script>', "<img src=x onerror=alert(1)>", "a\u202eb", "x & y")
    found = with_answers(sweep, np.zeros(4), np.ones(4))
    arms = []
    for arm in found.arms:
        (one,) = arm.runs[0].outcomes
        run = replace(arm.runs[0], outcomes=(replace(one, item_ids=hostile),))
        arms.append(replace(arm, runs=(run,)))
    page = render_sweep(replace(found, arms=tuple(arms)), tmp_path)
    texts = [file.read_text("utf-8") for file in (page.parent / "runs").iterdir()]
    (text,) = [text for text in texts if "4 won, 0 lost" in text]
    assert "<code><bdi>&lt;script&gt;alert(&#34;won&#34;)&lt;/script&gt;</bdi></code>" in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "a[right-to-left override]b" in text


def test_every_run_has_a_page_that_the_report_links_to(sweep: Sweep, tmp_path: Path) -> None:
    page = render_sweep(sweep, tmp_path).read_text("utf-8")
    runs = [run for arm in sweep.arms for run in arm.runs]
    linked = re.findall(r'href="(runs/[^"]+)"', page)
    assert len(linked) == len(runs)
    for run, link in zip(runs, linked, strict=True):
        text = (tmp_path / link).read_text("utf-8")
        assert run.digest in text
        assert f"seed={run.seed}" in text
        if run.state == "done":
            scores = {float(v) for v in re.findall(r'<data value="([^"]+)">', text)}
            assert {one.score for one in run.outcomes} <= scores


def test_a_failed_run_says_why_and_a_bare_one_what_is_missing(sweep: Sweep, tmp_path: Path) -> None:
    def change(run: Run) -> Run:
        run = replace(run, outcomes=(), curves=(), corpora={}, cost=None, checkpoint="")
        return replace(run, state="failed", cause="out_of_memory", error="<b>too big")

    arms = tuple(replace(a, runs=tuple(change(r) for r in a.runs[:1])) for a in sweep.arms)
    render_sweep(replace(sweep, arms=arms), tmp_path)
    (page, *_) = (tmp_path / "runs").iterdir()
    text = page.read_text("utf-8")
    assert "failed: out of memory" in text
    assert "&lt;b&gt;too big" in text
    assert "There is no score." in text


def test_a_command_of_a_run_asks_for_that_run_alone(sweep: Sweep) -> None:
    words = ("data.level=L2", "ablation=level", "seeds=3", "worlds=2")
    arm = replace(sweep.arms[0], overrides=words)
    found = run_context(replace(sweep, arms=(arm,)), compare(sweep), arm, arm.runs[1], {})
    assert found["command"] == f"python run.py data.level=L2 seed={arm.runs[1].seed}"


def test_a_sweep_of_very_many_runs_gets_no_pages_of_them(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("davinci.reports.html.MAX_RUN_PAGES", 5)
    page = render_sweep(sweep, tmp_path).read_text("utf-8")
    assert not (tmp_path / "runs").exists()
    assert 'href="runs/' not in page
    assert sweep.arms[0].runs[0].digest[:12] in page
