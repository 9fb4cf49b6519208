"""What L4, L5 and L6 share: a teacher writes documents anew.

A source's own teacher takes a whole document (`OwnTeacher`). A model behind an endpoint gets it
chunk by chunk (`WriteChunks`): several chunks at once, whoever's they are, and the documents come
out in order. An answer that cannot be used leaves the chunk as it was; why, is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels.operator import with_text
from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.sources.source import Source, Teacher
from davinci.data_levels.teacher.answers import Answer, between_tags, is_refusal, is_stuck
from davinci.data_levels.teacher.chunks import chunks
from davinci.data_levels.teacher.concurrency import in_order
from davinci.data_levels.teacher.endpoint import Endpoint, open_endpoint
from davinci.data_levels.teacher.prompts import fill, read_prompt, restored

NOTHING_LEFT = "teacher_left_nothing"
TOO_FEW_WRITTEN = "too_few_chunks_written"
MIN_WRITTEN_FRAC = 0.95
"""A document of which fewer chunks could be written is dropped.

Source: Data Darwinism I, Section 4: a document counts as cleaned when at least 95 % of its chunks
were; theirs are queued again first, ours would be answered the same from the cache.
"""
FAULTS = ("refused", "malformed", "unfinished", "stuck")
"""Why an answer could not be used; names of counts."""


@runtime_checkable
class CountsItsWork(Protocol):
    """A source's teacher that counts what it does."""

    def counts(self) -> Mapping[str, float]:
        """Return the sums so far; those of all parts are added up."""

    def notes_on(self, counts: Mapping[str, float]) -> Sequence[str]:
        """Return sentences for the reader of the manifest about such sums."""


class Work(NamedTuple):
    """A chunk that the teacher is to write.

    Attributes:
        prompt: What the teacher is asked; "": nothing, and the chunk stays.
        is_last: Of its document.
        context: What else the reading of the answer needs.
    """

    document: Document
    chunk: str
    prompt: str
    is_last: bool
    context: Any = None


class Reading(NamedTuple):
    """What became of a chunk.

    Attributes:
        text: What stands in its place from now on.
        fault: Why the answer could not be used, one of `FAULTS` or a level's own; "": it could.
        counted: What else is to be counted.
        context: For the one who puts the chunks together.
    """

    text: str
    fault: str = ""
    counted: Mapping[str, float] = {}
    context: Any = None


class Piece(NamedTuple):
    """A chunk and what became of it."""

    work: Work
    reading: Reading


