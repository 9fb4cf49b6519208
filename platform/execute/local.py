"""The local executor: a supervisor, and one forked process per task on this machine.

Modules that take long to import are imported once, in a fork server; each task is then forked from
it in milliseconds. Statuses are written here, outside the processes that may die. Other supervisors
may work on the same store: what they hold is waited for, and nothing is done twice.
"""

import shutil
import socket
import time
from collections.abc import Collection
from multiprocessing.connection import wait

from sqlalchemy import Engine

from davinci.platform.config.runtime import Runtime
from davinci.platform.execute import child
from davinci.platform.execute.adopt import find_finished, settle
from davinci.platform.execute.devices import (
    Free,
    Need,
    allot,
    need_of,
    num_bytes_of_memory,
    num_cores,
    visible_gpus,
)
from davinci.platform.execute.job import Job, how_it_ended, last_line
from davinci.platform.execute.keep import may_prune, needed_tasks, users_of
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.outcome import Outcome, Stopped
from davinci.platform.execute.pool import Pool
from davinci.platform.execute.queue import Queue
from davinci.platform.execute.view import View
from davinci.platform.execute.work import freeze
from davinci.platform.ledger.causes import RETRIES, name_cause, pause_s
from davinci.platform.ledger.ledger import Ledger, Standing
from davinci.platform.ledger.owner import new_owner
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import Usage
from davinci.platform.plan.graph import Plan
from davinci.platform.store.patience import patiently

POLL_S = 0.5
LOOK_S = 2.0
HEARTBEAT_S = 10.0
GRACE_S = 30.0
"""What a task that is asked to stop may take, to leave a snapshot for one."""
ROOM_BYTES = 2**28
"""Free disk that ends a pause for want of it."""


