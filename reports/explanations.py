"""`davinci explain`: why a point is new, or which finished run it equals."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.config.compose import config_loader
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.edits import few
from davinci.platform.plan.explain import Explanation, explain_run
from davinci.platform.plan.points import request_run
from davinci.platform.plan.sweep import plan_sweep
from davinci.platform.store.read import find_run

CONF = Path(__file__).resolve().parents[1] / "conf"


def explain(engine: Engine, words: Sequence[str], console: Console) -> None:
    """Explain a run by the first digits of its digest, or the run that overrides ask for.

    Raises:
        ConfigError: If the overrides ask for no run.
        UnknownSweep: If no run begins so.
    """
    if len(words) == 1 and "=" not in words[0]:
        _tell_run(engine, words[0], console)
        return
    register_schema()
    planned = plan_sweep(request_run(words, config_loader(CONF), "config"))
    [run] = planned.plan.runs
    found = explain_run(engine, planned.plan, run)
    if found.known:
        console.print(f"This is run {found.run[:12]}, which the store has.", highlight=False)
        _tell_run(engine, found.run, console)
    else:
        _tell_new(found, console)
    for state, labels in found.states.items():
        console.print(f"{len(labels)} tasks {state}: {few(labels)}", markup=False, highlight=False)


def _tell_new(found: Explanation, console: Console) -> None:
    told = f"Run {found.run[:12]} is new."
    if not found.nearest:
        told += " The store has no other."
    elif found.differences:
        told += f" The nearest recipe, {found.nearest[:12]}, differs in:"
    else:
        seeds = ", ".join(f"{world}/{seed}" for world, seed in found.seeds)
        told += f" The store has its recipe, {found.nearest[:12]}, with world/seed {seeds or '-'};"
        told += " its data, or the code that makes it, may be others now."
    console.print(told, markup=False, highlight=False)
    for name, (before, now) in found.differences.items():
        console.print(f"  {name}: {before!r} -> {now!r}", markup=False, highlight=False)


def _tell_run(engine: Engine, start: str, console: Console) -> None:
    run, places = find_run(engine, start)
    console.print(
        f"Run {run.digest[:12]}: {run.state}{f' ({run.cause})' if run.cause else ''}, "
        f"world {run.world_seed}, seed {run.seed}.",
        markup=False,
        highlight=False,
    )
    for sweep, label in places:
        console.print(f"  in sweep {sweep[:12]} as {label}", markup=False, highlight=False)
