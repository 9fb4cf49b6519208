"""What a person sees while tasks run: how far, what runs, how fast, how long still."""

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from davinci.platform.execute.child import Report
from davinci.platform.ledger.task import Task

SECONDS: Mapping[str, float] = {
    "held_out": 1.0,
    "corpus": 1.0,
    "tokenizer": 2.0,
    "shards": 0.5,
    "checkpoint": 1.0,
    "decision": 0.1,
    "evaluation": 5.0,
    "contamination": 1.0,
}
"""Rough seconds of work per kind, only to weigh the bar; training goes by its tokens."""

TOKENS_PER_S = 25_000.0
"""Tokens per second of a nano model on one core, for the same purpose."""


class View:
    """A live view on a terminal; elsewhere, one line per finished task."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._num_done = self._num_todo = 0
        self._progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._all: TaskID | None = None

    def begin(self, todo: Sequence[Task], *, num_reused: int) -> None:
        """Say what is to be done, and start."""
        self._num_todo = len(todo)
        if not todo:
            self._console.print(f"All {num_reused} tasks are done already; nothing is recomputed.")
            return
        self._console.print(f"{len(todo)} tasks to do, {num_reused} done already.")
        total = sum(_seconds(task) for task in todo)
        self._progress.start()
        self._all = self._progress.add_task(f"{len(todo)} tasks", total=total, note="")

    def started(self, task: Task) -> None:
        """Show a task that has begun."""
        self._bars[task.digest] = self._progress.add_task(f"  {task.label}", total=None, note="")

    def progress(self, task: Task, report: Report) -> None:
        """Show how far a task is."""
        self._progress.update(
            self._bars[task.digest], completed=report.done, total=report.total, note=report.note
        )

    def finished(self, task: Task, state: str, wall_s: float) -> None:
        """Show that a task has ended, and how."""
        self._num_done += 1
        if task.digest in self._bars:
            self._progress.remove_task(self._bars.pop(task.digest))
        note = f"{self._num_done}/{self._num_todo}"
        if self._all is not None:
            self._progress.update(self._all, advance=_seconds(task), note=note)
        if state != "done" or not self._console.is_terminal:
            clock = time.strftime("%H:%M:%S")
            style = "red" if state not in ("done", "done elsewhere") else ""
            line = f"{clock} [{note}] {task.label}: {state}, {wall_s:.1f} s"
            self._console.print(line, style=style, markup=False, highlight=False)

    def end(self) -> None:
        """Leave the live view."""
        self._progress.stop()


def _seconds(task: Task) -> float:
    if task.kind == "segment":
        return float(task.settings["num_steps"] * task.settings["batch_tokens"]) / TOKENS_PER_S
    return SECONDS[task.kind]
