"""Held-out data on disk: comes back as it was written."""

import json
from pathlib import Path

from davinci.data_levels.sources.held_out import build_held_out, load_held_out
from davinci.data_levels.sources.source import SourceSettings


def test_held_out_data_comes_back_as_it_was_and_an_unknown_floor_is_null(tmp_path: Path) -> None:
    built = build_held_out(SourceSettings(name="microworld"), tmp_path)
    assert load_held_out(tmp_path) == built
    path = tmp_path / "benchmarks.json"
    rows = json.loads(path.read_text())
    assert rows[0]["floor"] == built.benchmarks[0].floor
    path.write_text(json.dumps([{**rows[0], "floor": None}]))
    floor = load_held_out(tmp_path).benchmarks[0].floor
    assert floor != floor
