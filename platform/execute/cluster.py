"""Executors that hand a plan to a cluster, in groups, and watch the store for what becomes of it.

The jobs write the statuses (see `agent`); here, what a job held that the cluster says is gone is
given back, and groups that came to nothing are submitted again. The command may go away: the jobs
work on, and the same command finds them.
"""

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.identity import digest
from davinci.platform.config.runtime import Runtime
from davinci.platform.execute import ray, slurm
from davinci.platform.execute.adopt import find_finished
from davinci.platform.execute.child import Report
from davinci.platform.execute.groups import Group, group_tasks
from davinci.platform.execute.job import last_line
from davinci.platform.execute.keep import needed_tasks
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.outcome import Outcome
from davinci.platform.execute.plan_file import without_password, write_plan
from davinci.platform.execute.view import View
from davinci.platform.ledger.jobs import ClusterJob, end_job, live_jobs, note_jobs
from davinci.platform.ledger.ledger import Ledger, Standing
from davinci.platform.ledger.owner import machine, new_owner
from davinci.platform.ledger.usage import NO_USAGE
from davinci.platform.plan.graph import Plan

POLL_S = 1.0
ASK_S = 5.0
"""Seconds between two questions to the cluster, which has others to serve."""
MAX_SUBMISSIONS = 4
"""Of a group within one command, of which none was interrupted, and none was the last."""
INTERRUPTED = ("time limit", "preempted")

SETTLED = ("done", "failed", "skipped")


class Asked(Protocol):
    """A cluster that can be asked after its jobs."""

    name: str

    def ended(self, jobs: Sequence[str]) -> dict[str, str]:
        """Return the jobs that are over, with the cause in the ledger's words ("" if none)."""


class Cluster(Asked, Protocol):
    """What differs between clusters."""

    def submit(
        self, plan_file: Path, groups: Sequence[Group], numbers: Sequence[int]
    ) -> dict[int, str]:
        """Submit groups; return number -> job."""


class Slurm:
    """Jobs of SLURM; they outlive the command."""

    name = "slurm"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def submit(
        self, plan_file: Path, groups: Sequence[Group], numbers: Sequence[int]
    ) -> dict[int, str]:
        """Submit arrays through submitit."""
        folder = self._runtime.output_dir / "slurm"
        return slurm.submit(self._runtime, folder, plan_file, groups, numbers)

    @staticmethod
    def ended(jobs: Sequence[str]) -> dict[str, str]:
        """Return the jobs that SLURM says are over, or does not know any more."""
        known = slurm.states(jobs)
        states = {job: known.get(job, "COMPLETED") for job in jobs}
        return {job: slurm.CAUSES[s] for job, s in states.items() if s in slurm.CAUSES}


class Ray:
    """Remote tasks of Ray; they end with the command."""

    name = "ray"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._references: dict[str, Any] = {}
        without_password(runtime.store_url)
        ray.connect(runtime.executor.address)

    def submit(
        self, plan_file: Path, groups: Sequence[Group], numbers: Sequence[int]
    ) -> dict[int, str]:
        """Submit remote tasks."""
        found = ray.submit(self._runtime, plan_file, groups, numbers)
        self._references |= dict(found.values())
        return {number: name for number, (name, _) in found.items()}

    def ended(self, jobs: Sequence[str]) -> dict[str, str]:
        """Return the tasks that are over; those of another driver ended with it."""
        mine = {job: self._references[job] for job in jobs if job in self._references}
        over = set(ray.ended(list(mine.values())))
        return {job: "infrastructure" for job in jobs if job not in mine or mine[job] in over}


