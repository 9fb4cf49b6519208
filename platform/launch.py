"""One command from request to result: check, plan, record, execute, publish."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.places import sqlite_path
from davinci.platform.describe import describe
from davinci.platform.execute.choose import check_executor, execute
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.outcome import Outcome
from davinci.platform.execute.view import View
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.owner import new_owner
from davinci.platform.plan.budget import Choice
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.points import Request
from davinci.platform.plan.record import record_sweep, refresh_provenance
from davinci.platform.plan.sweep import PlannedSweep, plan_sweep
from davinci.platform.store.open import check_store, open_store, sqlite_tables
from davinci.platform.store.patience import patiently
from davinci.platform.store.read import load_sweep
from davinci.platform.store.records import Sweep

if TYPE_CHECKING:
    from davinci.platform.search.run import Search

Publish = Callable[[Engine, Sweep, Request, Console], None]


def launch(request: Request, command: str, console: Console, publish: Publish) -> int:
    """Run a request to its report; return the exit code: 0 when every task is done, else 1.

    Raises:
        ConfigError: If the output folder or a database cannot be used; nothing has been computed.
    """
    started = time.monotonic()
    check_places(request)
    planned = plan_sweep(request)
    choice = describe(planned, console)
    if request.dry_run:
        return 0
    engine = open_store(request.runtime.store_url)
    try:
        outcome = _execute(engine, planned, command, console, choice)
        if outcome.left:
            console.print(
                f"{len(outcome.left)} tasks are with {request.runtime.executor.name}: `davinci "
                "status` tells how they fare; this command again waits for them and reports.",
                highlight=False,
            )
            return 1 if outcome.failed else 0
        sweep = patiently(lambda: load_sweep(engine, planned.digest))
        publish(engine, sweep, planned.request, console)
    finally:
        engine.dispose()
    computed = f"computed {len(outcome.done)} tasks, reused {len(outcome.reused)}"
    console.print(f"Finished in {time.monotonic() - started:.0f} s: {computed}.", highlight=False)
    return 1 if outcome.failed else 0


def launch_search(search: "Search", command: str, console: Console, publish: Publish) -> int:
    """Run a search to the report of its trials; return the exit code.

    Raises:
        ConfigError: As `launch`, or if a proposal is no valid point.
    """
    from davinci.platform.search.run import run_search

    first = search.points([search.space.first()])
    check_places(first)
    if first.dry_run:
        return launch(first, command, console, publish)
    engine = open_store(first.runtime.store_url)
    try:
        request = run_search(search, engine, console)
        planned = plan_sweep(request)
        record_sweep(engine, planned, command, len(planned.plan.tasks))
        publish(engine, load_sweep(engine, planned.digest), planned.request, console)
    finally:
        engine.dispose()
    return 0


def check_places(request: Request) -> None:
    """Check that results can be written where they should go.

    Raises:
        ConfigError: Naming the field, for an unwritable folder or a database of something else.
    """
    _check_folder(request.runtime.output_dir)
    check_store(request.runtime.store_url)
    _check_mlflow(request.runtime.mlflow_url, request.runtime.store_url)
    if not request.dry_run:
        check_executor(request.runtime)


def _execute(
    engine: Engine, planned: PlannedSweep, command: str, console: Console, choice: Choice | None
) -> Outcome:
    runtime, tasks = planned.request.runtime, planned.plan.tasks
    Ledger(engine, new_owner()).plan(tasks.values())
    layout = Layout(runtime.output_dir)
    num_reused = sum(layout.artifact(task).is_dir() for task in tasks.values())
    patiently(lambda: record_sweep(engine, planned, command, num_reused))
    if choice is not None and not choice.runs:
        nothing = frozenset[str]()
        return Outcome(reused=nothing, done=nothing, failed={}, skipped=nothing)
    targets = sorted(choice.targets) if choice else ()
    outcome = execute(planned.plan, engine, runtime, View(console, planned.plan), targets)
    if outcome.done:
        patiently(lambda: refresh_provenance(engine, planned.digest))
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
