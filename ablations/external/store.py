"""Keeping results of others in the store, marked as such, and looking at them as sweeps."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine, select

from davinci.ablations.external.table import ExternalData, Result
from davinci.platform.config.identity import digest
from davinci.platform.store import tables
from davinci.platform.store.read import UnknownSweep
from davinci.platform.store.records import Arm, Outcomes, Run, Scored, Sweep
from davinci.platform.store.write import put

WHOLE = "(all items)"
"""The one item of a score that came without items: nothing is known of how they vary."""


def keep(engine: Engine, data: ExternalData) -> bool:
    """Write results of others into the store; return whether they are new."""
    row = {
        "digest": data.digest,
        "name": data.name,
        "source": data.source,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "content": {
            "lower_is_better": list(data.lower_is_better),
            "results": [asdict(result) for result in data.results],
        },
    }
    with engine.begin() as connection:
        return put(connection, tables.external, row)


def list_external(engine: Engine) -> list[str]:
    """Return the names of all results of others."""
    table = tables.external
    with engine.connect() as connection:
        return list(connection.scalars(select(table.c.name).distinct().order_by(table.c.name)))


def load(engine: Engine, name: str) -> ExternalData:
    """Return the newest results of that name.

    Raises:
        UnknownSweep: If there are none.
    """
    table = tables.external
    query = select(table).where(table.c.name == name).order_by(table.c.created.desc())
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
        if row is None:
            known = ", ".join(list_external(engine)) or "none"
            raise UnknownSweep(f"No results of others are called {name!r}; there are: {known}.")
        return ExternalData(
            name=row["name"],
            source=row["source"],
            lower_is_better=tuple(row["content"]["lower_is_better"]),
            results=tuple(Result(**result) for result in row["content"]["results"]),
        )


def as_sweep(data: ExternalData, study: str, baseline: str = "") -> Sweep:
    """Return one study as a sweep, so that statistics and reports work on it.

    A score without items becomes a single item: its interval then comes from the seeds alone, and
    there is none with one seed.

    Raises:
        UnknownSweep: If there is no such study or baseline.
    """
    own = [result for result in data.results if result.study == study]
    arms: dict[str, dict[tuple[int, int], list[Result]]] = {}
    for result in own:
        key = (result.world_seed, result.seed)
        arms.setdefault(result.arm, {}).setdefault(key, []).append(result)
    if not own or (baseline and baseline not in arms):
        known = ", ".join(arms) if own else ", ".join(dict.fromkeys(r.study for r in data.results))
        raise UnknownSweep(f"{data.name} has no {baseline or study!r}; there are: {known}.")
    return Sweep(
        digest=digest([data.digest, study]),
        name=f"{data.name}: {study}" if study else data.name,
        command=f"results of others, from {data.source}",
        created="",
        axes={"arm": tuple(arms)},
        fixed=(),
        baseline=baseline or next(iter(arms)),
        arms=tuple(
            Arm(
                label=label,
                recipe="",
                choices={"arm": label},
                overrides=(),
                config={},
                runs=tuple(
                    _run(data, label, world, seed, results)
                    for (world, seed), results in sorted(runs.items())
                ),
            )
            for label, runs in arms.items()
        ),
        corpora={},
        provenance={"external": data.source},
    )


def _run(data: ExternalData, label: str, world: int, seed: int, results: list[Result]) -> Run:
    lower = data.lower_is_better
    by_tokens: dict[float, list[Result]] = {}
    for result in results:
        by_tokens.setdefault(result.tokens, []).append(result)
    *before, last = sorted(by_tokens)
    return Run(
        digest=digest([data.digest, results[0].study, label, world, seed]),
        recipe="",
        seed=seed,
        world_seed=world,
        state="done",
        outcomes=_outcomes(by_tokens[last], lower),
        trajectory=tuple(
            Scored(tokens=int(tokens), outcomes=_outcomes(by_tokens[tokens], lower))
            for tokens in before
        ),
    )


def _outcomes(results: list[Result], lower: tuple[str, ...]) -> tuple[Outcomes, ...]:
    grouped: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for result in results:
        key = (result.benchmark, result.domain, result.protocol, result.metric)
        grouped.setdefault(key, {}).setdefault(result.item or WHOLE, result.value)
    return tuple(_record(*key, values, lower) for key, values in grouped.items())


def _record(
    benchmark: str,
    domain: str,
    protocol: str,
    metric: str,
    values: Mapping[str, float],
    lower: tuple[str, ...],
) -> Outcomes:
    return Outcomes(
        benchmark=benchmark,
        domain=domain or benchmark,
        protocol=protocol or "ppl",
        metric=metric,
        higher_is_better=metric not in lower,
        item_ids=tuple(values),
        values=np.array(list(values.values())),
        weights=np.ones(len(values)),
    )
