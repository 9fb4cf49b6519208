"""A sweep's rows in the store: what was asked for, before anything is computed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, update

from davinci.platform.config.identity import digest, plain
from davinci.platform.plan.points import PlannedArm
from davinci.platform.plan.sweep import PlannedSweep
from davinci.platform.store import tables
from davinci.platform.store.provenance import provenance
from davinci.platform.store.write import put


def record_sweep(engine: Engine, planned: PlannedSweep, command: str, num_reused: int) -> None:
    """Write a sweep, its arms and its runs; asking for the same again changes nothing."""
    request = planned.request
    row = {
        "digest": planned.digest,
        "name": request.name,
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "axes": [[axis, list(values)] for axis, values in request.axes.items()],
        "fixed": list(request.fixed),
        "baseline": request.baseline,
        "provenance": provenance(),
        "num_tasks": len(planned.plan.tasks),
        "num_tasks_unshared": planned.plan.num_tasks_unshared,
        "num_tasks_reused": num_reused,
    }
    with engine.begin() as connection:
        if put(connection, tables.sweep, row):
            for position, arm in enumerate(request.arms):
                _record_arm(connection, planned, position, arm)
        if request.declared is not None:
            _register(connection, planned.digest, request.declared)


def _register(connection: Connection, sweep: str, declared: Mapping[str, Any]) -> None:
    """Write down what is claimed, with the time; a changed declaration is a further version."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    hashed = {name: value for name, value in declared.items() if name != "notes"}
    key = digest({**hashed, "arms": [[arm, words] for arm, words in declared["arms"].items()]})
    row = {"digest": key, "name": declared["name"], "declared": dict(declared), "created": now}
    put(connection, tables.ablation, row)
    put(connection, tables.sweep_ablation, {"sweep": sweep, "ablation": key, "created": now})


def refresh_provenance(engine: Engine, sweep: str) -> None:
    """Write down the code and the machine that have just computed tasks of a sweep."""
    with engine.begin() as connection:
        where = tables.sweep.c.digest == sweep
        connection.execute(update(tables.sweep).where(where).values(provenance=provenance()))


def record_runs(engine: Engine, planned: PlannedSweep) -> None:
    """Write the recipes and runs of a plan that is no sweep of its own."""
    with engine.begin() as connection:
        for arm in planned.request.arms:
            _record_runs(connection, planned, arm)


def _record_arm(
    connection: Connection, planned: PlannedSweep, position: int, arm: PlannedArm
) -> None:
    recipe = _record_runs(connection, planned, arm)
    row = {
        "sweep": planned.digest,
        "position": position,
        "label": arm.label,
        "recipe": recipe,
        "choices": dict(arm.choices),
        "overrides": list(arm.overrides),
    }
    put(connection, tables.arm, row)
    for run in planned.runs[arm.label]:
        place = {"sweep": planned.digest, "position": position, "run": run.digest}
        put(connection, tables.arm_run, place)


def _record_runs(connection: Connection, planned: PlannedSweep, arm: PlannedArm) -> str:
    recipe = digest(arm.recipe)
    put(connection, tables.recipe, {"digest": recipe, "config": plain(arm.recipe)})
    for run in planned.runs[arm.label]:
        row = {"digest": run.digest, "recipe": recipe, **plain(run.replicate)}
        if put(connection, tables.run, row):
            for role, task in run.tasks.items():
                put(connection, tables.run_task, {"run": run.digest, "role": role, "task": task})
    return recipe
