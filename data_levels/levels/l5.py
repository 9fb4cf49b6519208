"""L5, cognitive completion: a teacher spells out what follows; it may lose nothing on the way."""

from collections.abc import Sequence

from davinci.data_levels.corpus import Progress, silent
from davinci.data_levels.document import Document
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels import faithfulness as measure
from davinci.data_levels.levels.step import StepRun
from davinci.data_levels.levels.teaching import Violated, teach
from davinci.data_levels.source import Teacher

CHECKS: dict[str, Violated] = {
    "keeps_numbers": measure.loses_numbers,
    "no_chat_residue": measure.has_chat_residue,
}


def run(
    documents: Sequence[Document],
    teacher: Teacher,
    concurrency: int = 1,
    progress: Progress = silent,
) -> list[StepRun]:
    """Return the one step of L5."""
    step = teach(
        documents,
        teacher.complete,
        CHECKS,
        name="complete",
        version=LEVEL_VERSIONS["L5"],
        concurrency=concurrency,
        progress=progress,
    )
    return [step]
