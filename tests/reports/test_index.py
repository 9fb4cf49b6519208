"""The index: what it says of every sweep, what comes next, and that it is written from records."""

from dataclasses import replace
from pathlib import Path

import pytest

from davinci.ablations.known import names, read
from davinci.platform.store.records import Sweep
from davinci.reports.entries import (
    FILE,
    ArmEntry,
    ClaimEntry,
    IndexEntry,
    SignalEntry,
    index_entry,
    read_entry,
    write_entry,
)
from davinci.reports.html import render_index, render_sweep
from davinci.reports.index import (
    coverage,
    crossed,
    deciding,
    earlier_looks,
    index_rows,
    leagues,
    next_runs,
)


def claim(**words: object) -> ClaimEntry:
    usual: dict[str, object] = {
        "words": "bpb/mean: L5 is better than L2 by 0.01 or more", "state": "inconclusive",
        "effect": 0.02, "low": -0.01, "high": 0.05, "why": "", "seeds_to_settle": 8,
    }  # fmt: skip
    return ClaimEntry(**{**usual, **words})  # type: ignore[arg-type]


def arm(label: str, bpb: float = 1.0, **choices: str) -> ArmEntry:
    return ArmEntry(label=label, choices=choices, num_done=3, means={"bpb": bpb})


def entry(sweep: str = "a", **words: object) -> IndexEntry:
    usual: dict[str, object] = {
        "sweep": sweep, "title": "Does it help?", "ablation": "level", "theme": "processing_depth",
        "verdict": "inconclusive", "claims": (claim(),), "axes": "",
        "arms": (arm("L2", 1.2, level="L2"), arm("L5", 1.1, level="L5")), "signals": (),
        "num_runs": 6, "num_done": 6, "runs": ("r1", "r2"),
        "scale": "134k parameters, 1.05M tokens", "flops": 6e12, "wall_s": 60.0,
        "headline": "it does", "command": "python run.py -m ablation=level seeds=3 worlds=2",
        "created": "2026-11-29T00:00:00+00:00", "href": f"{sweep}/index.html",
    }  # fmt: skip
    return IndexEntry(**{**usual, **words})  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was(tmp_path: Path, sweep: Sweep) -> None:
    found = index_entry(sweep, "x/index.html")
    write_entry(found, tmp_path)
    assert read_entry(tmp_path) == found
    write_entry(entry(), tmp_path)
    assert read_entry(tmp_path) == entry()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 0, "sweep": "a"}'])
def test_a_record_that_is_none_is_made_anew(tmp_path: Path, text: str) -> None:
    assert read_entry(tmp_path) is None
    (tmp_path / FILE).write_text(text)
    assert read_entry(tmp_path) is None


def test_a_record_of_another_format_is_made_anew(tmp_path: Path) -> None:
    write_entry(entry(), tmp_path)
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"format": 2', '"format": 1'))
    assert read_entry(tmp_path) is None


def test_a_report_leaves_its_record(tmp_path: Path, sweep: Sweep) -> None:
    render_sweep(sweep, tmp_path / "here")
    found = read_entry(tmp_path / "here")
    assert found == index_entry(sweep, "here/index.html")
    assert found is not None
    assert found.num_done == sum(run.state == "done" for a in sweep.arms for run in a.runs)


def test_earlier_looks_are_told_from_results() -> None:
    looks = [
        entry("a", runs=("r1", "r2")),
        entry("b", runs=("r1", "r2", "r3")),
        entry("c", runs=("r1", "r2"), ablation="other"),
        entry("d", runs=("r1", "r2"), ablation=""),
    ]
    assert earlier_looks(looks) == {"a"}
    rows = {row.href[0]: row.look for row in index_rows(looks, ())}
    assert rows == {"a": True, "b": False, "c": False, "d": False}


def test_what_was_never_run_is_listed_with_its_command(tmp_path: Path) -> None:
    catalogue = [read(name) for name in names()]
    rows = index_rows([entry()], catalogue)
    assert len(rows) == len(catalogue)
    (unrun,) = [row for row in rows if row.name == "qa_masking"]
    assert (unrun.state, unrun.href) == ("not run", "")
    page = render_index([entry()], tmp_path, catalogue).read_text("utf-8")
    assert "python run.py -m ablation=qa_masking" in page
    assert page.count("data-unrun hidden") == len(catalogue) - 1


def test_what_would_settle_a_claim_is_proposed_the_cheapest_first() -> None:
    dear = entry("b", wall_s=600.0, ablation="dear")
    done = entry("c", claims=(claim(state="supported"),), ablation="done")
    unknown = entry("d", claims=(claim(seeds_to_settle=None),), ablation="unknown")
    enough = entry("e", claims=(claim(seeds_to_settle=3),), ablation="enough")
    found = next_runs([dear, entry(), done, unknown, enough])
    assert [one.command for one in found] == [
        "python run.py -m ablation=level worlds=2 seeds=4",
        "python run.py -m ablation=level worlds=2 seeds=4",
    ]
    assert [one.num_runs for one in found] == [10, 10], "two arms, eight replicates, three there"
    assert [one.wall_s for one in found] == [100.0, 1000.0]


def test_metrics_that_decide_are_counted_by_size() -> None:
    def signal(benchmark: str, *, decides: bool) -> SignalEntry:
        return SignalEntry(
            benchmark=benchmark, protocol="ppl", metric="accuracy", decides=decides, spread=0.1,
            min_detectable=0.2,
        )  # fmt: skip

    large = "3B parameters, 500B tokens"
    scales, rows = deciding(
        [
            entry("a", signals=(signal("x", decides=False), signal("y", decides=True))),
            entry("b", signals=(signal("x", decides=True),), scale=large),
            entry("c", signals=(signal("y", decides=False),)),
        ]
    )
    assert scales == ("134k", "3B")
    assert {row.benchmark: row.by_scale for row in rows} == {
        "x": {"134k": (0, 1), "3B": (1, 1)},
        "y": {"134k": (1, 2)},
    }


def test_axes_are_counted_with_what_was_crossed() -> None:
    arms = (arm("a", level="L2", mixture="m"), arm("b", level="L5", mixture="n"))
    found = [entry("a", arms=arms), entry("b")]
    assert coverage(found) == {"level": {"L2": 6, "L5": 6}, "mixture": {"m": 3, "n": 3}}
    assert crossed(found) == [("level", "mixture", 2, 4)]


def test_recipes_stand_by_score_within_their_scale() -> None:
    other = entry("b", scale="3B parameters", arms=(arm("big", 0.5),))
    found = leagues([entry(), other])
    assert [(one.scale[:4], [row[0] for row in one.rows]) for one in found] == [
        ("134k", ["L5", "L2"]),
        ("3B p", ["big"]),
    ]


def test_the_page_counts_and_says_all(tmp_path: Path) -> None:
    second = replace(entry("b", ablation="qa_masking"), verdict="supported")
    page = render_index([entry(), second], tmp_path).read_text("utf-8")
    assert "2 sweeps with 2 runs" in page
    assert "+0.020 [−0.010, +0.050]" in page
    assert "What to run next" in page
    assert "Recipes by score" in page


def test_a_sweep_without_a_report_leads_nowhere_and_looks_count_for_nothing(
    tmp_path: Path,
) -> None:
    look = entry("a", runs=("r1",), href="")
    whole = entry("b", runs=("r1", "r2"), href="")
    page = render_index([look, whole], tmp_path).read_text("utf-8")
    assert 'href=""' not in page
    assert '<bdi>L2</bdi> <span class="muted">3</span>' in page, "the runs of the whole sweep, once"
