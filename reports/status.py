"""`davinci status`: sweeps, what runs where, how far and how long, what failed and why."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from davinci.platform.store.read_status import RunningTask, Status, read_status

REFRESH_S = 2.0
STATES = ("done", "running", "planned", "failed", "skipped")


def show_status(engine: Engine, console: Console, *, watch: bool, ask: Callable[[], None]) -> None:
    """Print how a store stands; with `watch`, again and again until nothing runs or Ctrl-C.

    `ask` asks clusters which of their jobs are over.
    """
    ask()
    status = read_status(engine)
    if not watch:
        console.print(_shown(status))
        return
    with Live(_shown(status), console=console, refresh_per_second=4) as live:
        while status.running or status.jobs:
            time.sleep(REFRESH_S)
            ask()
            status = read_status(engine)
            live.update(_shown(status))


def _shown(status: Status) -> RenderableType:
    parts: list[RenderableType] = [_sweeps(status), Text(), _tasks(status)]
    if status.running:
        parts += [Text(), _running(status.running)]
    for title, causes in (("failed", status.failures), ("tried again", status.tries)):
        if causes:
            parts.append(Text(f"{title}: {_counted(causes)}", style="red" * (title == "failed")))
    if status.jobs:
        tasks = sum(job.num_tasks for job in status.jobs)
        where = _counted(Counter(job.executor for job in status.jobs))
        parts.append(Text(f"{len(status.jobs)} jobs ({where}) are at {tasks} tasks"))
    return Group(*parts)


def _sweeps(status: Status) -> Table:
    table = Table("sweep", "varied", "arms", "runs", "created", box=None, header_style="bold")
    for sweep in status.sweeps:
        runs = ", ".join(f"{number} {state}" for state, number in sweep.runs.items())
        name = escape(sweep.name)
        table.add_row(sweep.digest[:12], name, str(sweep.num_arms), runs, sweep.created)
    return table


def _tasks(status: Status) -> Table:
    table = Table("tasks", *STATES, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in dict.fromkeys(kind for kind, _ in status.tasks):
        counts = [status.tasks.get((kind, state), 0) for state in STATES]
        table.add_row(kind, *(str(number or "") for number in counts))
    return table


def _running(tasks: tuple[RunningTask, ...]) -> Table:
    table = Table("running", "where", "", "", "since", "left", box=None, header_style="bold")
    now = time.time()
    for task in tasks:
        frac = task.progress / task.progress_total if task.progress_total else None
        spent = now - task.started
        bar = ProgressBar(total=1.0, completed=frac, width=16) if frac is not None else Text()
        left = _duration(spent * (1 - frac) / frac) if frac else ""
        note = "owner silent: anybody's" if task.silent else task.note
        tries = f" (try {task.attempts})" if task.attempts > 1 else ""
        label, place = escape(task.label) + tries, escape(task.place)
        table.add_row(label, place, bar, escape(note), _duration(spent), left)
    return table


def _counted(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {cause or 'no cause'}" for cause, number in causes.items())


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
