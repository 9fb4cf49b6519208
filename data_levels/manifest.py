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
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """A rule of the level that was measured: on how many documents, with how many violations.

    `samples` are a few of the violations: id and evidence.
    """

    name: str
    checked: int
    violations: int
    samples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one operator did, with which version and parameters; sizes are UTF-8 bytes.

    `kept_original` counts documents that broke an invariant and whose text was put back.
    """

    name: str
    version: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
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
        level: The level that made this corpus out of its parent.
        chain: The whole way from the source, as `chain.name_of` writes it.
        parents: Content digest of the corpus that this one was made from; empty for L0.
        teacher: Label of the teacher who wrote, else empty.
        digest: SHA-256 over the ids and texts of the output, in order.
        seconds: Processor time of the parts, summed, and of what was prepared for them.
        counts: Sums that operators kept: calls, tokens, money.
        samples: At most `MAX_SAMPLES` documents before and after.
        notes: What a reader of the numbers should know.
    """

    source: str
    domain: str
    level: str
    chain: str
    parents: tuple[str, ...]
    teacher: str
    documents_in: int
    bytes_in: int
    documents_out: int
    bytes_out: int
    digest: str
    seconds: float
    counts: Mapping[str, float]
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
    rows["invariants"] = tuple(_invariant(row) for row in rows["invariants"])
    rows["samples"] = tuple(Sample(**row) for row in rows["samples"])
    rows["parents"], rows["notes"] = tuple(rows["parents"]), tuple(rows["notes"])
    return Manifest(**rows)


def _invariant(row: dict[str, Any]) -> Invariant:
    samples = tuple((str(name), str(evidence)) for name, evidence in row["samples"])
    return Invariant(**{**row, "samples": samples})
