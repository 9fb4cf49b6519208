"""L5, cognitive completion: a teacher spells out what a document leaves unsaid; it loses nothing.

The tasks `reason` (skipped steps), `explain` (terms and symbols), `bridge` (from what a reader
knows to what is new) and `complete` (all of them) write the document anew; `qa` makes questions and
answers of it instead, written as `pairs` says. Source: Data Darwinism I, Section 4 and Appendix.
"""

import re
from collections.abc import Sequence
from functools import partial

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import LevelContext, Prepared, with_text
from davinci.data_levels.levels.writing.teaching import (
    FAULTS,
    Assemble,
    OwnTeacher,
    Piece,
    Read,
    Reading,
    Work,
    WriteChunks,
    endpoint_notes,
    fault_of,
    join_chunks,
    own_notes,
    own_teacher,
    plan_chunks,
    read_written,
    too_few_written,
)
from davinci.data_levels.settings import CompletionSettings, TeacherSettings
from davinci.data_levels.teacher.answers import Answer, between_tags
from davinci.data_levels.teacher.budget import new_task
from davinci.data_levels.teacher.check import check_completion, check_teacher
from davinci.data_levels.teacher.prompts import COMPLETION_PROMPTS, read_prompt, restored
from davinci.data_levels.teacher.protocol import label_of
from davinci.data_levels.tokens.pairs import format_pairs, is_writable, split_pairs

NO_QUESTION = "no_question_found"
NOTHING_TO_ASK = "NONE"
"""What the model writes where a passage answers no question worth asking."""

_PAIR = re.compile(r"<question>(.*?)</question>\s*<answer>(.*?)</answer>", re.DOTALL)
_LABEL = re.compile(r"\A(?:question|answer)(?: \d+)?:\s*", re.IGNORECASE)
_POINTS_AT_SOURCE = re.compile(
    r"\b(?:the|this) (?:passage|excerpt)\b"
    r"|\b(?:according to|in|from|by) (?:the|this) (?:text|document|article|chapter|section)\b"
    r"|\bthe authors? (?:say|state|claim|argue|describe|mention|write|show|explain|suggest)s?\b"
    r"|\b(?:figure|fig\.|table|equation|eq\.) \(?\d",
    re.IGNORECASE,
)


def prepare(context: LevelContext) -> Prepared:
    """Return the one operator of L5, and the checks that nothing was lost.

    Raises:
        ValueError: If the settings are wrong, or ask for a source's teacher where it has none.
    """
    from davinci.data_levels.levels.faithful.faithfulness import completion_checks

    settings, teacher = context.settings.completion, context.settings.teacher
    check_teacher(teacher)
    check_completion(settings, teacher)
    checks = completion_checks(settings)
    if teacher.kind == "source":
        own = OwnTeacher(
            name="complete", version=LEVEL_VERSIONS["L5"], act="complete", source=context.source
        )
        label = own_teacher(context.source).label
        notes = partial(own_notes, context.source)
        return Prepared(operators=(own,), checks=checks, teacher=label, notes=notes)
    label = label_of(teacher)
    return Prepared(
        operators=(_writer(settings, teacher),),
        checks=checks,
        teacher=label,
        notes=partial(endpoint_notes, label, FAULTS),
    )


def _writer(settings: CompletionSettings, teacher: TeacherSettings) -> WriteChunks:
    prompt = COMPLETION_PROMPTS[settings.task]
    read: Read = partial(read_written, tag="completed", prompt_name=prompt)
    assemble: Assemble = join_chunks
    if settings.task == "qa":
        read, assemble = partial(read_pairs, prompt_name=prompt), join_pairs
    return WriteChunks(
        name="ask_and_answer" if settings.task == "qa" else settings.task,
        version=LEVEL_VERSIONS["L5"],
        teacher=teacher,
        task=new_task("L5"),
        plan=partial(plan_chunks, prompt_name=prompt, max_chars=settings.chunk_chars),
        read=read,
        assemble=assemble,
        parameters={
            "task": settings.task,
            "chunk_chars": settings.chunk_chars,
            "prompt": prompt,
            "model": teacher.model,
        },
    )


def read_pairs(answer: Answer, work: Work, *, prompt_name: str) -> Reading:
    """Return the pairs of an answer as text; those that do not stand alone are left out.

    An answer that cannot be used gives no pairs: passages do not stand among questions.
    """
    written = between_tags(answer.text, "pairs")
    if fault := fault_of(answer, written, work.chunk):
        return Reading("", fault)
    if (written or "").strip() == NOTHING_TO_ASK:
        return Reading("")
    written = written or ""
    template = read_prompt(prompt_name)
    pairs = [
        (_plain(question, template), _plain(answer, template))
        for question, answer in _PAIR.findall(written)
    ]
    if not pairs or len(pairs) != written.count("<question>"):
        return Reading("", "malformed")
    usable = [pair for pair in pairs if is_writable(*pair) and not points_at_source(*pair)]
    counted = {"pairs": len(usable), "pairs_left_out": len(pairs) - len(usable)}
    return Reading(format_pairs(usable), counted=counted)


def points_at_source(question: str, answer: str) -> bool:
    """Return whether a pair speaks of a text, a figure or an equation that no reader has."""
    return any(_POINTS_AT_SOURCE.search(part) for part in (question, answer))


def join_pairs(document: Document, pieces: Sequence[Piece]) -> Outcome:
    """Return the document with all pairs, each question once; it goes if there are none."""
    pairs: dict[str, str] = {}
    for piece in pieces:
        for question, answer in split_pairs(piece.reading.text):
            pairs.setdefault(question, answer)
    if pairs:
        return with_text(document, format_pairs(pairs.items()))
    return too_few_written(document, pieces) or Dropped(document, NO_QUESTION)


def _plain(text: str, template: str) -> str:
    return _LABEL.sub("", restored(text, template).strip())
