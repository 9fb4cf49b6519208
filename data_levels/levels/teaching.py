"""What L4 and L5 share: a teacher writes every document anew, and its answers are checked.

An answer that breaks a rule is refused, counted, and the original text kept in its place, as Data
Darwinism I does with malformed output. An empty answer means that nothing was worth keeping.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from davinci.data_levels.corpus import Progress, silent
from davinci.data_levels.document import Document, Dropped, StepResult
from davinci.data_levels.levels.step import StepRun
from davinci.data_levels.manifest import Invariant

Violated = Callable[[str, str], bool]
"""Given the text before and after, returns whether the rule is broken."""

NOTHING_LEFT = "teacher_left_nothing"


def teach(
    documents: Sequence[Document],
    write: Callable[[Document], str],
    checks: Mapping[str, Violated],
    *,
    name: str,
    version: int,
    concurrency: int = 1,
    progress: Progress = silent,
) -> StepRun:
    """Let a teacher write every document; refuse answers that break a check.

    Args:
        documents: What to write anew.
        write: The teacher's part: document to new text.
        checks: Rule name -> whether a pair of texts breaks it.
        name: Name of the step.
        version: Version of the step.
        concurrency: How many documents the teacher may work on at once; order is kept.
        progress: Told after every document.
    """
    started = time.perf_counter()
    kept: list[Document] = []
    dropped: list[Dropped] = []
    violations: Counter[str] = Counter()
    edited = kept_original = checked = 0
    answers = _answers(documents, write, concurrency)
    for index, (document, answer) in enumerate(zip(documents, answers, strict=True)):
        progress(index + 1, len(documents), name)
        if not answer.strip():
            dropped.append(Dropped(document, NOTHING_LEFT))
            continue
        checked += 1
        broken = [rule for rule, violated in checks.items() if violated(document.text, answer)]
        violations.update(broken)
        kept_original += bool(broken)
        edited += not broken and answer != document.text
        kept.append(document if broken else replace(document, text=answer))
    return StepRun(
        name=name,
        version=version,
        result=StepResult(kept, dropped, edited),
        seconds=time.perf_counter() - started,
        kept_original=kept_original,
        invariants=tuple(
            Invariant(name=rule, checked=checked, violations=violations[rule]) for rule in checks
        ),
        notes=_notes(name, kept_original),
    )


def _answers(
    documents: Sequence[Document], write: Callable[[Document], str], concurrency: int
) -> Iterator[str]:
    """Yield one answer per document, in order."""
    if concurrency == 1:
        yield from map(write, documents)
        return
    with ThreadPoolExecutor(concurrency) as pool:
        try:
            yield from pool.map(write, documents)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _notes(name: str, kept_original: int) -> tuple[str, ...]:
    if not kept_original:
        return ()
    return (
        f"Step {name}: {kept_original} answers broke a rule and were refused; the corpus holds "
        "the original text of those documents.",
    )
