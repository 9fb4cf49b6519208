"""Joining stores by content: what one has computed, the other need not compute again.

Everything has the digest of what it is for a key, so that rows never contradict each other: what
is there stays, what is missing comes, and doing it again changes nothing. Of a task, `done` beats
every other state. Jobs and mirrors belong to one place, and are left out.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, select, update

from davinci.platform.store import tables
from davinci.platform.store.write import put

ORDER: tuple[Table, ...] = (
    *(tables.task, tables.task_input, tables.attempt, tables.recipe, tables.run, tables.run_task),
    *(tables.sweep, tables.arm, tables.arm_run, tables.corpus, tables.segment, tables.curve),
    *(tables.ablation, tables.sweep_ablation, tables.verdict, tables.external),
    *(
        tables.decision,
        tables.evaluation,
        tables.outcomes,
        tables.contamination,
        tables.search,
        tables.trial,
    ),
)
"""Each table after those it refers to."""

BATCH = 500
IDLE = {"owner": "", "place": "", "heartbeat": 0.0, "note": "", "progress": 0}


def merge_stores(into: Engine, other: Engine, tick: Callable[[str], None]) -> Counter[str]:
    """Bring everything that `other` has into `into`; return how many rows were new, by table."""
    found: Counter[str] = Counter()
    with other.connect() as source:
        for table in ORDER:
            tick(table.name)
            rows = source.execution_options(yield_per=BATCH).execute(select(table)).mappings()
            for part in rows.partitions(BATCH):
                with into.begin() as connection:
                    for row in part:
                        found[table.name] += _bring(connection, table, dict(row))
    return found


def _bring(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    if table is tables.task:
        return _bring_task(connection, row)
    if table is tables.attempt and row["state"] == "running":
        return False
    return put(connection, table, row)


def _bring_task(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert a task, or take over that it is done; nobody here works on what runs elsewhere."""
    if row["state"] == "running":
        row |= {"state": "planned", **IDLE}
    if put(connection, tables.task, row):
        return True
    if row["state"] != "done":
        return False
    where = (tables.task.c.digest == row["digest"]) & (
        tables.task.c.state.in_(["planned", "failed", "skipped"])
    )
    return connection.execute(update(tables.task).where(where).values(**row)).rowcount == 1


def merge_artifacts(into: Path, other: Path, tick: Callable[[str], None]) -> int:
    """Copy the artifacts that `into` lacks, each published by one rename; return how many."""
    count = 0
    for kind in ("artifacts", "tasks"):
        for source in sorted((other / kind).glob("*/*" if kind == "artifacts" else "*.json")):
            target = into / source.relative_to(other)
            if source.name.startswith(".") or target.exists():
                continue
            tick(source.name[:12])
            aside = target.with_name(f".{target.name}.{os.getpid()}")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, aside, dirs_exist_ok=True)
                count += 1
            else:
                shutil.copy2(source, aside)
            aside.rename(target)
    return count
