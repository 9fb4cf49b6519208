"""What an edited sweep has more and less than the one before it of the same name."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, select

from davinci.platform.plan.sweep import PlannedSweep
from davinci.platform.store import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Labels of arms, against the newest sweep of the same name; `more` have more runs."""

    before: str
    created: str
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    more: tuple[str, ...]
    same: tuple[str, ...]


def compare_with_last(engine: Engine, planned: PlannedSweep) -> Edit | None:
    """Return what was edited; None where this sweep, or none of its name, is in the store."""
    sweep, arm_run, arm = tables.sweep, tables.arm_run, tables.arm
    query = (
        select(sweep.c.digest, sweep.c.created)
        .where(sweep.c.name == planned.request.name)
        .order_by(sweep.c.created.desc())
    )
    runs = (
        select(arm.c.label, arm_run.c.run)
        .join(arm_run, (arm_run.c.sweep == arm.c.sweep) & (arm_run.c.position == arm.c.position))
        .order_by(arm.c.position)
    )
    with engine.connect() as connection:
        known = connection.execute(query).all()
        if not known or planned.digest in {row.digest for row in known}:
            return None
        before: dict[str, set[str]] = {}
        for label, run in connection.execute(runs.where(arm.c.sweep == known[0].digest)):
            before.setdefault(label, set()).add(run)
    now = {label: {run.digest for run in runs} for label, runs in planned.runs.items()}
    kept = [label for label in now if label in before and now[label] & before[label]]
    return Edit(
        before=known[0].digest,
        created=known[0].created,
        added=tuple(label for label in now if label not in kept),
        dropped=tuple(label for label in before if label not in kept),
        more=tuple(label for label in kept if now[label] - before[label]),
        same=tuple(label for label in kept if not now[label] - before[label]),
    )


def few(labels: Collection[str], number: int = 4) -> str:
    """Return some labels, to be read."""
    shown = ", ".join(list(labels)[:number])
    return f"{shown}, ..." if len(labels) > number else shown
