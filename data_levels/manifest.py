"""The record of how a corpus came about: what went in, what was dropped and why, what came out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MANIFEST_FILE = "manifest.json"
MAX_SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A document before and after; a dropped one has an empty `after` and a `reason`.

    Texts are shortened to what one reads at a glance.
    """

    id: str
    before: str
    after: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """A rule of the level that was measured: on how many documents, with how many violations."""

    name: str
    checked: int
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did. `kept_original`: teacher outputs refused, their originals kept instead."""

    name: str
    version: int
    documents_in: int
    bytes_in: int
    documents_out: int
    bytes_out: int
    edited: int = 0
    kept_original: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything known about one corpus; sizes are UTF-8 bytes of the texts.

    Attributes:
        teacher: Label of the teacher who wrote at L4 or L5, else empty.
        digest: SHA-256 over the ids and texts of the output, in order.
        seconds: Wall-clock time of the build.
        samples: At most `MAX_SAMPLES` documents before and after.
        notes: What a reader of the numbers should know.
    """

    source: str
    domain: str
    level: str
    teacher: str
    documents_in: int
    bytes_in: int
    documents_out: int
    bytes_out: int
    digest: str
    seconds: float
    steps: tuple[Step, ...]
    invariants: tuple[Invariant, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]


def write_manifest(manifest: Manifest, corpus: Path) -> None:
    """Write `manifest.json` into the folder `corpus`."""
    text = json.dumps(asdict(manifest), indent=1)
    (corpus / MANIFEST_FILE).write_text(text + "\n", encoding="ascii")


def read_manifest(corpus: Path) -> Manifest:
    """Return the manifest of a corpus folder.

    Raises:
        ValueError: If the folder holds none.
    """
    path = corpus / MANIFEST_FILE
    if not path.is_file():
        raise ValueError(f"A corpus folder holds {MANIFEST_FILE}, but {corpus} does not.")
    rows: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    rows["steps"] = tuple(Step(**row) for row in rows["steps"])
    rows["invariants"] = tuple(Invariant(**row) for row in rows["invariants"])
    rows["samples"] = tuple(Sample(**row) for row in rows["samples"])
    rows["notes"] = tuple(rows["notes"])
    return Manifest(**rows)
