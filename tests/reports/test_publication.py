"""A sweep as files for a paper, and a report that does not say whose it is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from tests.ablations.studies import ablation, claim, study

from davinci.ablations.comparison import compare
from davinci.ablations.declaration import registered
from davinci.platform.store.records import Registration, Sweep
from davinci.reports.html import render_sweep
from davinci.reports.publication import (
    anonymous,
    latex,
    latex_text,
    markdown,
    publish_sweep,
)
from davinci.reports.scores import score_rows

HOSTILE = "\\input{/etc/passwd} $x$ 5% a_b #1 {y} ~^ & <script>\n| pipe"


@pytest.fixture(scope="module")
def judged() -> Sweep:
    """Return a sweep of a declared ablation whose claim is supported."""
    made = study({"old": 1.0, "new": 0.8}, np.random.default_rng(0))
    declared = registered(ablation(claim(min_effect=0.01)), seeds=3, worlds=1)
    registration = Registration(
        digest="r" * 64, name="made_up", version=1, created="2026-11-25T00:00:00+00:00",
        declared=declared,
    )  # fmt: skip
    return replace(made, registrations=(registration,))


def test_every_kind_of_file_is_written_and_says_the_same(judged: Sweep, tmp_path: Path) -> None:
    written = publish_sweep(judged, tmp_path)
    assert all(path.stat().st_size > 100 for path in written)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert {f"scores.{kind}" for kind in ("csv", "parquet", "tex", "md")} <= names
    assert {f"verdicts.{kind}" for kind in ("json", "tex", "md")} <= names
    assert {f"figures/verdicts.{kind}" for kind in ("svg", "png", "pdf")} <= names
    rows = parquet.read_table(tmp_path / "scores.parquet").to_pylist()
    assert rows == list(score_rows(compare(judged)))
    (verdict,) = json.loads((tmp_path / "verdicts.json").read_text())
    assert verdict["state"] == "supported"
    for name in ("verdicts.tex", "verdicts.md"):
        assert f"+{verdict['effect']:.3f}" in (tmp_path / name).read_text()
    table = (tmp_path / "scores.tex").read_text()
    assert table.count("\\midrule") == 2, "one below the head, one between the two benchmarks"
    assert table.count("&") == 6 * (1 + 4)
    assert (tmp_path / "figures" / "verdicts.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "figures" / "verdicts.pdf").read_bytes().startswith(b"%PDF")
    svg = (tmp_path / "figures" / "verdicts.svg").read_text()
    assert "var(--" not in svg, "it stands alone"


def test_the_same_sweep_gives_the_same_bytes(judged: Sweep, tmp_path: Path) -> None:
    first, second = publish_sweep(judged, tmp_path / "a"), publish_sweep(judged, tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        if one.suffix != ".parquet":
            assert one.read_bytes() == other.read_bytes(), one.name


def test_names_are_no_commands() -> None:
    shown = latex_text(HOSTILE)
    assert shown.startswith("\\textbackslash{}input\\{/etc/passwd\\} \\$x\\$ 5\\% a\\_b \\#1")
    assert "\n" not in shown
    table = latex(("a",), [(HOSTILE,)])
    assert "\\input" not in table
    text = markdown(("a", "b"), [(HOSTILE, "x")])
    assert "<script>" not in text
    assert [line.replace("\\|", "").count("|") for line in text.splitlines()] == [3, 3, 3]


def test_an_anonymous_report_has_no_names_times_and_places(judged: Sweep, tmp_path: Path) -> None:
    secret = ("/home/jane/lab", "host17", "jane@lab.org", "https://git.lab.org/x", "2026-11-25")
    owned = replace(
        judged,
        command="python run.py data.path=/home/jane/lab/pool --user jane@lab.org",
        fixed=("data.path=/home/jane/lab/pool",),
        provenance={
            "git": "https://git.lab.org/x@abc", "platform": "host17", "packages": {"torch": "2.13"},
        },
        arms=tuple(
            replace(
                arm,
                config={"data": {"path": "/home/jane/lab/pool", "levels": {"math": arm.label}}},
                runs=tuple(
                    replace(run, started=1.7e9, mlflow_run_id="host17", error="at /home/jane/lab")
                    for run in arm.runs
                ),
            )
            for arm in judged.arms
        ),
    )  # fmt: skip
    named = render_sweep(owned, tmp_path / "named").read_text()
    assert all(word in named for word in secret)
    page = render_sweep(anonymous(owned), tmp_path / "anonymous").read_text()
    assert [word for word in secret if word in page] == []
    assert "supported" in page
    assert "torch" in page
    assert owned.arms[0].runs[0].digest[:12] in page
