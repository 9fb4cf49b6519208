"""Why a point is new, or which finished run it equals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from davinci.platform.config.identity import flatten, plain
from davinci.platform.plan.graph import Plan, PlannedRun
from davinci.platform.store import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the store knows of a run that is asked for.

    Attributes:
        run: Its digest.
        known: Whether the store has it.
        nearest: Digest of the recipe most like its own, "" where there is none.
        differences: Field -> its value in the nearest recipe and in this one.
        seeds: Replicates of that recipe that the store has: (world seed, seed).
        states: State of a task in the ledger ("new" where it has none) -> labels.
    """

    run: str
    known: bool
    nearest: str
    differences: Mapping[str, tuple[Any, Any]]
    seeds: tuple[tuple[int, int], ...]
    states: Mapping[str, tuple[str, ...]]


def explain_run(engine: Engine, plan: Plan, run: PlannedRun) -> Explanation:
    """Compare a planned run with all that the store has."""
    own = flatten(plain(run.recipe))
    with engine.connect() as connection:
        known = connection.scalar(
            select(tables.run.c.digest).where(tables.run.c.digest == run.digest)
        )
        recipes = {
            row.digest: flatten(row.config) for row in connection.execute(select(tables.recipe))
        }
        states_of = select(tables.task.c.digest, tables.task.c.state)
        ledger = {digest: state for digest, state in connection.execute(states_of)}
        differences = {name: _difference(config, own) for name, config in recipes.items()}
        nearest = min(differences, key=lambda name: len(differences[name]), default="")
        replicates = select(tables.run.c.world_seed, tables.run.c.seed).where(
            tables.run.c.recipe == nearest
        )
        seeds = tuple((world, seed) for world, seed in connection.execute(replicates))
    states: dict[str, list[str]] = {}
    for digest, task in plan.tasks.items():
        states.setdefault(ledger.get(digest, "new"), []).append(task.label)
    return Explanation(
        run=run.digest,
        known=known is not None,
        nearest=nearest,
        differences=differences.get(nearest, {}),
        seeds=seeds,
        states={state: tuple(labels) for state, labels in states.items()},
    )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (before.get(name), now.get(name))
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    }
