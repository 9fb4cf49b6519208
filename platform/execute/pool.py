"""Processes for tasks, forked from a warm server that has imported what takes long to import."""

import contextlib
import multiprocessing
import os
import sys
import types
from collections.abc import Collection, Iterator
from pathlib import Path

from davinci.platform.execute import child
from davinci.platform.execute.devices import Need
from davinci.platform.execute.job import Job
from davinci.platform.execute.work import PRELOAD
from davinci.platform.ledger.task import Kind, Task

FROZEN = "davinci.platform.execute.frozen"
"""Imported last by the fork server."""


class Pool:
    """Starts a process per task. A fork takes milliseconds; importing torch took a second."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")

    def warm_up(self, kinds: Collection[Kind], num_threads: int) -> None:
        """Say what kinds of task there will be, and how many threads each may use."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", str(num_threads))
        modules = {module for kind in kinds for module in PRELOAD.get(kind, ())}
        self._context.set_forkserver_preload([*sorted(modules), child.__name__, FROZEN])

    def start(self, task: Task, frozen: Path, need: Need, gpus: tuple[str, ...]) -> Job:
        """Start a process for a task that is written down in `frozen`; it sees these GPUs."""
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=child.main, args=(frozen, theirs, gpus), daemon=False
        )
        with _without_main():
            process.start()
        theirs.close()
        return Job(task=task, process=process, pipe=mine, need=need, gpus=gpus)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from importing the main program in every child: no task needs it.

    The fork server's own way, to import it once, works from Python 3.13.8 on (cpython#126631).
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
