"""L6, contextual completion (experimental: the papers describe this level but did not build it).

A document is completed with what its neighbours in the corpus say. The teacher gets a chunk and the
passages of other documents that resemble it most, copies the chunk, and marks whatever it inserts
with the number of the one passage that says it. So every addition has a source, and taking the
additions out again must give back the document, character by character: both are checked.

In the text that is kept, additions read like the rest of it; a document's meta tells of them, see
`additions`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from davinci.data_levels.document import Document, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import Check, LevelContext, Prepared, part_of, with_text
from davinci.data_levels.levels.writing.additions import (
    MARK,
    MAX_GAP_CHARS,
    Addition,
    citations_resolve,
    inserted,
    parted,
    source_kept,
    squeezed,
    supported,
)
from davinci.data_levels.levels.writing.neighbours import (
    Neighbour,
    find_neighbours,
    read_neighbours,
)
from davinci.data_levels.levels.writing.teaching import (
    FAULTS,
    Piece,
    Reading,
    Work,
    WriteChunks,
    endpoint_notes,
    fault_of,
)
from davinci.data_levels.settings import ContextSettings, TeacherSettings
from davinci.data_levels.teacher.answers import Answer, between_tags
from davinci.data_levels.teacher.budget import new_task
from davinci.data_levels.teacher.check import check_teacher
from davinci.data_levels.teacher.chunks import chunks
from davinci.data_levels.teacher.prompts import (
    CONTEXT_PROMPTS,
    Filled,
    fill,
    read_prompt,
    restored,
)
from davinci.data_levels.teacher.protocol import label_of

NOTHING_TO_ADD = "UNCHANGED"
CONTEXT_FAULTS = (*FAULTS, "altered", "unresolved", "too_long", "unsupported")
"""Why an answer could not be used: the last four, because it changed the chunk, cites what it was
not shown, adds too much, or says what its source does not."""


def prepare(context: LevelContext) -> Prepared:
    """Find every chunk's neighbours; return the one operator of L6, and its checks.

    Raises:
        ValueError: If the settings are wrong, or there is no endpoint.
    """
    from davinci.data_levels.levels.faithful.faithfulness import context_checks

    settings, teacher = context.settings.context, context.settings.teacher
    check_teacher(teacher)
    if teacher.kind != "endpoint":
        raise ValueError(
            f"L6 asks a model: `data.teacher.kind` must be 'endpoint', but got {teacher.kind!r}."
        )
    folder = context.work / "neighbours"
    find_neighbours(context.parent, folder, settings, context.engine)
    own: dict[str, Check] = {"source_kept": source_kept, "citations_resolve": citations_resolve}
    label = label_of(teacher)
    return Prepared(
        operators=(_writer(folder, settings, teacher),),
        checks={**context_checks(settings), **own},
        teacher=label,
        notes=partial(endpoint_notes, label, CONTEXT_FAULTS),
    )


def _writer(folder: Path, settings: ContextSettings, teacher: TeacherSettings) -> WriteChunks:
    return WriteChunks(
        name="complete_from_neighbours",
        version=LEVEL_VERSIONS["L6"],
        teacher=teacher,
        task=new_task("L6"),
        plan=partial(plan_with_neighbours, folder=folder, settings=settings),
        read=partial(read_additions, settings=settings),
        assemble=join_additions,
        parameters={**asdict(settings), "prompt": CONTEXT_PROMPTS[0], "model": teacher.model},
    )


def plan_with_neighbours(
    documents: Iterable[Document], *, folder: Path, settings: ContextSettings
) -> Iterator[Work]:
    """Yield the chunks of each document; those without neighbours are not asked about.

    Args:
        documents: The documents of one part, whose name is their `part`, in its order.
        folder: Where `find_neighbours` has put what it found.
        settings: As they were then.
    """
    found = read_neighbours(folder, part_of(documents))
    for document in documents:
        neighbours = next(of_chunks for name, of_chunks in found if name == document.id)
        pieces = chunks(document.text, settings.chunk_chars)
        if not pieces:
            yield Work(document, "", "", True, [])
        for number, (chunk, near) in enumerate(zip(pieces, neighbours, strict=True), start=1):
            prompt = _prompt(chunk, near, settings) if near and chunk.strip() else ""
            yield Work(document, chunk, prompt, number == len(pieces), near)


def read_additions(answer: Answer, work: Work, *, settings: ContextSettings) -> Reading:
    """Return the chunk with the additions; unchanged where the answer broke a rule."""
    written = between_tags(answer.text, "completed")
    fault = fault_of(answer, written, work.chunk)
    if fault or written is None:
        return Reading(work.chunk, fault, context=())
    if written.strip() == NOTHING_TO_ADD:
        return Reading(work.chunk, context=())
    outside, added = parted(written)
    if any(MARK.search(part) for part in (*outside, *(addition for _, addition in added))):
        return Reading(work.chunk, "malformed", context=())
    template = read_prompt(CONTEXT_PROMPTS[0])
    outside = [restored(part, template) for part in outside]
    added = [(number, restored(addition, template)) for number, addition in added]
    if fault := _broken_rule(outside, added, work, settings):
        return Reading(work.chunk, fault, context=())
    text, additions = inserted(
        work.chunk, outside, added, [neighbour.id for neighbour in work.context]
    )
    return Reading(text, counted={"additions": len(additions)}, context=additions)


def join_additions(document: Document, pieces: Sequence[Piece]) -> Outcome:
    """Return the document with its additions, and what its meta says of them."""
    text = ""
    additions: list[Addition] = []
    shown: dict[str, None] = {}
    for work, reading in pieces:
        additions += [
            Addition(start + len(text), end + len(text), source)
            for start, end, source in reading.context or ()
        ]
        shown.update(dict.fromkeys(neighbour.id for neighbour in work.context))
        text += reading.text
    meta = {"neighbours": json.dumps(list(shown)), "added": json.dumps(additions)}
    return with_text(document, text, **meta)


def _prompt(chunk: str, near: Sequence[Neighbour], settings: ContextSettings) -> str:
    name, source_name = CONTEXT_PROMPTS
    sources = "\n".join(
        fill(read_prompt(source_name), number=str(number), text=neighbour.text)
        for number, neighbour in enumerate(near, start=1)
    )
    return fill(
        read_prompt(name),
        passage=chunk.strip(),
        sources=Filled(sources.rstrip()),
        max_added_chars=str(int(settings.max_added_frac * len(chunk))),
    )


def _broken_rule(
    outside: Sequence[str], added: Sequence[tuple[int, str]], work: Work, settings: ContextSettings
) -> str:
    """Return which rule an answer breaks, one of `CONTEXT_FAULTS`, or ""."""
    if squeezed("".join(outside)) != squeezed(work.chunk):
        return "altered"
    near: Sequence[Neighbour] = work.context
    if any(not 1 <= number <= len(near) for number, _ in added):
        return "unresolved"
    num_added = sum(len(text) + MAX_GAP_CHARS for _, text in added)
    if num_added > settings.max_added_frac * len(work.chunk):
        return "too_long"
    if not all(text and supported(text, near[n - 1].text, work.chunk) for n, text in added):
        return "unsupported"
    return ""
