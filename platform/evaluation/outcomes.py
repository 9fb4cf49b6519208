"""Outcomes as files: plain JSON, one record per benchmark and metric."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from davinci.data_levels.sources.source import Item
from davinci.platform.config.recipe import EvaluationSettings
from davinci.platform.store.records import Outcomes

RESULT_FILE = "result.json"
NOTES_FILE = "notes.json"
NUM_SAMPLES = 12


def write_outcomes(outcomes: Sequence[Outcomes], out: Path) -> None:
    """Write `result.json` into the folder `out`; NaN becomes null."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps([_plain(outcome) for outcome in outcomes], allow_nan=False)
    (out / RESULT_FILE).write_text(text, encoding="ascii")


def load_outcomes(folder: Path) -> tuple[Outcomes, ...]:
    """Return what `write_outcomes` wrote into `folder`."""
    rows = json.loads((folder / RESULT_FILE).read_text(encoding="ascii"))
    return tuple(_outcomes(row) for row in rows)


def spread(num_items: int, most: int) -> list[int]:
    """Return at most `most` indices, evenly spaced from the first item on; 0 means all.

    Items may be ordered by difficulty, so the first ones would be a biased choice.
    """
    if most == 0 or num_items <= most:
        return list(range(num_items))
    return [index * num_items // most for index in range(most)]


def part(num: int, settings: EvaluationSettings) -> list[int]:
    """Return the places of the items that are scored, of `num` in all.

    Watched are those at even places, so that both halves are alike in whatever goes by turns.
    """
    places = range(num)
    if settings.items != "all":
        places = places[0 if settings.items == "watched" else 1 :: 2]
    return [places[index] for index in spread(len(places), settings.max_items)]


def clusters_of(items: Sequence[Item]) -> tuple[str, ...]:
    """Return each item's cluster, () where no item shares one."""
    return tuple(item.cluster for item in items) if any(item.cluster for item in items) else ()


def sample_rows(rows: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """Return a few rows to read, spread over all of them."""
    return tuple(rows[index] for index in spread(len(rows), NUM_SAMPLES))


def _plain(outcome: Outcomes) -> dict[str, Any]:
    row = asdict(outcome)
    row["values"] = [_null_if_nan(value) for value in outcome.values.tolist()]
    row["weights"] = outcome.weights.tolist()
    row["chance"] = _null_if_nan(outcome.chance)
    return row


def _outcomes(row: Mapping[str, Any]) -> Outcomes:
    known = {field.name for field in fields(Outcomes)}
    values = dict(row) | {
        "item_ids": tuple(row["item_ids"]),
        "clusters": tuple(row["clusters"]),
        "values": np.array([_nan_if_null(value) for value in row["values"]], dtype=np.float64),
        "weights": np.array(row["weights"], dtype=np.float64),
        "chance": _nan_if_null(row["chance"]),
        "samples": tuple(row["samples"]),
    }
    return Outcomes(**{name: value for name, value in values.items() if name in known})


def _null_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _nan_if_null(value: float | None) -> float:
    return float("nan") if value is None else value
