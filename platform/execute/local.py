"""The local executor: a supervisor, and one forked process per task on this machine.

Modules that take long to import are imported once, in a fork server; each task is then forked from
it in milliseconds. Statuses are written here, outside the processes that may die.
"""

import multiprocessing
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from sqlalchemy import Engine

from davinci.platform.config.runtime import Runtime
from davinci.platform.execute import child
from davinci.platform.execute.devices import Need, allot, need_of, num_cores, visible_gpus
from davinci.platform.execute.keep import prunable, usable_artifacts
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.view import View
from davinci.platform.execute.work import PRELOAD, freeze
from davinci.platform.ledger.ledger import Ledger, Usage, new_owner
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan
from davinci.platform.store.write import record_result

POLL_S = 0.5
HEARTBEAT_S = 10.0
GRACE_S = 30.0
"""What a task that is asked to stop may take, to leave a snapshot for one."""
NO_USAGE = Usage(wall_s=0.0, cpu_s=0.0, max_rss_bytes=0)


@dataclass(slots=True)
class Job:
    """One running task."""

    task: Task
    process: ForkServerProcess
    pipe: Connection
    need: Need
    gpus: tuple[str, ...]
    started: float = field(default_factory=time.monotonic)
    ended: child.Ended | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a plan: digests by state. `reused` were done before, or by somebody else."""

    reused: frozenset[str]
    done: frozenset[str]
    failed: Mapping[str, str]
    skipped: frozenset[str]


class LocalExecutor:
    """Takes a plan's tasks to done or failed, `workers` at a time."""

    def __init__(self, plan: Plan, engine: Engine, runtime: Runtime, view: View) -> None:
        self._plan, self._engine, self._runtime, self._view = plan, engine, runtime, view
        self._layout = Layout(runtime.output_dir)
        self._ledger = Ledger(engine, new_owner())
        self._slots = runtime.workers or max(1, num_cores() // runtime.training.num_threads)
        self._gpus = visible_gpus(runtime.training.accelerator)
        self._done: set[str] = set()
        self._elsewhere: set[str] = set()
        self._failed: dict[str, str] = {}
        self._skipped: set[str] = set()
        self._jobs: dict[str, Job] = {}
        self._context = multiprocessing.get_context("forkserver")

    def run(self) -> Outcome:
        """Run everything that is not done yet; return what became of it.

        Raises:
            KeyboardInterrupt: After the running tasks were stopped and given back.
        """
        self._ledger.plan(self._plan.tasks.values())
        reused = frozenset(self._find_finished())
        self._done |= reused
        todo = [t for d, t in self._plan.tasks.items() if d not in reused]
        self._view.begin(todo, num_reused=len(reused))
        if todo:
            self._warm_up(todo)
        try:
            self._loop({task.digest: task for task in todo})
        except BaseException:
            self._abandon()
            raise
        finally:
            self._view.end()
        return Outcome(
            reused=reused | self._elsewhere,
            done=frozenset(self._done - reused - self._elsewhere),
            failed=dict(self._failed),
            skipped=frozenset(self._skipped),
        )

    def _find_finished(self) -> set[str]:
        """Return tasks whose work is there, adopting artifacts that the ledger does not know."""
        states = self._ledger.states(self._plan.tasks)
        finished: set[str] = set()
        usable = usable_artifacts(self._plan, self._layout)
        for digest, task in self._plan.tasks.items():
            there = digest in usable
            if there and states[digest] == "done":
                finished.add(digest)
            elif there and self._ledger.claim(digest):
                self._settle(task, NO_USAGE)
                finished.add(digest)
            elif states[digest] == "done":
                self._ledger.reset(digest)
        return finished

    def _warm_up(self, todo: list[Task]) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", str(self._runtime.training.num_threads))
        modules = {m for task in todo for m in PRELOAD.get(task.kind, ())}
        self._context.set_forkserver_preload(["__main__", *sorted(modules)])

    def _loop(self, todo: dict[str, Task]) -> None:
        last_beat = time.monotonic()
        while todo or self._jobs:
            self._start_ready(todo)
            self._listen()
            if time.monotonic() - last_beat > HEARTBEAT_S:
                self._ledger.heartbeat(self._jobs)
                last_beat = time.monotonic()

    def _start_ready(self, todo: dict[str, Task]) -> None:
        for digest, task in list(todo.items()):
            broken = [d for d in task.inputs.values() if d in self._failed or d in self._skipped]
            if broken:
                self._skip(todo.pop(digest), broken[0])
            elif self._free_slots() < 1:
                return
            elif all(d in self._done for d in task.inputs.values()):
                need = need_of(task, self._runtime.training, on_gpu=bool(self._gpus))
                gpus = self._allot(need)
                if gpus is None:
                    continue
                if self._ledger.claim(digest):
                    self._start(todo.pop(digest), need, gpus)
                elif self._ledger.states([digest])[digest] == "done":
                    self._done.add(digest)
                    self._elsewhere.add(digest)
                    self._view.finished(todo.pop(digest), "done elsewhere", 0.0)

    def _free_slots(self) -> int:
        return self._slots - sum(job.need.slots for job in self._jobs.values())

    def _allot(self, need: Need) -> tuple[str, ...] | None:
        taken = {gpu for job in self._jobs.values() for gpu in job.gpus}
        return allot(
            need,
            free_slots=self._free_slots(),
            free_gpus=tuple(gpu for gpu in self._gpus if gpu not in taken),
            alone=not self._jobs,
        )

    def _start(self, task: Task, need: Need, gpus: tuple[str, ...]) -> None:
        self._layout.clear_drafts(task)
        frozen = freeze(task, self._plan.tasks, self._layout, self._runtime)
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=child.main, args=(frozen, theirs, gpus), daemon=False
        )
        process.start()
        theirs.close()
        self._jobs[task.digest] = Job(task=task, process=process, pipe=mine, need=need, gpus=gpus)
        self._view.started(task)

    def _listen(self) -> None:
        pipes = {job.pipe: job for job in self._jobs.values()}
        if not pipes:
            time.sleep(POLL_S)
            return
        for ready in wait(list(pipes), timeout=POLL_S):
            job = pipes[ready]  # type: ignore[index]
            try:
                message = job.pipe.recv()
            except (EOFError, OSError):
                self._finish(job)
                continue
            if isinstance(message, child.Report):
                self._view.progress(job.task, message)
            else:
                job.ended = message

    def _finish(self, job: Job) -> None:
        """Settle a task whose process is gone, whatever it said before."""
        job.process.join()
        job.pipe.close()
        del self._jobs[job.task.digest]
        ended = job.ended or _killed(job)
        if not ended.cause and not self._layout.publish(job.task):
            ended = child.Ended("infrastructure", "its draft has gone", ended.usage)
        if ended.cause:
            self._failed[job.task.digest] = f"{ended.cause}: {_last_line(ended.error)}"
            self._ledger.failed(job.task.digest, ended.cause, ended.error, ended.usage)
        else:
            self._settle(job.task, ended.usage)
            self._done.add(job.task.digest)
            self._prune()
        self._view.finished(job.task, ended.cause or "done", ended.usage.wall_s)

    def _prune(self) -> None:
        """Give up the weights of checkpoints that nothing waits for, if the policy says so."""
        for task in prunable(self._plan, self._done, self._runtime.keep):
            if self._layout.has_weights(task):
                self._layout.prune(task)

    def _settle(self, task: Task, usage: Usage) -> None:
        record_result(self._engine, task.digest, task.kind, self._layout.artifact(task))
        self._ledger.done(task.digest, usage)

    def _skip(self, task: Task, broken: str) -> None:
        self._skipped.add(task.digest)
        self._ledger.skipped(task.digest, f"its input {self._plan.tasks[broken].label} failed")
        self._view.finished(task, "skipped", 0.0)

    def _abandon(self) -> None:
        for job in self._jobs.values():
            job.process.terminate()
        for job in self._jobs.values():
            job.process.join(GRACE_S)
            job.process.kill()
            job.process.join()
            self._ledger.release(job.task.digest)
            self._layout.clear_drafts(job.task)


def _killed(job: Job) -> child.Ended:
    wall_s = time.monotonic() - job.started
    code = job.process.exitcode
    error = f"the process ended with code {code} and without a word"
    if code == -9:
        error += "; the kernel does that when memory runs out"
    usage = Usage(wall_s=wall_s, cpu_s=0.0, max_rss_bytes=0)
    return child.Ended("out of memory" if code == -9 else "infrastructure", error, usage)


def _last_line(text: str) -> str:
    """Return the last line of a traceback that says something."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return lines[-1] if lines else ""
