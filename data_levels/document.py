"""What flows through the levels: documents in, documents and named drops out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Domain = Literal["general", "code", "math", "science", "qa"]
DOMAINS: tuple[Domain, ...] = ("general", "code", "math", "science", "qa")

LEVELS: tuple[str, ...] = ("L0", "L1", "L2", "L3", "L4", "L5")
"""The levels built so far, shallowest first; a corpus at one level is made from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a corpus.

    Attributes:
        id: Stable name that survives every level; unique within its source and domain.
        text: Raw bytes decoded as Latin-1 at L0 when `meta["encoding"]` is `"bytes"` (so that no
            byte is lost before L1 repairs it); proper text from L1 on.
        meta: Provenance and format, all strings: `source`, `url`, `licence`, `format`
            (`html`, `text`, `code`), and whatever a reader can tell.
    """

    id: str
    domain: Domain
    text: str
    meta: Mapping[str, str] = field(default_factory=dict)


class Dropped(NamedTuple):
    """A document that a level let go, and why (`reason` is a short snake_case name)."""

    document: Document
    reason: str


class StepResult(NamedTuple):
    """What one step of a level made of its input; nothing is lost silently.

    `len(kept) + len(dropped)` equals the number of input documents; `edited` counts kept
    documents whose text changed.
    """

    kept: list[Document]
    dropped: list[Dropped]
    edited: int
