"""Reading runs: what is known of all of them is asked for together, a query per table."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from davinci.platform.store import tables
from davinci.platform.store.read_contamination import Checks, load_checks
from davinci.platform.store.read_status import state_of_run
from davinci.platform.store.read_training import (
    Left,
    curves,
    decisions,
    evaluations,
    load_left,
    outcomes,
    segments,
    trajectory,
)
from davinci.platform.store.records import Cost, Run

Tasks = Mapping[str, RowMapping]
"""The tasks of one run, by role."""


def load_runs(connection: Connection, wanted: "Select[tuple[str]]") -> dict[str, Run]:
    """Return the runs whose digests a query selects, by digest.

    While others write, what is named is read before what it names: that is there by then.
    """
    run, run_task, task, mirror = tables.run, tables.run_task, tables.task, tables.mirror
    rows = connection.execute(select(run).where(run.c.digest.in_(wanted))).mappings().all()
    links = select(run_task.c.run, run_task.c.role, run_task.c.task)
    linked = connection.execute(links.where(run_task.c.run.in_(wanted))).all()
    own = select(run_task.c.task).where(run_task.c.run.in_(wanted))
    by_digest = {
        row["digest"]: row
        for row in connection.execute(select(task).where(task.c.digest.in_(own))).mappings()
    }
    roles: dict[str, dict[str, RowMapping]] = {}
    for digest, role, name in linked:
        roles.setdefault(digest, {})[role] = by_digest[name]
    mlflow: dict[str, str] = {}
    ids = select(mirror.c.run, mirror.c.mlflow_run_id).where(mirror.c.run.in_(wanted))
    for digest, run_id in connection.execute(ids):
        mlflow.setdefault(digest, run_id)
    left = load_left(connection, own)
    checks: Checks = {}
    found = {}
    for row in rows:
        tasks = roles.get(row["digest"], {})
        held = load_checks(connection, _by_domain(tasks, "contamination."), checks)
        found[row["digest"]] = _run(
            row, tasks, left, contamination=held, mlflow_run_id=mlflow.get(row["digest"], "")
        )
    return found


def _run(row: RowMapping, tasks: Tasks, left: Left, **known: Any) -> Run:
    state, cause, error = _state(tasks)
    trained = [tasks[role] for role in sorted(tasks) if role.startswith("segment.")]
    results = [left.segment[t["digest"]] for t in trained if t["digest"] in left.segment]
    final = [t["digest"] for role, t in tasks.items() if role.startswith("evaluation.")]
    own = _own(tasks)
    return Run(
        digest=row["digest"],
        recipe=row["recipe"],
        seed=row["seed"],
        world_seed=row["world_seed"],
        state=state,
        cause=cause,
        error=error,
        checkpoint=trained[-1]["digest"] if trained else "",
        num_parameters=results[-1]["num_parameters"] if results else 0,
        outcomes=outcomes(final, left),
        evaluations=evaluations(final, left),
        trajectory=trajectory(tasks, left),
        segments=segments(trained, results),
        decisions=decisions(tasks, left),
        curves=curves([t["digest"] for t in trained], left),
        cost=_cost(tasks, results),
        corpora=_by_domain(tasks, "corpus."),
        epochs=_epochs(results),
        started=min((t["started"] for t in own if t["started"]), default=0.0),
        finished=max((t["finished"] for t in own if t["finished"]), default=0.0),
        **known,
    )


def _state(tasks: Tasks) -> tuple[str, str, str]:
    """Return the state of a run from those of its tasks: failed beats running beats planned.

    A task whose owner is silent is not running, whatever its row says: the run is interrupted.
    """
    broken = [t for t in tasks.values() if t["state"] == "failed"]
    broken += [t for t in tasks.values() if t["state"] == "skipped"]
    if broken:
        return "failed", broken[0]["cause"], f"{broken[0]['label']}: {broken[0]['error']}"
    beats: dict[str, float] = {}
    for task in tasks.values():
        beats[task["state"]] = max(task["heartbeat"], beats.get(task["state"], 0.0))
    return state_of_run(beats), "", ""


def _own(tasks: Tasks) -> list[RowMapping]:
    """Return the tasks that are a run's own work: its training and its evaluations."""
    own = ("segment", "decision", "watched", "trajectory", "evaluation")
    return [t for role, t in tasks.items() if role.split(".")[0] in own]


def _cost(tasks: Tasks, segments: list[RowMapping]) -> Cost | None:
    own = _own(tasks)
    if not segments:
        return None
    return Cost(
        tokens=sum(s["tokens"] for s in segments),
        flops=sum(s["flops"] for s in segments),
        wall_s=sum(t["wall_s"] for t in own),
        cpu_s=sum(t["cpu_s"] for t in own),
        max_rss_bytes=max(t["max_rss_bytes"] for t in own),
    )


def _epochs(segments: list[RowMapping]) -> dict[str, float]:
    """Return how often each domain's tokens were seen, over all segments."""
    total: dict[str, float] = {}
    for row in segments:
        for domain, epochs in row["result"]["epochs_per_domain"].items():
            total[domain] = total.get(domain, 0.0) + epochs
    return total


def _by_domain(tasks: Tasks, prefix: str) -> dict[str, str]:
    return {r.removeprefix(prefix): t["digest"] for r, t in tasks.items() if r.startswith(prefix)}
