"""L0, acquisition: the raw documents as their source gives them; nothing is judged or repaired."""

from collections import Counter
from dataclasses import replace
from typing import Protocol, runtime_checkable

from davinci.data_levels.document import Document, Domain, Dropped, StepResult
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.step import StepRun, timed
from davinci.data_levels.manifest import Invariant
from davinci.data_levels.source import Source


@runtime_checkable
class LeavesOut(Protocol):
    """A source that keeps some documents out of training, such as copies of held-out text."""

    def left_out(self, domain: Domain) -> list[Dropped]:
        """Return the documents that `acquire` did not yield, and why."""


def run(source: Source, domain: Domain) -> list[StepRun]:
    """Return the one step of L0.

    A domain of which the source has nothing gives no documents, and a note.

    Raises:
        ValueError: If the source gives an id twice.
    """
    step = timed("acquire", LEVEL_VERSIONS["L0"], lambda: _acquire(source, domain))
    documents = step.result.kept
    _check(documents, source.name, domain)
    without = sum("source" not in document.meta for document in documents)
    invariants = (
        Invariant(name="unique_ids", checked=len(documents), violations=0),
        Invariant(name="provenance", checked=len(documents), violations=without),
    )
    notes = () if documents else (f"The source {source.name!r} has no {domain} documents.",)
    return [replace(step, invariants=invariants, notes=notes)]


def _acquire(source: Source, domain: Domain) -> StepResult:
    documents = list(source.acquire(domain))
    dropped = source.left_out(domain) if isinstance(source, LeavesOut) else []
    return StepResult(documents, dropped, 0)


def _check(documents: list[Document], source: str, domain: Domain) -> None:
    counts = Counter(document.id for document in documents)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f"Document ids are unique within source and domain, but {source!r} gives "
            f"{len(twice)} of them more than once in {domain!r}: {twice[0]!r}."
        )
