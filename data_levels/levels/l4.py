"""L4, refinement: a teacher cleans and repairs; it may add nothing that is not in the document."""

from collections.abc import Sequence

from davinci.data_levels.corpus import Progress, silent
from davinci.data_levels.document import Document
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels import faithfulness as measure
from davinci.data_levels.levels.step import StepRun
from davinci.data_levels.levels.teaching import Violated, teach
from davinci.data_levels.source import Teacher

CHECKS: dict[str, Violated] = {
    "adds_no_numbers": measure.adds_numbers,
    "adds_no_words": measure.adds_words,
    "length_within_bounds": measure.leaves_length,
    "no_chat_residue": measure.has_chat_residue,
}


def run(
    documents: Sequence[Document],
    teacher: Teacher,
    concurrency: int = 1,
    progress: Progress = silent,
) -> list[StepRun]:
    """Return the one step of L4."""
    step = teach(
        documents,
        teacher.refine,
        CHECKS,
        name="refine",
        version=LEVEL_VERSIONS["L4"],
        concurrency=concurrency,
        progress=progress,
    )
    return [step]
