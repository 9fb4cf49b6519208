"""Where artifacts live, and how they get there: written aside, published by one rename."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from davinci.platform.ledger.task import Task

RESUMABLE = ("corpus", "shards")
"""Kinds of task whose unfinished draft is worth keeping: the next attempt goes on in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders under `output_dir`; every artifact is `artifacts/<kind>/<digest>/`."""

    output_dir: Path

    def artifact(self, task: Task) -> Path:
        """Return the final place of a task's artifact."""
        return self.output_dir / "artifacts" / task.kind / task.digest

    def draft(self, task: Task) -> Path:
        """Return where an attempt writes: beside the final place, on the same disk.

        Attempts at a resumable task share one draft; of the others each process has its own.
        """
        if task.kind in RESUMABLE:
            return self.artifact(task).with_name(f".{task.digest}.unfinished")
        return self.artifact(task).with_name(f".{task.digest}.{os.getpid()}")

    def frozen(self, task: Task) -> Path:
        """Return the file that holds all that the task's process needs to know."""
        return self.output_dir / "tasks" / f"{task.digest}.json"

    def publish(self, task: Task) -> bool:
        """Move a finished draft to its final place in one step; False if the draft has gone.

        It goes when our lease ran out and somebody else began the task anew. Who shares the draft
        may have published it a moment ago: then it is done all the same.
        """
        draft, final = self.draft(task), self.artifact(task)
        if final.exists():
            shutil.rmtree(draft, ignore_errors=True)
            return True
        try:
            draft.rename(final)
        except FileNotFoundError:
            return final.exists()
        return True

    def clear_drafts(self, task: Task) -> None:
        """Remove what attempts that died have left; only the holder of the lease may call this."""
        if task.kind in RESUMABLE:
            return
        for draft in self.artifact(task).parent.glob(f".{task.digest}.*"):
            shutil.rmtree(draft, ignore_errors=True)
