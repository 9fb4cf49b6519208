"""Reading the store: whole sweeps as plain records, for statistics, reports and mirrors."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, select

from davinci.platform.store import tables
from davinci.platform.store.read_contamination import Checks, load_checks
from davinci.platform.store.read_status import state_of_run
from davinci.platform.store.read_training import (
    load_curves,
    load_decisions,
    load_evaluations,
    load_outcomes,
    load_trajectory,
    rows_of,
    segments,
)
from davinci.platform.store.records import Arm, Corpus, Cost, Registration, Run, Sweep


class UnknownSweep(LookupError):
    """No sweep has that digest or name."""


def list_sweeps(engine: Engine) -> list[str]:
    """Return the digests of all sweeps, newest first."""
    with engine.connect() as connection:
        order = tables.sweep.c.created.desc()
        return list(connection.scalars(select(tables.sweep.c.digest).order_by(order)))


def finished_runs(engine: Engine) -> dict[str, int]:
    """Return sweep -> how many of its runs are done, for all sweeps that have any."""
    arm_run, run_task, task = tables.arm_run, tables.run_task, tables.task
    missing = (
        select(run_task.c.run)
        .join(task, task.c.digest == run_task.c.task)
        .where(task.c.state != "done")
    )
    query = (
        select(arm_run.c.sweep, func.count())
        .where(arm_run.c.run.not_in(missing))
        .group_by(arm_run.c.sweep)
    )
    with engine.connect() as connection:
        return {sweep: int(num) for sweep, num in connection.execute(query)}


def find_sweep(engine: Engine, start: str) -> str:
    """Return the digest that begins with `start`; the newest when `start` is empty.

    Raises:
        UnknownSweep: If none begins so, or several do.
    """
    found = [digest for digest in list_sweeps(engine) if digest.startswith(start)]
    if not found or (start and len(found) > 1):
        known = ", ".join(d[:12] for d in list_sweeps(engine)[:5]) or "none"
        which = "Several sweeps begin" if found else "No sweep begins"
        raise UnknownSweep(f"{which} with {start!r}; newest: {known}.")
    return found[0]


def find_run(engine: Engine, start: str) -> tuple[Run, list[tuple[str, str]]]:
    """Return the run whose digest begins with `start`, and where it is: (sweep, label of the arm).

    Raises:
        UnknownSweep: If none begins so, or several do.
    """
    run, arm_run, arm = tables.run, tables.arm_run, tables.arm
    with engine.connect() as connection:
        rows = connection.execute(select(run).where(run.c.digest.startswith(start))).mappings()
        found = rows.fetchmany(2)
        if len(found) != 1:
            which = "Several runs begin" if found else "No run begins"
            raise UnknownSweep(f"{which} with {start!r}.")
        places = (
            select(arm.c.sweep, arm.c.label)
            .join(
                arm_run, (arm_run.c.sweep == arm.c.sweep) & (arm_run.c.position == arm.c.position)
            )
            .where(arm_run.c.run == found[0]["digest"])
        )
        return _run(connection, found[0], {}), [
            (sweep, label) for sweep, label in connection.execute(places)
        ]


def load_sweep(engine: Engine, digest: str) -> Sweep:
    """Return one sweep with all that is known of its runs.

    Raises:
        UnknownSweep: If there is none with this digest.
    """
    with engine.connect() as connection:
        where = tables.sweep.c.digest == digest
        row = connection.execute(select(tables.sweep).where(where)).mappings().first()
        if row is None:
            known = ", ".join(d[:12] for d in list_sweeps(engine)[:5]) or "none"
            raise UnknownSweep(f"No sweep {digest[:12]!r} in the store; newest: {known}.")
        arms = _arms(connection, digest)
        wanted = {c for arm in arms for run in arm.runs for c in run.corpora.values()}
        return Sweep(
            digest=digest,
            name=row["name"],
            command=row["command"],
            created=row["created"],
            axes={axis: tuple(values) for axis, values in row["axes"]},
            fixed=tuple(row["fixed"]),
            baseline=row["baseline"],
            arms=arms,
            corpora=_corpora(connection, wanted),
            provenance=row["provenance"],
            num_tasks=row["num_tasks"],
            num_tasks_unshared=row["num_tasks_unshared"],
            num_tasks_reused=row["num_tasks_reused"],
            registrations=_registrations(connection, digest),
        )


def _registrations(connection: Connection, sweep: str) -> tuple[Registration, ...]:
    link = tables.sweep_ablation
    query = select(link.c.ablation).where(link.c.sweep == sweep)
    own = set(connection.scalars(query))
    names = select(tables.ablation.c.name).where(tables.ablation.c.digest.in_(own))
    found = [one for one in load_registrations(connection, names) if one.digest in own]
    return tuple(found)


def load_registrations(connection: Connection, names: Any = None) -> list[Registration]:
    """Return all versions of the named ablations, or of every one, oldest first."""
    query = select(tables.ablation).order_by(tables.ablation.c.created, tables.ablation.c.digest)
    if names is not None:
        query = query.where(tables.ablation.c.name.in_(names))
    versions: dict[str, int] = {}
    found = []
    for row in connection.execute(query).mappings():
        versions[row["name"]] = versions.get(row["name"], 0) + 1
        found.append(
            Registration(
                digest=row["digest"],
                name=row["name"],
                version=versions[row["name"]],
                created=row["created"],
                declared=row["declared"],
            )
        )
    return found


def _arms(connection: Connection, sweep: str) -> tuple[Arm, ...]:
    query = (
        select(tables.arm, tables.recipe.c.config)
        .join(tables.recipe, tables.arm.c.recipe == tables.recipe.c.digest)
        .where(tables.arm.c.sweep == sweep)
        .order_by(tables.arm.c.position)
    )
    checks: Checks = {}
    return tuple(
        Arm(
            label=row["label"],
            recipe=row["recipe"],
            choices=row["choices"],
            overrides=tuple(row["overrides"]),
            config=row["config"],
            runs=_runs(connection, sweep, row["position"], checks),
        )
        for row in connection.execute(query).mappings()
    )


def _runs(connection: Connection, sweep: str, position: int, checks: Checks) -> tuple[Run, ...]:
    query = (
        select(tables.run)
        .join(tables.arm_run, tables.arm_run.c.run == tables.run.c.digest)
        .where(tables.arm_run.c.sweep == sweep, tables.arm_run.c.position == position)
        .order_by(tables.run.c.world_seed, tables.run.c.seed)
    )
    return tuple(_run(connection, row, checks) for row in connection.execute(query).mappings())


def _run(connection: Connection, row: RowMapping, checks: Checks) -> Run:
    query = (
        select(tables.run_task.c.role, tables.task)
        .join(tables.task, tables.run_task.c.task == tables.task.c.digest)
        .where(tables.run_task.c.run == row["digest"])
    )
    tasks = {r["role"]: r for r in connection.execute(query).mappings()}
    state, cause, error = _state(tasks)
    trained = [tasks[role] for role in sorted(tasks) if role.startswith("segment.")]
    results = rows_of(connection, tables.segment, [s["digest"] for s in trained])
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
        outcomes=load_outcomes(connection, _final(tasks)),
        evaluations=load_evaluations(connection, _final(tasks)),
        trajectory=load_trajectory(connection, tasks),
        segments=segments(trained, results),
        decisions=load_decisions(connection, tasks),
        curves=load_curves(connection, [s["digest"] for s in trained]),
        cost=_cost(tasks, results),
        corpora=_by_domain(tasks, "corpus."),
        contamination=load_checks(connection, _by_domain(tasks, "contamination."), checks),
        epochs=_epochs(results),
        started=min((t["started"] for t in own if t["started"]), default=0.0),
        finished=max((t["finished"] for t in own if t["finished"]), default=0.0),
        mlflow_run_id=_mlflow_run(connection, row["digest"]),
    )


def _state(tasks: Mapping[str, RowMapping]) -> tuple[str, str, str]:
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


def _final(tasks: Mapping[str, RowMapping]) -> list[str]:
    return [t["digest"] for role, t in tasks.items() if role.startswith("evaluation.")]


def _own(tasks: Mapping[str, RowMapping]) -> list[RowMapping]:
    """Return the tasks that are a run's own work: its training and its evaluations."""
    own = ("segment", "decision", "watched", "trajectory", "evaluation")
    return [t for role, t in tasks.items() if role.split(".")[0] in own]


def _cost(tasks: Mapping[str, RowMapping], segments: list[RowMapping]) -> Cost | None:
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


def _by_domain(tasks: Mapping[str, RowMapping], prefix: str) -> dict[str, str]:
    return {r.removeprefix(prefix): t["digest"] for r, t in tasks.items() if r.startswith(prefix)}


def _corpora(connection: Connection, wanted: Iterable[str]) -> dict[str, Corpus]:
    """Return corpora with their ancestors, each level that a document went through."""
    query = select(tables.corpus)
    rows: dict[str, Any] = {r["task"]: r for r in connection.execute(query).mappings()}
    found: dict[str, Corpus] = {}
    waiting = [digest for digest in wanted if digest in rows]
    while waiting:
        row = rows[waiting.pop()]
        found[row["task"]] = Corpus(
            digest=row["task"],
            domain=row["domain"],
            level=row["level"],
            parent=row["parent"],
            manifest=row["manifest"],
        )
        if row["parent"] in rows and row["parent"] not in found:
            waiting.append(row["parent"])
    return found


def _mlflow_run(connection: Connection, run: str) -> str:
    query = select(tables.mirror.c.mlflow_run_id).where(tables.mirror.c.run == run)
    return connection.scalar(query) or ""
