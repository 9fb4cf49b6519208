"""How everything stands, in few queries: sweeps, what runs where, what failed and why."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, func, select

from davinci.platform.store import tables


class SweepStatus(NamedTuple):
    """A sweep, with the number of its runs by state."""

    digest: str
    name: str
    created: str
    num_arms: int
    runs: Mapping[str, int]


class RunningTask(NamedTuple):
    """A task somebody works on; times are Unix times, `heartbeat` the last sign of life."""

    digest: str
    label: str
    place: str
    progress: int
    progress_total: int
    note: str
    started: float
    heartbeat: float
    attempts: int

    @property
    def silent(self) -> bool:
        """Whether its owner has not been heard of for as long as a lease lasts."""
        return time.time() - self.heartbeat > tables.LEASE_S


class JobStatus(NamedTuple):
    """A job of a cluster of which nobody has heard that it is over."""

    executor: str
    id: str
    num_tasks: int
    submitted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a store stands.

    Attributes:
        sweeps: Newest first.
        tasks: (kind, state) -> number.
        running: Of the longest running first.
        failures: Cause -> tasks that have failed for it.
        tries: Cause -> tries that ended without their task being done, and were tried again.
        jobs: On clusters.
    """

    sweeps: tuple[SweepStatus, ...]
    tasks: Mapping[tuple[str, str], int]
    running: tuple[RunningTask, ...]
    failures: Mapping[str, int]
    tries: Mapping[str, int]
    jobs: tuple[JobStatus, ...]


def read_status(engine: Engine, num_sweeps: int = 20) -> Status:
    """Return how everything stands, for the newest sweeps."""
    task, attempt, job = tables.task, tables.attempt, tables.job
    with engine.connect() as connection:
        counts = select(task.c.kind, task.c.state, func.count()).group_by(task.c.kind, task.c.state)
        columns = [task.c[name] for name in RunningTask._fields]
        running = select(*columns).where(task.c.state == "running").order_by(task.c.started)
        failures = select(task.c.cause, func.count()).where(task.c.state == "failed")
        again = attempt.c.state.in_(["given back", "lost"])
        tries = select(attempt.c.cause, func.count()).where(again)
        jobs = select(job).where(job.c.ended.is_(None)).order_by(job.c.submitted)
        return Status(
            sweeps=_sweeps(connection, num_sweeps),
            tasks={(kind, state): n for kind, state, n in connection.execute(counts)},
            running=tuple(RunningTask(*row) for row in connection.execute(running)),
            failures=_pairs(connection, failures.group_by(task.c.cause)),
            tries=_pairs(connection, tries.group_by(attempt.c.cause)),
            jobs=tuple(
                JobStatus(row["executor"], row["id"], len(row["tasks"]), row["submitted"])
                for row in connection.execute(jobs).mappings()
            ),
        )


def _pairs(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _sweeps(connection: Connection, number: int) -> tuple[SweepStatus, ...]:
    sweep, arm = tables.sweep, tables.arm
    num_arms = (
        select(func.count()).where(arm.c.sweep == sweep.c.digest).correlate(sweep).scalar_subquery()
    )
    newest = (
        select(sweep.c.digest, sweep.c.name, sweep.c.created, num_arms)
        .order_by(sweep.c.created.desc(), sweep.c.digest)
        .limit(number)
    )
    rows = connection.execute(newest).all()
    states = _run_states(connection, [row[0] for row in rows])
    return tuple(SweepStatus(*row, runs=Counter(states.get(row[0], {}).values())) for row in rows)


def _run_states(connection: Connection, sweeps: list[str]) -> dict[str, dict[str, str]]:
    """Return sweep -> run -> state."""
    task, run_task, arm_run = tables.task, tables.run_task, tables.arm_run
    query = (
        select(
            arm_run.c.sweep,
            arm_run.c.run,
            task.c.state,
            func.max(task.c.heartbeat),
        )
        .join(run_task, run_task.c.run == arm_run.c.run)
        .join(task, task.c.digest == run_task.c.task)
        .where(arm_run.c.sweep.in_(sweeps))
        .group_by(arm_run.c.sweep, arm_run.c.run, task.c.state)
    )
    beats: dict[tuple[str, str], dict[str, float]] = {}
    for sweep, run, state, beat in connection.execute(query):
        beats.setdefault((sweep, run), {})[state] = beat
    found: dict[str, dict[str, str]] = {}
    for (sweep, run), by_state in beats.items():
        found.setdefault(sweep, {})[run] = state_of_run(by_state)
    return found


def state_of_run(beats: Mapping[str, float]) -> str:
    """Return the state of a run from the states of its tasks, each with its last heartbeat.

    A task whose owner is silent is not running, whatever its row says: the run is interrupted.
    """
    if "failed" in beats or "skipped" in beats:
        return "failed"
    if set(beats) == {"done"}:
        return "done"
    if "running" not in beats:
        return "planned"
    alive = beats["running"] > time.time() - tables.LEASE_S
    return "running" if alive else "interrupted"
