"""One command from request to result: check, plan, record, execute, publish."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from davinci.models.devices import may_have_gpu
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.places import sqlite_path
from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.describe import describe
from davinci.platform.execute.devices import visible_gpus
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.local import LocalExecutor, Outcome
from davinci.platform.execute.view import View
from davinci.platform.ledger.ledger import Ledger, new_owner
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.points import Request
from davinci.platform.plan.record import record_sweep, refresh_provenance
from davinci.platform.plan.sweep import PlannedSweep, plan_sweep
from davinci.platform.store.open import check_store, open_store, sqlite_tables
from davinci.platform.store.read import load_sweep
from davinci.platform.store.records import Sweep

Publish = Callable[[Engine, Sweep, Request, Console], None]


def launch(request: Request, command: str, console: Console, publish: Publish) -> int:
    """Run a request to its report; return the exit code: 0 when every task is done, else 1.

    Raises:
        ConfigError: If the output folder or a database cannot be used; nothing has been computed.
    """
    started = time.monotonic()
    check_places(request)
    planned = plan_sweep(request)
    describe(planned, console)
    if request.dry_run:
        return 0
    engine = open_store(request.runtime.store_url)
    try:
        outcome = _execute(engine, planned, command, console)
        publish(engine, load_sweep(engine, planned.digest), planned.request, console)
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
    _check_folder(request.runtime.output_dir)
    check_store(request.runtime.store_url)
    _check_mlflow(request.runtime.mlflow_url, request.runtime.store_url)
    if not request.dry_run:
        check_devices(request.runtime.training)


def check_devices(training: TrainingRuntime) -> None:
    """Check that the GPUs that training asks for are on this machine.

    Raises:
        ConfigError: If they are not.
    """
    if training.accelerator == "gpu" and not may_have_gpu():
        rule = "there is no GPU on this machine."
        allowed = ("auto", "cpu")
        field = "trainer.accelerator"
        raise ConfigError([Problem(field=field, value="gpu", rule=rule, allowed=allowed)])
    there = len(visible_gpus(training.accelerator))
    if there and training.devices > there:
        rule = f"there are {there} GPUs on this machine."
        value = str(training.devices)
        raise ConfigError([Problem(field="trainer.devices", value=value, rule=rule)])


def _execute(engine: Engine, planned: PlannedSweep, command: str, console: Console) -> Outcome:
    runtime, tasks = planned.request.runtime, planned.plan.tasks
    Ledger(engine, new_owner()).plan(tasks.values())
    layout = Layout(runtime.output_dir)
    num_reused = sum(layout.artifact(task).is_dir() for task in tasks.values())
    record_sweep(engine, planned, command, num_reused)
    outcome = LocalExecutor(planned.plan, engine, runtime, View(console)).run()
    if outcome.done:
        refresh_provenance(engine, planned.digest)
    _report_failures(planned.plan, outcome, console)
    return outcome


def _check_folder(output_dir: Path) -> None:
    probe = output_dir / f".writable-{new_owner()}"
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        rule = f"cannot be written to ({error.strerror or error})."
        problem = Problem(field="output_dir", value=str(output_dir), rule=rule)
        raise ConfigError([problem]) from None


def _check_mlflow(url: str, store_url: str) -> None:
    file = sqlite_path(url)
    if file is None or not file.exists():
        return
    names = sqlite_tables(file, "store.mlflow_url")
    rule = ""
    if file == sqlite_path(store_url):
        rule = "is davinci's own store; MLflow needs a database of its own."
    elif names and "experiments" not in names:
        rule = "is the database of something else."
    if rule:
        raise ConfigError([Problem(field="store.mlflow_url", value=str(file), rule=rule)])


def _report_failures(plan: Plan, outcome: Outcome, console: Console) -> None:
    for digest, why in outcome.failed.items():
        line = f"failed: {plan.tasks[digest].label}: {why}"
        console.print(line, style="red", markup=False, highlight=False)
    if outcome.skipped:
        console.print(f"{len(outcome.skipped)} tasks were skipped because an input failed.")
