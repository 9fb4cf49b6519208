"""What every level hands back to the builder: its steps, and what they measured."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from davinci.data_levels.document import Document, Dropped, StepResult
from davinci.data_levels.manifest import Invariant

Rule = Callable[[Document], str | None]
"""Returns the reason to drop a document, or None to keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """One step that has run: what it made of its input, and what it measured on the way.

    `kept_original` counts documents for which a teacher's answer was refused.
    """

    name: str
    version: int
    result: StepResult
    seconds: float = 0.0
    kept_original: int = 0
    invariants: tuple[Invariant, ...] = ()
    notes: tuple[str, ...] = ()


def timed(name: str, version: int, step: Callable[[], StepResult]) -> StepRun:
    """Run a step and note its wall-clock time."""
    started = time.perf_counter()
    result = step()
    return StepRun(name=name, version=version, result=result, seconds=time.perf_counter() - started)


def select(documents: Sequence[Document], rule: Rule) -> StepResult:
    """Keep, unchanged and in order, the documents that `rule` gives no reason to drop."""
    kept: list[Document] = []
    dropped: list[Dropped] = []
    for document in documents:
        reason = rule(document)
        if reason is None:
            kept.append(document)
        else:
            dropped.append(Dropped(document, reason))
    return StepResult(kept, dropped, 0)
