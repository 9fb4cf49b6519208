"""What a sceptical reader must find in a report without searching for it."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from davinci.ablations import wording
from davinci.ablations.comparison import compare
from davinci.platform.store.records import Outcomes, Sweep
from davinci.reports.html import render_sweep

Read = Callable[[Path], Any]
"""The fixture `read`: a page's elements, text and data."""


@pytest.fixture(scope="module")
def report(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_sweep(sweep, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def clustered(sweep: Sweep) -> Sweep:
    """Return the sweep with items in eight clusters, floors for free answers, and the control."""

    def more(found: Outcomes) -> tuple[Outcomes, ...]:
        if found.protocol == "bpb":
            return (found,)
        clusters = tuple(f"law{index % 8}" for index in range(len(found.item_ids)))
        chance = 0.5 if found.protocol == "generative" else found.chance
        found = replace(found, clusters=clusters, chance=chance)
        if (found.protocol, found.metric) != ("ppl", "accuracy"):
            return (found,)
        return found, replace(found, metric="accuracy_other_prompt", values=found.values * 0.5)

    arms = tuple(
        replace(
            arm,
            runs=tuple(
                replace(run, outcomes=tuple(new for old in run.outcomes for new in more(old)))
                for run in arm.runs
            ),
        )
        for arm in sweep.arms
    )
    return replace(sweep, arms=arms)


def test_clusters_floors_and_the_control_stand_beside_the_scores(
    read: Read, clustered: Sweep, tmp_path: Path
) -> None:
    page = read(render_sweep(clustered, tmp_path))
    text = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "3 seeds × 40 items in 8 clusters" in text
    assert "floor 0.500: best answer that ignores the question" in text
    assert "floor 0.250: random guessing" in text
    assert "at the floor" in text
    assert "to compare" in text
    control = compare(clustered).control(compare(clustered).headline[5], "data.level=L5")
    assert control is not None
    assert f"options alone {wording.number(control.mean)}" in text
    rows = [row for row in page.data["scores"] if row["protocol"] == "generative"]
    assert {(row["num_items"], row["num_clusters"]) for row in rows} == {(40, 8)}
    assert {row["at_floor"] for row in rows} <= {"", "at", "below"}
    assert page.data["findings"] == list(compare(clustered).sentences)


def test_the_protocols_table_and_its_data_show_the_interaction(
    read: Read, sweep: Sweep, report: Path
) -> None:
    page = read(report)
    pairs = compare(sweep).protocol_pairs
    assert len(pairs) == 5
    for row, pair in zip(page.data["protocols"], pairs, strict=True):
        assert pair.interaction is not None
        assert (row["interaction"], row["kind"]) == (pair.interaction.mean, pair.kind)
        assert f'<data value="{pair.interaction.mean}">' in page.text


def test_every_family_is_said_before_anything_is_folded(
    read: Read, build_sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    many = build_sweep(levels={"L2": 0.0, "L3": 0.4, "L4": 0.7, "L5": 1.0})
    text = read(render_sweep(many, tmp_path)).text
    summary = text.split('id="summary"')[1].split("</section>")[0]
    unfolded = re.sub(r"<details.*?</details>", "", summary, flags=re.DOTALL)
    findings = compare(many).findings
    assert [f.text.split(",")[0].split(" (")[0] for f in findings[:3]] == [
        "Held-out text",
        "Likelihood ranking",
        "Free answers",
    ]
    assert all(finding.text in unfolded for finding in findings)
    assert any(finding.details for finding in findings)
    assert all(detail in summary for finding in findings for detail in finding.details)


def test_intervals_are_printed_cut_and_stored_whole(
    read: Read, clustered: Sweep, tmp_path: Path
) -> None:
    render_sweep(clustered, tmp_path)
    comparison = compare(clustered)
    cut = [
        (metric.key, cell)
        for metric in comparison.metrics
        for cell in metric.cells
        if cell.shown.cut
    ]
    page = read(tmp_path / "index.html")
    assert bool(cut) == ("Cut to what a score between 0 and 1 can reach" in page.text)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        lows = [float(row["difference_low"]) for row in csv.DictReader(file) if row["difference"]]
    raw = [cell.effect.low for m in comparison.metrics for cell in m.cells if cell.effect]
    assert lows == raw


def test_costs_name_the_building_and_what_a_language_model_would_write(
    read: Read, sweep: Sweep, report: Path
) -> None:
    text = read(report).text
    assert "Building the corpora" in text
    assert "38 s" in text  # thirty corpora of 1.25 s
    volumes = [
        sum(c.manifest["bytes_out"] for c in sweep.corpora.values() if c.level == level)
        for level in ("L4", "L5")
    ]
    words = [f"{volume / 1e6:.3g} MB" for volume in volumes]
    assert f"would have to write {words[0]} of L4 text and {words[1]} of L5 text" in text


def test_an_endpoint_is_not_called_a_stand_in(read: Read, sweep: Sweep, tmp_path: Path) -> None:
    config = {"data": {"level_settings": {"teacher": {"kind": "endpoint"}}}}
    arms = tuple(replace(arm, config=config) for arm in sweep.arms)
    text = read(render_sweep(replace(sweep, arms=arms), tmp_path)).text
    assert "stands in for a language model, and cost" not in text
    assert "what its inference cost is not known here" in text


def test_one_world_and_the_loss_on_own_text_are_caveats(
    read: Read, sweep: Sweep, report: Path, tmp_path: Path
) -> None:
    text = read(report).text
    assert "worlds=3 would" in text
    assert "lower is not better" in text
    assert "gain from that form as well" in text
    other = {"data": {"source": {"name": "files"}}}
    arms = tuple(replace(arm, config=other) for arm in sweep.arms)
    files = read(render_sweep(replace(sweep, arms=arms), tmp_path)).text
    assert "worlds=3 would" not in files
    assert "One collection of documents" in files


def test_a_single_arm_is_drawn_with_its_floors(
    read: Read, build_sweep: Callable[..., Sweep], tmp_path: Path
) -> None:
    text = read(render_sweep(build_sweep(levels={"L2": 0.0}), tmp_path)).text
    assert "A dotted line is the" in text
    assert "floor 0.250" in text


def test_which_benchmarks_decide_is_in_the_pages_data_too(read: Read, report: Path) -> None:
    page = read(report)
    signals = page.data["signals"]
    assert len(signals) == len({tuple(sorted(one["key"].items())) for one in signals}) > 5
    for one in signals:
        assert one["decides"] in (True, False)
        assert one["num_runs"] > one["num_arms"] > 1
    named = {one["name"] for one in page.data["agreements"]}
    assert "all benchmarks" in named
    assert all(-1 <= one["kendall"] <= 1 for one in page.data["agreements"] if one["kendall"])
