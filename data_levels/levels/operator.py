"""Operators: the steps that a level consists of, one outcome for every document.

An operator holds settings and paths only, so that it can be sent to another process; what it needs
(a model, a connection) it opens in `run`. It never loses a document: for every one that comes in it
yields, in order, the document, edited or not, or a `Dropped` that says why it goes. The builder
counts, and stops where that does not hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from davinci.data_levels.document import Document, Domain, Dropped, Outcome
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import Source

if TYPE_CHECKING:
    from davinci.data_levels.engine import Engine

Check = Callable[[Document, Document], str]
"""Given a document as it entered and as it leaves a level: evidence of a violation, or ""."""

Notes = Callable[[Mapping[str, float]], tuple[str, ...]]
"""Given the sums of all operators' counts: sentences for the manifest."""


class PartOfCorpus(Protocol):
    """The documents of one part, as the builder hands them over, and the part's name."""

    part: str

    def __iter__(self) -> Iterator[Document]:
        """Iterate over the documents."""


def part_of(documents: Iterable[Document]) -> str:
    """Return the name of the part that an operator is at, for what was prepared by part."""
    return cast(PartOfCorpus, documents).part


class Operator(Protocol):
    """One step of a level."""

    @property
    def name(self) -> str:
        """Snake case, unique within its level; shown in the manifest."""

    @property
    def version(self) -> int:
        """Raised whenever the same input and parameters would give other documents."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was run with, as plain data, for the manifest."""

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield one outcome per document, in order; add to `counts` what is worth a sum.

        It may read ahead, to work on several documents at once. The documents are those of one part
        of the corpus, see `part_of`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An operator that edits one document at a time and drops none."""

    name: str
    version: int
    edit: Callable[[Document], Document]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield every document as `edit` returns it."""
        yield from map(self.edit, documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """An operator that keeps or drops one document at a time and never edits.

    `reason` returns why a document goes, or None to keep it.
    """

    name: str
    version: int
    reason: Callable[[Document], str | None]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield every document, or why it goes."""
        for document in documents:
            reason = self.reason(document)
            yield document if reason is None else Dropped(document, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelContext:
    """What a level may look at while it prepares its operators.

    Attributes:
        parent: Corpus folder of the level before; it may be read as often as needed.
        work: Folder for what the level prepares; it survives a kill, so that nothing is prepared
            twice.
        engine: Runs datatrove pipelines over the parts of the parent corpus.
    """

    source: Source
    domain: Domain
    settings: LevelSettings
    parent: Path
    work: Path
    engine: "Engine"


def no_notes(counts: Mapping[str, float]) -> tuple[str, ...]:
    """Say nothing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A level that is ready to run over every part of a corpus.

    Attributes:
        operators: The level's steps, in order.
        checks: Its invariants by name, each asked of every document that was kept.
        strict: A violation stops the build whatever the policy, because only a defect of an
            operator can cause one (L1 to L3).
        teacher: Label of whoever wrote, if anybody did.
        notes: Called once, at the end, with the sums of all counts.
    """

    operators: tuple[Operator, ...]
    checks: Mapping[str, Check] = field(default_factory=dict)
    strict: bool = False
    teacher: str = ""
    notes: Notes = no_notes


def with_text(document: Document, text: str, **meta: str) -> Document:
    """Return the document with another text, and more meta if given."""
    return replace(document, text=text, meta={**document.meta, **meta} if meta else document.meta)
