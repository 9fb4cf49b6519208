"""Results of others: read, refused with one clear error each, kept, and looked at as sweeps."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from davinci.ablations.comparison import compare
from davinci.ablations.external.store import as_sweep, keep, load
from davinci.ablations.external.table import ExternalData, read_mapping, read_results
from davinci.ablations.paper.read import MAPPING, result_files
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import sqlite_url
from davinci.platform.store.open import open_store
from davinci.platform.store.read import UnknownSweep
from davinci.reports.cli import main
from davinci.reports.html import render_sweep

MAPPED: dict[str, Any] = {
    "name": "theirs",
    "source": "Someone et al. 2026",
    "columns": {"arm": "config", "benchmark": "task", "value": "acc", "seed": "seed"},
    "constants": {"protocol": "ppl", "metric": "accuracy", "domain": "math"},
}
ROWS = [
    {"config": arm, "task": "gsm8k", "acc": base + 0.01 * seed, "seed": seed}
    for arm, base in (("old", 0.3), ("new", 0.5))
    for seed in range(4)
]


def write(folder: Path, rows: list[dict[str, Any]], name: str = "table.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["config"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def mapping(folder: Path, **changes: Any) -> Path:
    path = folder / "mapping.yaml"
    path.write_text(json.dumps({**MAPPED, **changes}))
    return path


def read(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> ExternalData:
    return read_results([write(folder, rows)], read_mapping(mapping(folder, **changes)))


def test_a_table_is_kept_once_and_judged_like_a_sweep(tmp_path: Path) -> None:
    data = read(tmp_path, ROWS)
    engine = open_store(sqlite_url(tmp_path / "davinci.db"))
    assert keep(engine, data)
    assert not keep(engine, data)
    back = load(engine, "theirs")
    assert back == data
    sweep = as_sweep(back, "", baseline="old")
    comparison = compare(sweep)
    [metric] = comparison.headline
    cell = metric.cells[1]
    assert cell.effect is not None
    assert cell.effect.mean == pytest.approx(0.2)
    assert cell.effect.scope == "seeds"  # nothing is known of the items
    assert cell.effect.num_replicates == 4
    page = render_sweep(sweep, tmp_path / "report").read_text("utf-8")
    assert "results of others, from Someone et al. 2026" in page
    engine.dispose()


def test_items_are_paired_where_they_are_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"config": arm, "task": "gsm8k", "acc": int(rng.random() < share), "seed": s, "item": i}
        for arm, share in (("old", 0.3), ("new", 0.8))
        for s in range(3)
        for i in range(50)
    ]
    columns = {**MAPPED["columns"], "item": "item"}
    [metric] = compare(as_sweep(read(tmp_path, rows, columns=columns), "")).headline
    assert metric.cells[1].resolved
    assert metric.cells[1].effect is not None
    assert metric.cells[1].effect.num_items == 50


@pytest.mark.parametrize("kind", ["parquet", "json", "jsonl"])
def test_other_kinds_of_table_say_the_same(kind: str, tmp_path: Path) -> None:
    import pandas as pd

    frame, path = pd.DataFrame(ROWS), tmp_path / f"table.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=kind == "jsonl")
    found = read_results([path], read_mapping(mapping(tmp_path)))
    expected = [result.value for result in read(tmp_path, ROWS).results]
    assert [result.value for result in found.results] == pytest.approx(expected)


MORE = [{**row, "unit": "percent"} for row in ROWS]
WITH_UNIT = {**MAPPED["columns"], "unit": "unit"}


@pytest.mark.parametrize(
    ("rows", "changes", "says"),
    [
        (ROWS, {"columns": {**MAPPED["columns"], "value": "accuracy"}}, "accuracy: has no such"),
        (MORE, {}, "unit: columns that the mapping does not know"),
        ([*ROWS, ROWS[0]], {}, "table.csv, row 10: old gsm8k ppl: stands in table.csv, row 2"),
        (MORE, {"columns": WITH_UNIT, "unit": {"share": 1.0}}, "row 2=percent: mixed units"),
        ([{**ROWS[0], "acc": "n/a"}], {}, "must be numbers"),
        ([{**ROWS[0], "acc": "nan"}], {}, "must be a finite number"),
        ([], {}, "has no rows"),
        (ROWS, {"columns": {"arm": "config", "value": "acc"}}, "benchmark: must be named"),
        (ROWS, {"columns": {**MAPPED["columns"], "sede": "seed"}}, "Did you mean seed"),
        (ROWS, {"sources": "x"}, "mapping.sources: there is no such field"),
        (ROWS, {"name": ""}, "mapping.name: must be given"),
        (ROWS, {"skip": {"arms": "x"}}, "mapping.skip=arms: is no mapped column"),
    ],
)
def test_each_fault_is_one_clear_error(
    rows: list[dict[str, Any]], changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, rows, **changes)
    assert says in str(caught.value)


def test_units_are_brought_to_one_and_ranks_left_out(tmp_path: Path) -> None:
    rows = [
        {**ROWS[0], "acc": 30, "unit": "percent"},
        {**ROWS[1], "acc": 0.5, "unit": "share"},
        {**ROWS[2], "acc": 3, "unit": "rank"},
    ]
    unit = {"percent": 0.01, "share": 1.0, "rank": None}
    found = read(tmp_path, rows, columns=WITH_UNIT, unit=unit)
    assert [result.value for result in found.results] == [pytest.approx(0.3), 0.5]


def test_rows_that_are_no_results_are_left_out(tmp_path: Path) -> None:
    rows = [*ROWS, {**ROWS[0], "config": "delta (new-old)"}, {**ROWS[0], "config": "(delta)"}]
    found = read(tmp_path, rows, skip={"arm": "delta*"})
    assert {result.arm for result in found.results} == {"old", "new", "(delta)"}
    found = read(tmp_path, rows, skip={"arm": ["*delta*", "old"]})
    assert {result.arm for result in found.results} == {"new"}


def test_the_papers_results_are_imported_with_their_mapping(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = read_results(result_files(), read_mapping(MAPPING))
    assert len({result.study for result in data.results}) == 25
    assert not [result.arm for result in data.results if "delta" in result.arm]
    sweep = as_sweep(data, "code-filter-l2-vs-l3", baseline="L2-rule-filter")
    cells = {m.key.benchmark: m.cells for m in compare(sweep).headline}
    assert cells["MBPP"][1].score is not None
    assert cells["MBPP"][1].score.mean == pytest.approx(0.458)
    assert not cells["MBPP"][1].resolved, "one run and no items resolve nothing"
    with pytest.raises(UnknownSweep, match="there are:"):
        as_sweep(data, "no-such-study")
    home = ["--output-dir", str(tmp_path / "home")]
    assert main(["import", "--paper", *home]) == 0
    assert "Imported" in capsys.readouterr().out
    assert main(["import", "--paper", *home]) == 0
    assert "Already there" in capsys.readouterr().out
    assert main(["import", *home]) == 2
    assert main(["ablations", "paper"]) == 0
    assert "128 claims" in capsys.readouterr().out