class LocalExecutor:
    """Takes a plan's tasks to done or failed, as many at a time as the machine has room for."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        runtime: Runtime,
        view: View,
        *,
        targets: Collection[str] = (),
        place: str = "",
        since: float | None = None,
    ) -> None:
        """Prepare to make `targets` (default: all of the plan), and whatever they need.

        What has failed after `since` (Unix time; default: now) is not tried again.
        """
        self._plan, self._engine, self._runtime, self._view = plan, engine, runtime, view
        self._targets = set(targets) or set(plan.tasks)
        self._since = time.time() if since is None else since
        self._layout = Layout(runtime.output_dir)
        self._ledger = Ledger(engine, new_owner(), place or socket.gethostname())
        self._gpus = visible_gpus(runtime.training.accelerator)
        self._room = Free(
            slots=runtime.executor.workers or max(1, num_cores() // runtime.training.num_threads),
            gpus=self._gpus,
            memory=runtime.executor.memory_bytes or num_bytes_of_memory(),
        )
        self._users = users_of(plan)
        self._queue = Queue({}, ())
        self._jobs: dict[str, Job] = {}
        self._done: set[str] = set()
        self._elsewhere: set[str] = set()
        self._failed: dict[str, str] = {}
        self._skipped: set[str] = set()
        self._leased: set[str] = set()
        self._held: set[str] = set()
        self._alone: set[str] = set()
        self._tries: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._looked = self._beaten = time.monotonic()
        self._full = False
        self._stop = ""
        self._pool = Pool()

    def run(self) -> Outcome:
        """Run everything that is not done yet; return what became of it.

        Raises:
            KeyboardInterrupt: After the running tasks were stopped and given back.
            Stopped: The same, where `ask_to_stop` was called.
        """
        self._ledger.plan(self._plan.tasks.values())
        finished = find_finished(
            self._plan, self._targets, self._engine, self._ledger, self._layout, self._claim
        )
        reused = frozenset(finished)
        self._done |= reused
        todo = needed_tasks(self._plan, reused, self._targets)
        self._queue = Queue(self._plan.tasks, todo)
        self._view.begin([self._plan.tasks[d] for d in todo], num_reused=len(reused))
        if todo:
            kinds = {self._plan.tasks[digest].kind for digest in todo}
            if any("benchmark" in self._plan.tasks[digest].inputs for digest in todo):
                kinds.add("benchmark")  # what takes its data also asks it
            self._pool.warm_up(kinds, self._runtime.training.num_threads)
        self._give_up_failed(todo)
        try:
            self._loop()
        except BaseException:
            self._abandon("preempted")
            raise
        finally:
            self._view.end()
        return Outcome(
            reused=reused | self._elsewhere,
            done=frozenset(self._done - reused - self._elsewhere),
            failed=dict(self._failed),
            skipped=frozenset(self._skipped),
        )

    def ask_to_stop(self, cause: str) -> None:
        """Ask `run` to stop its tasks and give them back; may be called by a signal handler."""
        self._stop = cause

    def _loop(self) -> None:
        while self._queue or self._jobs:
            if self._stop:
                self._abandon(self._stop)
                raise Stopped(self._stop)
            self._look_elsewhere()
            self._start_ready()
            self._listen()
            self._beat()

    def _give_up_failed(self, todo: Collection[str]) -> None:
        """Take the word of others of the same command who have just seen a task fail."""
        for digest, found in self._ledger.standings(todo).items():
            if found.state == "failed" and (found.finished or 0.0) >= self._since:
                self._give_up(digest, found)

    def _give_up(self, digest: str, found: Standing) -> None:
        self._queue.drop(digest)
        told = f"{found.cause}: {last_line(found.error)} (elsewhere)"
        self._fail(self._plan.tasks[digest], told, 0.0)

    def _look_elsewhere(self) -> None:
        """See what has become of tasks that others hold."""
        if not self._held or time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        for digest, found in self._ledger.standings(self._held).items():
            task = self._plan.tasks[digest]
            self._held.discard(digest)  # whatever is not settled is tried again
            if found.state == "done":
                self._done.add(digest)
                self._elsewhere.add(digest)
                self._queue.finish(digest)
                self._view.finished(task, "done elsewhere", 0.0)
            elif found.state == "failed":
                self._give_up(digest, found)

    def _start_ready(self) -> None:
        if not self._has_room_on_disk() or any(d in self._alone for d in self._jobs):
            return
        now = time.monotonic()
        for task in self._queue.ready():
            if self._free().slots < 1:
                return
            waits = task.digest in self._held or self._not_before.get(task.digest, 0) > now
            if waits or (task.digest in self._alone and self._jobs):
                continue
            need = need_of(task, self._runtime.training, on_gpu=bool(self._gpus))
            gpus = allot(need, self._free(), alone=not self._jobs)
            if gpus is None:
                continue
            if self._claim(task.digest):
                self._queue.take(task.digest)
                if not self._try_to_start(task, need, gpus):
                    return
            else:
                self._held.add(task.digest)

    def _claim(self, digest: str) -> bool:
        """Lease a task, noting it first: a signal may come at any moment."""
        self._leased.add(digest)
        if self._ledger.claim(digest):
            return True
        self._leased.discard(digest)
        return False

    def _free(self) -> Free:
        taken = {gpu for job in self._jobs.values() for gpu in job.gpus}
        return Free(
            slots=self._room.slots - sum(job.need.slots for job in self._jobs.values()),
            gpus=tuple(gpu for gpu in self._gpus if gpu not in taken),
            memory=self._room.memory - sum(job.need.memory for job in self._jobs.values()),
        )

    def _has_room_on_disk(self) -> bool:
        """Return False while the disk is full; nothing is started then, and nothing is lost."""
        if self._full:
            free = shutil.disk_usage(self._runtime.output_dir).free
            self._full = free < ROOM_BYTES
            told = f"the disk is full ({free / 2**20:.0f} MiB free); waiting for room"
            self._view.paused(told if self._full else "")
        return not self._full

    def _try_to_start(self, task: Task, need: Need, gpus: tuple[str, ...]) -> bool:
        """Start a task; give it back where the disk has no room for as much as its description."""
        try:
            self._start(task, need, gpus)
        except OSError as error:
            if name_cause(error) != "disk full":
                raise
            self._full = True
            self._ledger.release(task.digest, "disk full")
            self._leased.discard(task.digest)
            self._queue.put_back(task.digest)
            return False
        return True

    def _start(self, task: Task, need: Need, gpus: tuple[str, ...]) -> None:
        self._layout.clear_drafts(task)
        frozen = freeze(task, self._plan.tasks, self._layout, self._runtime)
        self._jobs[task.digest] = self._pool.start(task, frozen, need, gpus)
        self._tries[task.digest] = self._tries.get(task.digest, 0) + 1
        self._view.started(task)

    def _listen(self) -> None:
        pipes = {job.pipe: job for job in self._jobs.values()}
        if not pipes:
            time.sleep(POLL_S)
            return
        for ready in wait(list(pipes), timeout=POLL_S):
            job = pipes[ready]  # type: ignore[index]
            if not job.hear():
                self._finish(job)
            elif job.report is not None and job.ended is None:
                self._view.progress(job.task, job.report)

    def _beat(self) -> None:
        """Renew the leases; a task whose lease was lost is somebody else's, and is dropped."""
        if time.monotonic() - self._beaten < HEARTBEAT_S:
            return
        self._beaten = time.monotonic()
        for digest in self._ledger.heartbeat({d: j.progress for d, j in self._jobs.items()}):
            job = self._jobs.pop(digest)
            self._leased.discard(digest)
            job.kill()
            self._queue.put_back(digest)
            self._held.add(digest)
            self._view.finished(job.task, "lost to another supervisor", 0.0)

    def _finish(self, job: Job) -> None:
        """Settle a task whose process is gone, whatever it said before."""
        del self._jobs[job.task.digest]
        ended = how_it_ended(job)
        if not ended.cause and not patiently(lambda: self._layout.publish(job.task)):
            ended = child.Ended("infrastructure", "its draft has gone", ended.usage)
        if not ended.cause:
            self._settle(job.task, ended.usage)
            self._done.add(job.task.digest)
            self._queue.finish(job.task.digest)
            self._prune()
            self._view.finished(job.task, "done", ended.usage.wall_s)
        elif self._tries[job.task.digest] <= RETRIES.get(ended.cause, 0):
            self._try_again(job.task, ended)
        else:
            self._ledger.failed(job.task.digest, ended.cause, ended.error, ended.usage)
            self._leased.discard(job.task.digest)
            told = f"{ended.cause}: {last_line(ended.error)}"
            self._fail(job.task, told, ended.usage.wall_s)

    def _try_again(self, task: Task, ended: child.Ended) -> None:
        self._ledger.release(task.digest, ended.cause, ended.usage)
        self._leased.discard(task.digest)
        self._full |= ended.cause == "disk full"
        if ended.cause == "out of memory":
            self._alone.add(task.digest)
        number = self._tries[task.digest] + 1
        self._not_before[task.digest] = time.monotonic() + pause_s(ended.cause, number)
        self._queue.put_back(task.digest)
        self._view.retried(task, ended.cause, number)

    def _fail(self, task: Task, told: str, wall_s: float) -> None:
        """Give up a task and all that waits for it; the rest goes on."""
        self._failed[task.digest] = told
        self._view.finished(task, told.partition(":")[0], wall_s)
        lost = self._queue.give_up(task.digest)
        self._ledger.skipped(lost, f"its input {task.label} failed")
        self._skipped.update(lost)
        for digest in lost:
            self._view.finished(self._plan.tasks[digest], "skipped", 0.0)

    def _prune(self) -> None:
        """Give up the weights of checkpoints that nothing waits for, if the policy says so."""
        if self._runtime.keep == "all":
            return
        for digest in self._done:
            task = self._plan.tasks[digest]
            goes = may_prune(task, self._users, self._done, self._runtime.keep)
            if goes and self._layout.has_weights(task):
                self._layout.prune(task)

    def _settle(self, task: Task, usage: Usage) -> None:
        settle(task, usage, self._engine, self._ledger, self._layout)
        self._leased.discard(task.digest)

    def _abandon(self, cause: str) -> None:
        """Stop what runs and give it back; what was just done is kept."""
        for job in self._jobs.values():
            job.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for job in list(self._jobs.values()):
            job.process.join(max(0.0, deadline - time.monotonic()))
            while job.pipe.poll() and job.hear():
                pass
            job.kill()
            del self._jobs[job.task.digest]
            if job.ended and not job.ended.cause and self._layout.publish(job.task):
                self._settle(job.task, job.ended.usage)
        for digest in list(self._leased):
            self._ledger.release(digest, cause)
            self._layout.clear_drafts(self._plan.tasks[digest])
            self._leased.discard(digest)