class ClusterExecutor:
    """Takes a plan's tasks to done or failed on a cluster."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        runtime: Runtime,
        view: View,
        *,
        cluster: Cluster,
        targets: Sequence[str] = (),
    ) -> None:
        """Prepare to make `targets` (default: all of the plan), and whatever they need."""
        self._plan, self._engine, self._runtime, self._view = plan, engine, runtime, view
        self._cluster = cluster
        self._targets = set(targets) or set(plan.tasks)
        self._layout = Layout(runtime.output_dir)
        self._ledger = Ledger(engine, new_owner(), machine())
        self._since = time.time()
        self._groups: list[Group] = []
        self._jobs: dict[str, int] = {}
        self._submissions: dict[int, int] = {}
        self._settled: dict[str, Standing] = {}
        self._asked = 0.0
        self._key = digest(sorted(plan.tasks))

    def run(self) -> Outcome:
        """Submit what is not done yet and nobody works on; wait for it, if we are to.

        Raises:
            KeyboardInterrupt: When the command is interrupted; jobs of SLURM work on.
        """
        self._ledger.plan(self._plan.tasks.values())
        finished = find_finished(
            self._plan,
            self._targets,
            self._engine,
            self._ledger,
            self._layout,
            self._ledger.claim,
        )
        todo = needed_tasks(self._plan, finished, self._targets)
        self._view.begin([self._plan.tasks[d] for d in todo], num_reused=len(finished))
        try:
            if todo:
                self._begin(todo)
            if self._runtime.executor.wait:
                self._watch(todo)
        finally:
            self._view.end()
        return self._outcome(finished, todo)

    def _begin(self, todo: Sequence[str]) -> None:
        """Submit all groups but those that a job is at that was submitted before."""
        give_back_lost(self._engine, self._ledger, self._cluster)
        taken = {task for job in live_jobs(self._engine, self._cluster.name) for task in job.tasks}
        self._groups = group_tasks(self._plan.tasks, todo)
        mine = [n for n, group in enumerate(self._groups) if not taken.issuperset(group.tasks)]
        self._submit(mine)

    def _submit(self, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        file = self._runtime.output_dir / "plans" / f"{self._key[:16]}.{int(self._since)}.json"
        if not file.exists():
            write_plan(file, self._plan, self._groups, self._runtime, self._since)
        try:
            ids = self._cluster.submit(file, self._groups, numbers)
        except ValueError as error:
            name = self._cluster.name
            rule = f"the cluster does not take this: {error}"
            raise ConfigError([Problem(field="executor.name", value=name, rule=rule)]) from None
        note_jobs(
            self._engine,
            [
                ClusterJob(
                    executor=self._cluster.name,
                    id=job,
                    plan=self._key,
                    tasks=self._groups[number].tasks,
                )
                for number, job in ids.items()
            ],
        )
        for number, job in ids.items():
            self._jobs[job] = number
            self._submissions[number] = self._submissions.get(number, 0) + 1

    def _watch(self, todo: Sequence[str]) -> None:
        while len(self._settled) < len(todo):
            self._look(todo)
            if time.monotonic() - self._asked > ASK_S:
                self._asked = time.monotonic()
                over = give_back_lost(self._engine, self._ledger, self._cluster)
                for job in (job for job, cause in over.items() if cause in INTERRUPTED):
                    if job in self._jobs:
                        self._submissions[self._jobs[job]] -= 1  # it goes on where it was
                self._submit_again(todo)
            time.sleep(POLL_S)

    def _look(self, todo: Sequence[str]) -> None:
        still = [digest for digest in todo if digest not in self._settled]
        for name, found in self._ledger.standings(still).items():
            task = self._plan.tasks[name]
            fresh = found.state != "failed" or (found.finished or 0.0) >= self._since
            if found.state in SETTLED and fresh and not self._reopens(name, found):
                self._settled[name] = found
                self._view.finished(task, found.cause or found.state, 0.0)
            elif found.state == "running":
                self._view.started(task, found.place)
                report = Report(found.progress, found.progress_total, found.note)
                self._view.progress(task, report)

    def _reopens(self, name: str, found: Standing) -> bool:
        """Return whether a skipped task is one of an earlier command, that can be done now."""
        inputs = self._plan.tasks[name].inputs.values()
        states = {made: self._settled[made].state for made in inputs if made in self._settled}
        return found.state == "skipped" and not {"failed", "skipped"} & set(states.values())

    def _submit_again(self, todo: Sequence[str]) -> None:
        """Submit groups that no job is at, though they are not through."""
        live = live_jobs(self._engine, self._cluster.name)
        taken = {task for job in live for task in job.tasks}
        again = []
        for number, group in enumerate(self._groups):
            still = [d for d in group.tasks if d not in self._settled and d not in taken]
            if not still:
                continue
            if self._submissions.get(number, 0) < MAX_SUBMISSIONS:
                again.append(number)
            else:
                self._give_up(still)
        self._submit(again)

    def _give_up(self, digests: Sequence[str]) -> None:
        """Mark as failed what no job has got anywhere with."""
        for name in digests:
            told = f"{MAX_SUBMISSIONS} jobs ended without a word on it; see their logs"
            if self._ledger.claim(name):
                self._ledger.failed(name, "infrastructure", told, NO_USAGE)

    def _outcome(self, finished: set[str], todo: Sequence[str]) -> Outcome:
        of = {state: {d for d, s in self._settled.items() if s.state == state} for state in SETTLED}
        told = {d: f"{s.cause}: {last_line(s.error)}" for d, s in self._settled.items()}
        return Outcome(
            reused=frozenset(finished),
            done=frozenset(of["done"]),
            failed={digest: told[digest] for digest in of["failed"]},
            skipped=frozenset(of["skipped"]),
            left=frozenset(set(todo) - self._settled.keys()),
        )


def give_back_lost(engine: Engine, ledger: Ledger, cluster: Asked) -> Mapping[str, str]:
    """Give back what jobs held that are over, by the cluster's word; return these jobs."""
    live = live_jobs(engine, cluster.name)
    if not live:
        return {}
    over = cluster.ended([job.id for job in live])
    for job in live:
        if job.id in over:
            cause = over[job.id]
            error = f"job {job.id} ended before the task" + (f": {cause}" if cause else "")
            place = f"{cluster.name} {job.id}"
            ledger.lose(job.tasks, place, cause or "infrastructure", error)
            end_job(engine, job, cause)
    return over


def ask_slurm(engine: Engine) -> None:
    """Give back what jobs of SLURM held that are over, where SLURM answers from this machine."""
    if shutil.which("squeue") and live_jobs(engine, Slurm.name):
        with contextlib.suppress(OSError):
            give_back_lost(engine, Ledger(engine, new_owner()), Slurm)
