"""Where artifacts live, and how they get there: written aside, published by one rename."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from davinci.platform.ledger.task import Task

PRUNED_FILE = "pruned"
"""Marks a segment's artifact whose weights were given up: its result and curves are still there."""
WEIGHTS = ("model", "optimizer")
"""The parts of a segment's artifact that take space; names begin so."""
RESUMABLE = ("corpus", "shards", "segment")
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
        if draft.exists() and (final / PRUNED_FILE).exists():
            shutil.rmtree(final)
        if final.exists():
            shutil.rmtree(draft, ignore_errors=True)
            return True
        try:
            draft.rename(final)
        except FileNotFoundError:
            return final.exists()
        draft.with_suffix(".lock").unlink(missing_ok=True)
        return True

    def has_weights(self, task: Task) -> bool:
        """Return whether an artifact can serve as an input: it is there, and not pruned."""
        artifact = self.artifact(task)
        return artifact.is_dir() and not (artifact / PRUNED_FILE).exists()

    def prune(self, task: Task) -> None:
        """Give up the weights of a segment; killed at any time, it is pruned or whole."""
        artifact = self.artifact(task)
        (artifact / PRUNED_FILE).touch()
        for part in artifact.iterdir():
            if part.name.startswith(WEIGHTS):
                shutil.rmtree(part) if part.is_dir() else part.unlink()

    def clear_drafts(self, task: Task) -> None:
        """Remove what attempts that died have left; only the holder of the lease may call this."""
        if task.kind in RESUMABLE:
            return
        for draft in self.artifact(task).parent.glob(f".{task.digest}.*"):
            shutil.rmtree(draft, ignore_errors=True)
