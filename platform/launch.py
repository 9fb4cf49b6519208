"""One command from request to result: check, plan, record, execute, publish."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.identity import digest, plain
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.local import LocalExecutor, Outcome
from davinci.platform.execute.view import View
from davinci.platform.ledger.ledger import Ledger, this_owner
from davinci.platform.plan.plan import Plan, make_plan
from davinci.platform.plan.points import PlannedArm, Request
from davinci.platform.store import tables
from davinci.platform.store.open import check_store, open_store
from davinci.platform.store.provenance import provenance
from davinci.platform.store.read import load_sweep
from davinci.platform.store.records import Sweep
from davinci.platform.store.write import put, replace

Publish = Callable[[Engine, Sweep, Request, Console], None]


def launch(request: Request, command: str, console: Console, publish: Publish) -> int:
    """Run a request to its report; return the exit code: 0 when every task is done, else 1.

    Raises:
        ConfigError: If the output folder or a database cannot be used; nothing has been computed.
    """
    started = time.monotonic()
    check_places(request)
    plan = make_plan(
        (arm.recipe, replicate) for arm in request.arms for replicate in arm.replicates
    )
    _describe(request, plan, console)
    if request.dry_run:
        return 0
    engine = open_store(request.runtime.store_url)
    try:
        Ledger(engine, this_owner()).plan(plan.tasks.values())
        record_sweep(engine, request, plan, command)
        executor = LocalExecutor(plan, engine, request.runtime, View(console))
        outcome = executor.run()
        _report_failures(plan, outcome, console)
        publish(engine, load_sweep(engine, request.digest), request, console)
    finally:
        engine.dispose()
    computed = f"computed {len(outcome.done)} tasks, reused {len(outcome.reused)}"
    console.print(f"Finished in {time.monotonic() - started:.0f} s: {computed}.", highlight=False)
    return 1 if outcome.failed else 0


def check_places(request: Request) -> None:
    """Check that results can be written where they should go.

    Raises:
        ConfigError: Naming the field, for an unwritable folder or a database of something else.
    """
    problems = _check_folder(request.runtime.output_dir)
    if not problems:
        check_store(request.runtime.store_url)
    if problems:
        raise ConfigError(problems)


def record_sweep(engine: Engine, request: Request, plan: Plan, command: str) -> None:
    """Write a sweep, its arms and its runs into the store, before anything is computed."""
    layout = Layout(request.runtime.output_dir)
    reused = sum(layout.artifact(task).is_dir() for task in plan.tasks.values())
    row = {
        "digest": request.digest,
        "name": request.name,
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "axes": [[axis, list(values)] for axis, values in request.axes.items()],
        "fixed": list(request.fixed),
        "baseline": request.baseline,
        "provenance": provenance(),
        "num_tasks": len(plan.tasks),
        "num_tasks_unshared": plan.num_tasks_unshared,
        "num_tasks_reused": reused,
    }
    by_replicate = {(digest(r.recipe), r.replicate): r for r in plan.runs}
    with engine.begin() as connection:
        if not put(connection, tables.sweep, row):
            return
        for position, arm in enumerate(request.arms):
            _record_arm(connection, request.digest, position, arm)
            for replicate in arm.replicates:
                run = by_replicate[digest(arm.recipe), replicate]
                run_row = {"digest": run.digest, "recipe": digest(arm.recipe), **plain(replicate)}
                put(connection, tables.run, run_row)
                for role, task in run.tasks.items():
                    edge = {"run": run.digest, "role": role, "task": task}
                    replace(connection, tables.run_task, edge)
                place = {"sweep": request.digest, "position": position, "run": run.digest}
                put(connection, tables.arm_run, place)


def _record_arm(connection: Connection, sweep: str, position: int, arm: PlannedArm) -> None:
    recipe = digest(arm.recipe)
    put(connection, tables.recipe, {"digest": recipe, "config": plain(arm.recipe)})
    row = {
        "sweep": sweep,
        "position": position,
        "label": arm.label,
        "recipe": recipe,
        "choices": dict(arm.choices),
        "overrides": list(arm.overrides),
    }
    put(connection, tables.arm, row)


def _check_folder(output_dir: Path) -> list[Problem]:
    probe = output_dir / f".writable-{this_owner()}"
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        rule = f"cannot be written to ({error.strerror or error})."
        return [Problem(field="output_dir", value=str(output_dir), rule=rule)]
    return []


def _describe(request: Request, plan: Plan, console: Console) -> None:
    num_runs = len(plan.runs)
    shared = plan.num_tasks_unshared - len(plan.tasks)
    console.print(
        f"[bold]{request.name}[/]: {len(request.arms)} arms, {num_runs} runs, "
        f"{len(plan.tasks)} tasks ({plan.num_tasks_unshared} without sharing, {shared} saved)."
    )
    if not request.dry_run:
        return
    table = Table("arm", "seeds", "levels", "training tokens", box=None, header_style="bold")
    for arm in request.arms:
        levels = " ".join(f"{d} {v}" for d, v in arm.recipe.data.levels.items())
        seeds = ", ".join(f"{r.seed}" for r in arm.replicates)
        tokens = sum(stage.tokens for stage in arm.recipe.stages)
        table.add_row(arm.label, seeds, levels, f"{tokens:,}")
    console.print(table)
    console.print("Dry run: nothing has been computed.")


def _report_failures(plan: Plan, outcome: Outcome, console: Console) -> None:
    for digest_, why in outcome.failed.items():
        line = f"failed: {plan.tasks[digest_].label}: {why}"
        console.print(line, style="red", markup=False, highlight=False)
    if outcome.skipped:
        console.print(f"{len(outcome.skipped)} tasks were skipped because an input failed.")
