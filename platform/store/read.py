"""Reading the store: whole sweeps as plain records, for statistics, reports and mirrors."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from davinci.platform.store import tables
from davinci.platform.store.read_runs import load_runs
from davinci.platform.store.records import Arm, Corpus, Registration, Run, Sweep


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
        found = connection.scalars(select(run.c.digest).where(run.c.digest.startswith(start)))
        digests = found.fetchmany(2)
        if len(digests) != 1:
            which = "Several runs begin" if digests else "No run begins"
            raise UnknownSweep(f"{which} with {start!r}.")
        places = (
            select(arm.c.sweep, arm.c.label)
            .join(
                arm_run, (arm_run.c.sweep == arm.c.sweep) & (arm_run.c.position == arm.c.position)
            )
            .where(arm_run.c.run == digests[0])
        )
        runs = load_runs(connection, select(run.c.digest).where(run.c.digest == digests[0]))
        return runs[digests[0]], [(sweep, label) for sweep, label in connection.execute(places)]


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
    arm, arm_run = tables.arm, tables.arm_run
    links = select(arm_run.c.position, arm_run.c.run).where(arm_run.c.sweep == sweep)
    places = connection.execute(links).all()
    runs = load_runs(connection, select(arm_run.c.run).where(arm_run.c.sweep == sweep))
    by_arm: dict[int, list[Run]] = {}
    for position, run in places:
        by_arm.setdefault(position, []).append(runs[run])
    query = (
        select(arm, tables.recipe.c.config)
        .join(tables.recipe, arm.c.recipe == tables.recipe.c.digest)
        .where(arm.c.sweep == sweep)
        .order_by(arm.c.position)
    )
    return tuple(
        Arm(
            label=row["label"],
            recipe=row["recipe"],
            choices=row["choices"],
            overrides=tuple(row["overrides"]),
            config=row["config"],
            runs=tuple(
                sorted(by_arm.get(row["position"], ()), key=lambda r: (r.world_seed, r.seed))
            ),
        )
        for row in connection.execute(query).mappings()
    )


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
