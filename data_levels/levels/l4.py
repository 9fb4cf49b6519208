"""L4, refinement: a teacher cleans and repairs; it may add nothing that is not in the document.

In mode `clean` noise goes and damage is repaired; in mode `rewrite` the passage is set down anew,
dense and in order, at about the same length. Source: Data Darwinism I, Section 4.
"""

from functools import partial

from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import LevelContext, Prepared
from davinci.data_levels.levels.writing.teaching import (
    FAULTS,
    OwnTeacher,
    WriteChunks,
    endpoint_notes,
    join_chunks,
    own_notes,
    own_teacher,
    plan_chunks,
    read_written,
)
from davinci.data_levels.teacher.budget import new_task
from davinci.data_levels.teacher.check import check_refinement, check_teacher
from davinci.data_levels.teacher.prompts import REFINEMENT_PROMPTS
from davinci.data_levels.teacher.protocol import label_of

TAGS = {"clean": "cleaned", "rewrite": "rewritten"}
"""Where each mode's answer stands."""


def prepare(context: LevelContext) -> Prepared:
    """Return the one operator of L4, and the checks that nothing was added.

    Raises:
        ValueError: If the settings are wrong, or ask for a source's teacher where it has none.
    """
    from davinci.data_levels.levels.faithful.faithfulness import refinement_checks

    settings, teacher = context.settings.refinement, context.settings.teacher
    check_teacher(teacher)
    check_refinement(settings, teacher)
    checks = refinement_checks(settings)
    if teacher.kind == "source":
        own = OwnTeacher(
            name="refine", version=LEVEL_VERSIONS["L4"], act="refine", source=context.source
        )
        label = own_teacher(context.source).label
        notes = partial(own_notes, context.source)
        return Prepared(operators=(own,), checks=checks, teacher=label, notes=notes)
    prompt = REFINEMENT_PROMPTS[settings.mode]
    write = WriteChunks(
        name="refine",
        version=LEVEL_VERSIONS["L4"],
        teacher=teacher,
        task=new_task("L4"),
        plan=partial(plan_chunks, prompt_name=prompt, max_chars=settings.chunk_chars),
        read=partial(read_written, tag=TAGS[settings.mode], prompt_name=prompt),
        assemble=join_chunks,
        parameters={
            "mode": settings.mode,
            "chunk_chars": settings.chunk_chars,
            "prompt": prompt,
            "model": teacher.model,
        },
    )
    label = label_of(teacher)
    notes = partial(endpoint_notes, label, FAULTS)
    return Prepared(operators=(write,), checks=checks, teacher=label, notes=notes)
