"""Trials in the store: what was proposed, how far it is, and what it gave."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Engine, select

from davinci.platform.config.identity import canonical
from davinci.platform.search.settings import SearchSettings
from davinci.platform.store import tables
from davinci.platform.store.patience import patiently
from davinci.platform.store.write import put, replace

State = Literal["proposed", "done", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point that a search has proposed.

    Attributes:
        number: From 0, in the order of proposal; `batch` were proposed together.
        parameters: What the sampler chose; `overrides` what that means on the command line.
        runs: Digests of its runs.
        values: Of the objectives, in their order; empty until it is done.
        rungs: Tokens of a checkpoint -> the objective there, averaged over runs.
        constraints: Constraint -> by how much it is broken; 0 or less where it is not.
    """

    number: int
    batch: int
    parameters: Mapping[str, float | int | str]
    overrides: Mapping[str, str]
    runs: tuple[str, ...]
    state: State = "proposed"
    values: tuple[float, ...] = ()
    rungs: Mapping[str, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)


def record_search(engine: Engine, digest: str, name: str, settings: SearchSettings) -> None:
    """Write a search down, unless it is there."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"digest": digest, "name": name, "settings": canonical(settings), "created": created}

    def write() -> None:
        with engine.begin() as connection:
            put(connection, tables.search, row)

    patiently(write)


def load_trials(engine: Engine, search: str) -> list[Trial]:
    """Return a search's trials in the order of their numbers."""
    query = select(tables.trial).where(tables.trial.c.search == search)

    def read() -> list[Trial]:
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(tables.trial.c.number)).mappings().all()
        return [
            Trial(
                number=row["number"],
                batch=row["batch"],
                parameters=row["parameters"],
                overrides=row["overrides"],
                runs=tuple(row["runs"]),
                state=row["state"],
                values=tuple(row["values"]),
                rungs=row["rungs"],
                constraints=row["constraints"],
            )
            for row in rows
        ]

    return patiently(read)


def save_trial(engine: Engine, search: str, trial: Trial) -> None:
    """Write a trial as it is now."""
    row = {"search": search, **asdict(trial)}
    row |= {"runs": list(trial.runs), "values": list(trial.values)}

    def write() -> None:
        with engine.begin() as connection:
            replace(connection, tables.trial, row)

    patiently(write)
