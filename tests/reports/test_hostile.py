import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from davinci.platform.store.records import Arm, Corpus, Outcomes, Run, Sweep
from davinci.reports.entries import ArmEntry, ClaimEntry, IndexEntry, SignalEntry
from davinci.reports.html import render_index, render_sweep

Read = Callable[[Path], Any]

HOSTILE = (
    '</script><script>alert(1)</script><img src=x onerror="alert(2)">$\\frac{1}{$\x00\u202egpj\n'
)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " ="])
def test_scores_csv_holds_no_formula(
    start: str,
    build_arm: Callable[..., Arm],
    build_run: Callable[..., Run],
    build_sweep: Callable[..., Sweep],
    tmp_path: Path,
) -> None:
    arm = build_arm("L2", (build_run(0.0, 0, "L2"),), label=f'{start}HYPERLINK("http://x")')
    render_sweep(build_sweep(arms=(arm,), baseline=arm.label), tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        assert all(row["arm"].startswith("'") for row in csv.DictReader(file))


def hostile_sweep(
    build_sweep: Callable[..., Sweep],
    build_arm: Callable[..., Arm],
    build_run: Callable[..., Run],
    build_outcomes: Callable[..., Outcomes],
) -> Sweep:
    samples = (
        {"id": HOSTILE, "prompt": HOSTILE, "expected": HOSTILE, "got": HOSTILE, "value": "0"},
    )
    values = np.linspace(0, 1, 12)
    records = tuple(
        build_outcomes(HOSTILE, protocol, metric, values, benchmark=HOSTILE, samples=samples)
        for protocol, metric in (
            ("ppl", "accuracy"), ("generative", "accuracy"), ("ppl", HOSTILE), (HOSTILE, HOSTILE),
        )
    )  # fmt: skip
    manifest = {
        "teacher": HOSTILE,
        "documents_in": 3,
        "steps": [{"dropped": {HOSTILE: 2}}],
        "notes": [HOSTILE],
        "invariants": [{"name": HOSTILE, "checked": 3, "violations": 1}],
        "samples": [{"id": HOSTILE, "before": HOSTILE, "after": HOSTILE * 900, "reason": ""}],
    }
    corpus = Corpus(digest="c", domain=HOSTILE, level="L4", parent="", manifest=manifest)
    arms = tuple(
        build_arm(
            HOSTILE,
            (
                build_run(0.0, 0, "x", outcomes=records, corpora={HOSTILE: "c"}),
                build_run(0.0, 1, "x", state="failed", cause=HOSTILE, error=HOSTILE, outcomes=()),
            ),
            label=HOSTILE + name,
            choices={HOSTILE: name},
            overrides=(HOSTILE,),
            config={HOSTILE: name},
        )
        for name in ("a", "b" * 10_000)
    )
    return build_sweep(
        name=HOSTILE,
        command=HOSTILE,
        created=HOSTILE,
        axes={HOSTILE: ("a", HOSTILE)},
        fixed=(HOSTILE,),
        baseline=arms[0].label,
        arms=arms,
        corpora={"c": corpus},
        provenance={HOSTILE: {HOSTILE: HOSTILE}},
    )


@pytest.fixture(scope="module")
def hostile(
    build_sweep: Callable[..., Sweep],
    build_arm: Callable[..., Arm],
    build_run: Callable[..., Run],
    build_outcomes: Callable[..., Outcomes],
) -> Sweep:
    return hostile_sweep(build_sweep, build_arm, build_run, build_outcomes)


def test_hostile_texts_are_shown_as_text(read: Read, hostile: Sweep, tmp_path: Path) -> None:
    page = read(render_sweep(hostile, tmp_path))
    text = page.text
    assert page.scripts == 2  # the page's own and its data
    assert "<img" not in text
    assert "alert(1)" in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "right-to-left override" in text
    assert page.data["baseline"] == hostile.baseline
    assert len(text) < 1_000_000


def test_the_index_shows_hostile_titles_as_text_and_an_empty_one_says_so(
    read: Read, tmp_path: Path
) -> None:
    entry = IndexEntry(
        sweep=HOSTILE,
        title=HOSTILE,
        ablation=HOSTILE,
        theme=HOSTILE,
        verdict="inconclusive",
        claims=(
            ClaimEntry(
                words=HOSTILE,
                state="inconclusive",
                effect=0.1,
                low=None,
                high=None,
                why=HOSTILE,
                seeds_to_settle=5,
            ),
        ),  # fmt: skip
        axes=HOSTILE,
        arms=(ArmEntry(label=HOSTILE, choices={HOSTILE: HOSTILE}, num_done=0, means={"bpb": 1.0}),),
        signals=(
            SignalEntry(
                benchmark=HOSTILE,
                protocol=HOSTILE,
                metric=HOSTILE,
                decides=True,
                spread=None,
                min_detectable=None,
            ),
        ),  # fmt: skip
        num_runs=1,
        num_done=0,
        runs=(HOSTILE,),
        scale=HOSTILE,
        flops=0.0,
        wall_s=0.0,
        headline=HOSTILE,
        command="python run.py",
        created=HOSTILE,
        href="x/index.html",
    )
    page = read(render_index([entry], tmp_path))
    text = page.text
    assert page.scripts == 1
    assert "<img" not in text
    assert "There is no report yet" in read(render_index([], tmp_path)).text
