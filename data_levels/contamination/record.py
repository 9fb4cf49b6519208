"""The record of what a corpus holds of everything that is held out, and its file on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.contamination.settings import ContaminationRule
from davinci.data_levels.corpus import write_aside

CONTAMINATION_FILE = "contamination.json"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What a corpus holds of one benchmark's items, or of one domain's held-out texts.

    All arrays have shape (I,), in the order of `item_ids`. A share is NaN where there is nothing to
    compare.

    Attributes:
        benchmark: Such as `microworld_math`, or `held_out_math` for texts: the names of the scores,
            as the ids are those of the scores.
        checkable: Whether the item is long enough, and asks something at all.
        question_overlap: Share of the question's runs that one document holds, the largest of all
            documents; NaN for texts.
        overlap: The same of the question with its answer, or of the text.
        coverage: Share of the latter's runs that stand anywhere in the corpus.
        num_documents: Documents that make the item dirty.
        examples: Dirty item -> a few such documents.
        sources: Source -> documents of it that make an item of this benchmark dirty.
    """

    benchmark: str
    domain: str
    item_ids: tuple[str, ...]
    checkable: Bools
    question_overlap: Floats
    overlap: Floats
    coverage: Floats
    num_documents: NDArray[np.int64]
    examples: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, int]

    @property
    def dirty(self) -> Bools:
        """Which items are dirty, shape (I,)."""
        return self.num_documents > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """The overlap of one corpus with everything that is held out; bytes are UTF-8.

    `sources` counts the documents that make any item dirty.
    """

    rule: ContaminationRule
    num_documents: int
    num_bytes: int
    sources: Mapping[str, int]
    benchmarks: tuple[Overlap, ...]


def write_contamination(found: Contamination, out: Path) -> None:
    """Write `contamination.json` into the folder `out`, made if need be; NaN becomes null."""
    out.mkdir(parents=True, exist_ok=True)
    row = {
        **_fields(found),
        "rule": asdict(found.rule),
        "benchmarks": [_fields(overlap) for overlap in found.benchmarks],
    }
    text = json.dumps(row, default=_listed, allow_nan=False)
    write_aside(out / CONTAMINATION_FILE, text.encode("ascii"))


def read_contamination(folder: Path) -> Contamination:
    """Return what `write_contamination` wrote into `folder`.

    Raises:
        ValueError: If the folder holds none.
    """
    path = folder / CONTAMINATION_FILE
    if not path.is_file():
        raise ValueError(f"A folder with {CONTAMINATION_FILE} is needed, but {folder} has none.")
    row = json.loads(path.read_text(encoding="ascii"))
    read = {
        "rule": ContaminationRule(**row["rule"]),
        "benchmarks": tuple(_overlap(overlap) for overlap in row["benchmarks"]),
    }
    return Contamination(**{**row, **read})


def _fields(record: Contamination | Overlap) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _listed(array: Any) -> list[Any]:
    """Return an array as JSON has it."""
    values: list[Any] = array.tolist()
    return [None if value != value else value for value in values]


def _overlap(row: dict[str, Any]) -> Overlap:
    shares = ("question_overlap", "overlap", "coverage")
    arrays = {name: np.array(row[name], dtype=np.float64) for name in shares}
    return Overlap(
        **{
            **row,
            **arrays,
            "item_ids": tuple(row["item_ids"]),
            "checkable": np.array(row["checkable"], dtype=np.bool_),
            "num_documents": np.array(row["num_documents"], dtype=np.int64),
            "examples": {item: tuple(found) for item, found in row["examples"].items()},
        }
    )
