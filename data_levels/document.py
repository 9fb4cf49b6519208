"""What flows through the levels: documents in, documents and named drops out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Domain = Literal["general", "code", "math", "science", "qa"]
DOMAINS: tuple[Domain, ...] = ("general", "code", "math", "science", "qa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a corpus.

    Attributes:
        id: Stable name that survives every level; unique within its source and domain.
        text: Raw bytes decoded as Latin-1 at L0 when `meta["encoding"]` is `"bytes"` (so that no
            byte is lost before L1 repairs it); proper text from L1 on.
        meta: Provenance and format, all strings: `source`, `url`, `time`, `licence`, `format`
            (`html`, `pdf`, `text`, `code`), and whatever a reader can tell. `level` is the level
            that a document already has as its source publishes it; levels up to it leave the
            document as it is.
    """

    id: str
    domain: Domain
    text: str
    meta: Mapping[str, str] = field(default_factory=dict)


class Dropped(NamedTuple):
    """A document that a level let go, and why.

    `reason` is a short snake_case name; `detail` may add a few words, such as the score that
    decided or the document that this one copies.
    """

    document: Document
    reason: str
    detail: str = ""


Outcome = Document | Dropped
