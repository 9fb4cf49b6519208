"""What a reader with nothing but the HTML file can know, and what it says of what is missing."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lxml import html  # type: ignore[import-untyped]
from tests.ablations.studies import ablation, claim, study

from davinci.ablations.comparison import compare
from davinci.ablations.declaration import registered
from davinci.ablations.judgement import judge_sweep
from davinci.platform.store.records import Arm, Registration, Run, Sweep
from davinci.reports.entries import index_entry
from davinci.reports.html import render_index, render_sweep


def judged(sweep: Sweep, *claims: object, arms: tuple[str, ...] = ("old", "new")) -> Sweep:
    """Return a sweep as one of a declared ablation."""
    declared = registered(ablation(*claims, arms=arms), seeds=3, worlds=1)  # type: ignore[arg-type]
    one = Registration(
        digest="r" * 64, name="made_up", version=1, created="2026-11-25T00:00:00+00:00",
        declared=declared,
    )  # fmt: skip
    return replace(sweep, registrations=(one,))


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    made = study({"old": 1.0, "new": 0.8}, np.random.default_rng(0), seeds=4)
    return judged(
        made,
        claim(min_effect=0.01),
        claim(metric="bpb/code", expect="worse", min_effect=0.01),
        claim(metric="bpb/mean", expect="equal", min_effect=0.5),
        claim(metric="bpb/mean", min_effect=0.21),
    )


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", ""))


def test_the_file_alone_gives_back_every_verdict_effect_interval_and_run(
    sweep: Sweep, tmp_path: Path
) -> None:
    page = html.fromstring(render_sweep(sweep, tmp_path).read_text("utf-8"))
    judgement = judge_sweep(sweep, compare(sweep))
    assert judgement is not None
    (table,) = page.xpath('//*[@aria-label="Claims and verdicts"]//tbody')
    assert len(table) == len(judgement.verdicts) == 4
    states = []
    for row, verdict in zip(table, judgement.verdicts, strict=True):
        words, state, effect, ends, p, *_ = row
        assert verdict.claim.words("old") in words.text_content()
        states.append(state.text_content().strip())
        assert states[-1] == verdict.state
        assert verdict.effect is not None
        assert float(effect.xpath("./data/@value")[0]) == verdict.effect.mean
        low, high = re.findall(r"[+−]?[\d.]+", ends.text_content())
        assert number(low) == pytest.approx(verdict.effect.low, abs=5e-4)
        assert number(high) == pytest.approx(verdict.effect.high, abs=5e-4)
        decides = verdict.against if verdict.state == "contradicted" else verdict.support
        (shown_p,) = re.findall(r"\d?\.\d+", p.text_content())
        assert float(shown_p) == pytest.approx(decides, abs=1e-3)
    assert set(states) == {"supported", "contradicted", "inconclusive"}
    shown = set(page.xpath('//*[@aria-label="Runs"]//tbody//a/code/text()'))
    runs = [run for arm in sweep.arms for run in arm.runs]
    assert shown == {run.digest[:12] for run in runs}
    data = json.loads(page.xpath('//script[@id="davinci-data"]/text()')[0])
    assert {one["digest"] for one in data["runs"]} == {run.digest for run in runs}
    for one, verdict in zip(data["verdicts"], judgement.verdicts, strict=True):
        assert verdict.effect is not None
        assert one["state"] == verdict.state
        found = (one["effect"], one["effect_low"], one["effect_high"])
        assert found == (verdict.effect.mean, verdict.effect.low, verdict.effect.high)


def each_run(sweep: Sweep, change: Callable[[Run], Run], label: str = "new") -> Sweep:
    def changed(arm: Arm) -> Arm:
        return replace(arm, runs=tuple(map(change, arm.runs))) if arm.label == label else arm

    return replace(sweep, arms=tuple(map(changed, sweep.arms)))


def without_scores(run: Run) -> Run:
    nothing = tuple(replace(o, values=o.values * math.nan) for o in run.outcomes)
    return replace(run, outcomes=nothing)


def one_seed(sweep: Sweep) -> Sweep:
    arms = tuple(replace(arm, runs=arm.runs[:1]) for arm in sweep.arms)
    return replace(sweep, arms=arms)


def failed(run: Run) -> Run:
    return replace(run, state="failed", cause="out_of_memory", error="too big", outcomes=())


def planned(run: Run) -> Run:
    return replace(run, state="planned", outcomes=(), cost=None)


MISSING: dict[str, tuple[Callable[[Sweep], Sweep], str, str]] = {
    "an arm failed": (lambda s: each_run(s, failed), "void", "no finished run of new"),
    "an arm has not run": (lambda s: each_run(s, planned), "inconclusive", "not finished yet: new"),
    "one seed": (one_seed, "inconclusive", "fewer than 3 replicates decide nothing"),
    "no items": (
        lambda s: each_run(s, lambda run: replace(run, outcomes=())),
        "void",
        "no score of that metric is there in all arms",
    ),
    "all is NaN": (
        lambda s: each_run(s, without_scores),
        "void",
        "no score of that metric is there in all arms",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_in_words(sweep: Sweep, tmp_path: Path, name: str) -> None:
    change, state, words = MISSING[name]
    found = change(sweep)
    text = render_sweep(found, tmp_path / "one").read_text("utf-8")
    assert f'<span class="badge {state}">{state}</span>' in text
    assert words in text
    index = render_index([index_entry(found, "one/index.html")], tmp_path).read_text("utf-8")
    assert f'<span class="badge {state}">{state}</span>' in index
    assert "nan" not in re.sub(r"<[^>]*>", " ", index).lower().split()