Plan = Callable[[Iterable[Document]], Iterator[Work]]
Read = Callable[[Answer, Work], Reading]
Assemble = Callable[[Document, Sequence[Piece]], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTeacher:
    """Lets the source's own teacher write each document; `act` is `refine` or `complete`."""

    name: str
    version: int
    act: str
    source: Source
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield each document as the teacher writes it."""
        teacher = own_teacher(self.source)
        write: Callable[[Document], str] = getattr(teacher, self.act)
        for document in documents:
            text = write(document)
            yield with_text(document, text) if text.strip() else Dropped(document, NOTHING_LEFT)
        if isinstance(teacher, CountsItsWork):
            add(counts, teacher.counts())


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteChunks:
    """Asks an endpoint about chunks, and puts what it wrote together.

    Attributes:
        task: Whose budget it is; see `teacher.budget`.
        plan: Cuts documents and fills prompts; at least one `Work` for every document.
        read: Makes of an answer what stands in the chunk's place.
        assemble: Makes of a document's pieces its outcome.
    """

    name: str
    version: int
    teacher: TeacherSettings
    task: str
    plan: Plan
    read: Read
    assemble: Assemble
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield the documents as they were written, in order; chunks are asked ahead of it."""
        with open_endpoint(self.teacher, self.task) as endpoint:
            write = partial(self._write, endpoint)
            pieces: list[Piece] = []
            for piece in in_order(write, self.plan(documents), endpoint.concurrency):
                pieces.append(piece)
                if piece.work.is_last:
                    _count(pieces, counts)
                    yield self.assemble(piece.work.document, pieces)
                    pieces = []
            add(counts, endpoint.counts())

    def _write(self, endpoint: Endpoint, work: Work) -> Piece:
        if not work.prompt:
            return Piece(work, Reading(work.chunk))
        answer = endpoint.ask([{"role": "user", "content": work.prompt}])
        return Piece(work, self.read(answer, work))


def own_teacher(source: Source) -> Teacher:
    """Return the source's own teacher.

    Raises:
        ValueError: If it has none.
    """
    teacher = source.teacher()
    if teacher is None:
        raise ValueError(
            f"`data.teacher.kind=source` needs a source with a teacher, but {source.name!r} has "
            "none; set `data.teacher.kind=endpoint`, `data.teacher.base_url` and "
            "`data.teacher.model`, or stay at level L3."
        )
    return teacher


def plan_chunks(
    documents: Iterable[Document], *, prompt_name: str, max_chars: int
) -> Iterator[Work]:
    """Yield the chunks of each document, each with the template filled; blank ones are not asked.

    White space at the end of a chunk is no part of the passage.
    """
    template = read_prompt(prompt_name)
    for document in documents:
        pieces = chunks(document.text, max_chars) or [""]
        for number, chunk in enumerate(pieces, start=1):
            passage = chunk.rstrip()
            prompt = fill(template, passage=passage) if passage.strip() else ""
            yield Work(document, chunk, prompt, number == len(pieces))


def read_written(answer: Answer, work: Work, *, tag: str, prompt_name: str) -> Reading:
    """Return what stands between the tags, with the white space that ended the chunk.

    Where the answer cannot be used, it is the chunk itself, as Data Darwinism I does with malformed
    output, endless repetition and other errors.
    """
    written = between_tags(answer.text, tag)
    if fault := fault_of(answer, written, work.chunk):
        return Reading(work.chunk, fault)
    if not written:
        return Reading("")
    end = work.chunk[len(work.chunk.rstrip()) :]
    return Reading(restored(written, read_prompt(prompt_name)) + end)


def fault_of(answer: Answer, written: str | None, passage: str) -> str:
    """Return why an answer cannot be used, or ""; `written` is what stands between its tags."""
    if not answer.text.strip():
        return "refused"
    if not answer.finished:
        return "unfinished"
    if is_refusal(answer.text if written is None else written) and not is_refusal(passage):
        return "refused"
    if written is None:
        return "malformed"
    return "stuck" if is_stuck(written, passage) else ""


def join_chunks(document: Document, pieces: Sequence[Piece]) -> Outcome:
    """Return the document with its chunks as they were written, in order.

    It goes if too few of them could be written, or nothing is left.
    """
    if lost := too_few_written(document, pieces):
        return lost
    text = "".join(piece.reading.text for piece in pieces).strip("\n")
    return with_text(document, text) if text.strip() else Dropped(document, NOTHING_LEFT)


def too_few_written(document: Document, pieces: Sequence[Piece]) -> Dropped | None:
    """Return the dropped document where less than `MIN_WRITTEN_FRAC` of it could be written."""
    faults = [piece.reading.fault for piece in pieces if piece.reading.fault]
    if len(pieces) - len(faults) >= MIN_WRITTEN_FRAC * len(pieces):
        return None
    why = ", ".join(f"{faults.count(fault)} {fault}" for fault in dict.fromkeys(faults))
    detail = f"{len(pieces) - len(faults)} of {len(pieces)} chunks; {why}"
    return Dropped(document, TOO_FEW_WRITTEN, detail)


def endpoint_notes(
    label: str, faults: Sequence[str], counts: Mapping[str, float]
) -> tuple[str, ...]:
    """Return what was asked and paid, and how many chunks stayed as they were, and why."""
    told = {name: f"{int(counts.get(name, 0)):,}" for name in ("chunks", "calls", "retries")}
    tokens = int(counts.get("prompt_tokens", 0) + counts.get("answer_tokens", 0))
    paid = (
        f"{label}: {told['chunks']} chunks, {told['calls']} answers paid with {tokens:,} tokens, "
        f"{int(counts.get('cached_answers', 0)):,} known from before, {told['retries']} retries."
    )
    kept = {fault: int(counts.get(fault, 0)) for fault in faults if counts.get(fault)}
    if not kept:
        return (paid,)
    why = ", ".join(f"{fault} {number:,}" for fault, number in kept.items())
    return (paid, f"Answers that could not be used: {sum(kept.values()):,} ({why}).")


def own_notes(source: Source, counts: Mapping[str, float]) -> tuple[str, ...]:
    """Return what the source's own teacher says of what it counted."""
    teacher = own_teacher(source)
    return tuple(teacher.notes_on(counts)) if isinstance(teacher, CountsItsWork) else ()


def add(counts: dict[str, float], more: Mapping[str, float]) -> None:
    """Add sums to sums."""
    for name, value in more.items():
        counts[name] = counts.get(name, 0.0) + value


def _count(pieces: Sequence[Piece], counts: dict[str, float]) -> None:
    for work, reading in pieces:
        add(counts, {"chunks": bool(work.prompt), **reading.counted})
        if reading.fault:
            add(counts, {reading.fault: 1})
