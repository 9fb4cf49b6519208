"""What a person sees while tasks run: how far, what runs, how fast, what failed, how long still."""

import time
from collections import Counter
from collections.abc import Sequence

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
from davinci.platform.plan.cost import USUAL_SECONDS
from davinci.platform.plan.graph import Plan

TOKENS_PER_S = 25_000.0
"""Tokens per second of a nano model on one core, only to weigh the bar."""

GOOD = ("done", "done elsewhere")


class View:
    """A live view on a terminal; elsewhere, one line per finished task."""

    def __init__(self, console: Console, plan: Plan | None = None) -> None:
        """Show tasks on a console, and how many of a plan's runs they complete."""
        self._console = console
        self._runs = [set(run.tasks.values()) for run in plan.runs] if plan else []
        self._bars: dict[str, TaskID] = {}
        self._open: set[str] = set()
        self._num_done = self._num_todo = 0
        self._failures: Counter[str] = Counter()
        self._trained = 0
        self._began = time.monotonic()
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
        self._open = {task.digest for task in todo}
        self._began = time.monotonic()
        if not todo:
            self._console.print(f"All {num_reused} tasks are done already; nothing is recomputed.")
            return
        self._console.print(f"{len(todo)} tasks to do, {num_reused} done already.")
        total = sum(_seconds(task) for task in todo)
        self._progress.start()
        self._all = self._progress.add_task(self._title(), total=total, note="")

    def started(self, task: Task, place: str = "") -> None:
        """Show a task that has begun, and where if not on this machine."""
        if task.digest in self._bars:
            return
        where = f" on {place}" if place else ""
        self._bars[task.digest] = self._progress.add_task(
            f"  {task.label}{where}", total=None, note=""
        )

    def progress(self, task: Task, report: Report) -> None:
        """Show how far a task is."""
        if task.digest in self._bars:
            self._progress.update(
                self._bars[task.digest], completed=report.done, total=report.total, note=report.note
            )

    def retried(self, task: Task, cause: str, number: int) -> None:
        """Say that a task is tried again."""
        self._hide(task)
        self._line(f"{task.label}: {cause}; try {number} follows", style="yellow")

    def paused(self, reason: str) -> None:
        """Show why nothing is started at the moment; with no reason, that it goes on."""
        if self._all is not None:
            self._progress.update(self._all, note=reason)
        if not self._console.is_terminal:
            self._line(reason or "going on", style="yellow")

    def finished(self, task: Task, state: str, wall_s: float) -> None:
        """Show that a task has ended, and how; a state of `lost` lets it run on elsewhere."""
        self._hide(task)
        if not state.startswith("lost"):
            self._num_done += 1
            self._open.discard(task.digest)
        if state in GOOD and task.kind == "segment":
            self._trained += _tokens(task)
        elif state not in GOOD:
            self._failures[state] += 1
        if self._all is not None:
            self._progress.update(
                self._all, advance=_seconds(task), note=self._note(), description=self._title()
            )
        if state != "done" or not self._console.is_terminal:
            style = "" if state in GOOD else "red"
            self._line(f"{task.label}: {state}, {wall_s:.1f} s", style=style)

    def end(self) -> None:
        """Leave the live view."""
        self._progress.stop()

    def _hide(self, task: Task) -> None:
        if task.digest in self._bars:
            self._progress.remove_task(self._bars.pop(task.digest))

    def _title(self) -> str:
        if not self._runs:
            return f"{self._num_todo} tasks"
        complete = sum(not (run & self._open) for run in self._runs)
        return f"{complete}/{len(self._runs)} runs"

    def _note(self) -> str:
        parts = [f"{self._num_done}/{self._num_todo} tasks"]
        if self._trained:
            rate = self._trained / max(1.0, time.monotonic() - self._began)
            parts.append(f"{rate:,.0f} tokens/s trained")
        if self._failures:
            told = ", ".join(f"{number} {cause}" for cause, number in self._failures.items())
            parts.append(f"[red]{told}[/]")
        return " · ".join(parts)

    def _line(self, text: str, style: str) -> None:
        clock = time.strftime("%H:%M:%S")
        line = f"{clock} [{self._num_done}/{self._num_todo}] {text}"
        self._console.print(line, style=style, markup=False, highlight=False)


def _seconds(task: Task) -> float:
    return (
        _tokens(task) / TOKENS_PER_S
        if task.kind == "segment"
        else USUAL_SECONDS.get(task.kind, 1.0)
    )


def _tokens(task: Task) -> int:
    return int(task.settings["num_steps"] * task.settings["batch_tokens"])
