"""Reading what a run's training left: segments, curves, scores along the way, decisions."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, RowMapping, Table, Text, cast, select

from davinci.platform.store import tables
from davinci.platform.store.arrays import array
from davinci.platform.store.records import Curve, Evaluation, Outcomes, Scored, Segment


def rows_of(connection: Connection, table: Table, digests: Sequence[str]) -> list[RowMapping]:
    """Return the rows of the given tasks, in their order; tasks without a row are left out."""
    if not digests:
        return []
    query = select(table).where(table.c.task.in_(digests))
    found = {row["task"]: row for row in connection.execute(query).mappings()}
    return [found[digest] for digest in digests if digest in found]


def segments(tasks: Sequence[RowMapping], rows: Sequence[RowMapping]) -> tuple[Segment, ...]:
    """Return the finished ones of a run's segments, from their tasks and their own rows."""
    by_digest = {task["digest"]: task for task in tasks}
    found = []
    for row in rows:
        task = by_digest[row["task"]]
        found.append(
            Segment(
                digest=row["task"],
                begin_tokens=task["settings"].get("tokens_before", 0),
                tokens=row["tokens"],
                flops=row["flops"],
                wall_s=task["wall_s"],
                cpu_s=task["cpu_s"],
                settings=task["settings"],
                result=row["result"],
            )
        )
    return tuple(found)


def load_decisions(
    connection: Connection, tasks: Mapping[str, RowMapping]
) -> tuple[Mapping[str, Any], ...]:
    """Return the decisions of an adaptive run, in the order in which they were taken."""
    digests = [tasks[role]["digest"] for role in sorted(tasks) if role.startswith("decision.")]
    return tuple(row["decision"] for row in rows_of(connection, tables.decision, digests))


def load_trajectory(connection: Connection, tasks: Mapping[str, RowMapping]) -> tuple[Scored, ...]:
    """Return the scored checkpoints before the last: roles `trajectory.<segment>.<protocol>`."""
    scored: dict[str, list[str]] = {}
    for role in sorted(tasks):
        kind, _, rest = role.partition(".")
        if kind == "trajectory":
            scored.setdefault(rest.partition(".")[0], []).append(tasks[role]["digest"])
    found = []
    for number, digests in scored.items():
        (segment,) = rows_of(
            connection, tables.segment, [tasks[f"segment.{number}"]["digest"]]
        ) or (None,)
        outcomes = load_outcomes(connection, digests)
        if segment is not None and outcomes:
            found.append(Scored(tokens=segment["result"]["tokens_total"], outcomes=outcomes))
    return tuple(found)


def load_outcomes(connection: Connection, digests: Sequence[str]) -> tuple[Outcomes, ...]:
    """Return the scores that the given evaluations left."""
    columns = tables.outcomes.c
    query = (
        select(
            columns.benchmark,
            columns.domain,
            columns.protocol,
            columns.metric,
            columns.higher_is_better,
            columns.chance,
            cast(columns.item_ids, Text),
            cast(columns.clusters, Text),
            cast(columns.samples, Text),
            columns["values"],
            columns.weights,
        )
        .where(columns.task.in_(digests))
        .order_by(columns.protocol, columns.benchmark, columns.metric)
    )
    return tuple(
        Outcomes(
            benchmark=benchmark,
            domain=domain,
            protocol=protocol,
            metric=metric,
            higher_is_better=bool(higher_is_better),
            item_ids=_names(item_ids),
            values=array(values),
            weights=array(weights),
            chance=float("nan") if chance is None else chance,
            clusters=_names(clusters),
            samples=tuple(json.loads(samples)) if samples != "[]" else (),
        )
        for (
            benchmark, domain, protocol, metric, higher_is_better, chance, item_ids, clusters,
            samples, values, weights,
        ) in connection.execute(query)
    )  # fmt: skip


@functools.lru_cache(256)
def _names(text: str) -> tuple[str, ...]:
    """Return a list of names; the same ones stand in the rows of all runs, and are kept once."""
    return tuple(json.loads(text))


def load_evaluations(connection: Connection, digests: Sequence[str]) -> tuple[Evaluation, ...]:
    """Return what is to be known of the given evaluations; those of older stores have nothing."""
    rows = rows_of(connection, tables.evaluation, digests)
    return tuple(Evaluation(protocol=row["protocol"], notes=row["notes"]) for row in rows)


def load_curves(connection: Connection, digests: list[str]) -> tuple[Curve, ...]:
    """Return the series of all segments of a run, joined in their order."""
    query = select(tables.curve).where(tables.curve.c.task.in_(digests))
    parts = sorted(
        connection.execute(query).mappings(), key=lambda r: (r["name"], digests.index(r["task"]))
    )
    names = dict.fromkeys(part["name"] for part in parts)
    return tuple(
        Curve(
            name=name,
            tokens=np.concatenate([array(p["tokens"]) for p in parts if p["name"] == name]),
            values=np.concatenate([array(p["values"]) for p in parts if p["name"] == name]),
        )
        for name in names
    )
