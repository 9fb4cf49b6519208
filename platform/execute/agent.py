"""What runs in a cluster's job: a supervisor for one group of tasks, on what the job was given.

It makes its group's tasks and whatever of their inputs nobody has made, so that every job can
finish by itself, whichever others died. It writes the statuses; the job may be killed at any time.
"""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from davinci.platform.config.runtime import Runtime
from davinci.platform.execute.local import LocalExecutor
from davinci.platform.execute.outcome import Stopped
from davinci.platform.execute.plan_file import read_plan
from davinci.platform.execute.view import View
from davinci.platform.store.open import engine_of


def run_group(
    plan_file: Path,
    number: int,
    place: str,
    *,
    cpus: int,
    memory_bytes: int = 0,
    on_stop: Callable[[str], None] = lambda cause: None,
    causes: dict[int, str] | None = None,
) -> None:
    """Work on one group of a plan until it is done, or the job is asked to stop.

    Args:
        plan_file: What `write_plan` wrote.
        number: The group's place in it.
        place: What the ledger calls this job.
        cpus: Cores of the job.
        memory_bytes: Memory of the job; 0 where it is not limited.
        on_stop: Called with the cause when it was asked to stop, after the tasks were given back.
        causes: Signals that ask to stop, and the cause that each stands for.
    """
    found = read_plan(plan_file)
    runtime = _within(found.runtime, cpus, memory_bytes)
    engine = engine_of(runtime.store_url)
    executor = LocalExecutor(
        found.plan,
        engine,
        runtime,
        View(Console(force_terminal=False)),
        targets=found.groups[number],
        place=place,
        since=found.since,
    )
    for number_of_signal, cause in (causes or {}).items():
        signal.signal(number_of_signal, lambda *_, cause=cause: executor.ask_to_stop(cause))
    try:
        executor.run()
    except Stopped as stopped:
        on_stop(str(stopped))
    finally:
        engine.dispose()


def _within(runtime: Runtime, cpus: int, memory_bytes: int) -> Runtime:
    """Return the runtime of a job: as many processes as it has cores for."""
    workers = max(1, cpus // runtime.training.num_threads)
    memory_gib = memory_bytes / 2**30 or runtime.executor.memory_gib
    return replace(
        runtime, executor=replace(runtime.executor, workers=workers, memory_gib=memory_gib)
    )
