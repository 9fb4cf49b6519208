"""Reading what a run's training left: segments, curves, scores along the way, decisions."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, RowMapping, Select, Table, Text, cast, select

from davinci.platform.store import tables
from davinci.platform.store.arrays import array
from davinci.platform.store.records import Curve, Evaluation, Floats, Outcomes, Scored, Segment


class Left(NamedTuple):
    """What tasks left in the tables beside, by the digest of the task."""

    segment: Mapping[str, RowMapping]
    decision: Mapping[str, RowMapping]
    evaluation: Mapping[str, RowMapping]
    curves: Mapping[str, Sequence[RowMapping]]
    outcomes: Mapping[str, Sequence[Outcomes]]


def load_left(connection: Connection, tasks: "Select[tuple[str]]") -> Left:
    """Return what the tasks that a query selects left."""

    def rows(table: Table) -> dict[str, RowMapping]:
        query = select(table).where(table.c.task.in_(tasks))
        return {row["task"]: row for row in connection.execute(query).mappings()}

    curves: dict[str, list[RowMapping]] = {}
    query = select(tables.curve).where(tables.curve.c.task.in_(tasks))
    for row in connection.execute(query).mappings():
        curves.setdefault(row["task"], []).append(row)
    return Left(
        segment=rows(tables.segment),
        decision=rows(tables.decision),
        evaluation=rows(tables.evaluation),
        curves=curves,
        outcomes=_load_outcomes(connection, tasks),
    )


def _load_outcomes(
    connection: Connection, tasks: "Select[tuple[str]]"
) -> dict[str, list[Outcomes]]:
    columns = tables.outcomes.c
    query = select(
        columns.task,
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
    ).where(columns.task.in_(tasks))
    found: dict[str, list[Outcomes]] = {}
    for (
        task, benchmark, domain, protocol, metric, higher_is_better, chance, item_ids, clusters,
        samples, values, weights,
    ) in connection.execute(query):  # fmt: skip
        one = Outcomes(
            benchmark=benchmark,
            domain=domain,
            protocol=protocol,
            metric=metric,
            higher_is_better=bool(higher_is_better),
            item_ids=_names(item_ids),
            values=array(values),
            weights=_weights(weights),
            chance=float("nan") if chance is None else chance,
            clusters=_names(clusters),
            samples=tuple(json.loads(samples)) if samples != "[]" else (),
        )
        found.setdefault(task, []).append(one)
    return found


@functools.lru_cache(256)
def _weights(blob: bytes) -> Floats:
    """Return weights; like the names of items they come again in all runs."""
    return array(blob)


@functools.lru_cache(256)
def _names(text: str) -> tuple[str, ...]:
    """Return a list of names; the same ones stand in the rows of all runs, and are kept once."""
    return tuple(json.loads(text))


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


def decisions(tasks: Mapping[str, RowMapping], left: Left) -> tuple[Mapping[str, Any], ...]:
    """Return the decisions of an adaptive run, in the order in which they were taken."""
    digests = [tasks[role]["digest"] for role in sorted(tasks) if role.startswith("decision.")]
    return tuple(left.decision[one]["decision"] for one in digests if one in left.decision)


def trajectory(tasks: Mapping[str, RowMapping], left: Left) -> tuple[Scored, ...]:
    """Return the scored checkpoints before the last: roles `trajectory.<segment>.<protocol>`."""
    scored: dict[str, list[str]] = {}
    for role in sorted(tasks):
        kind, _, rest = role.partition(".")
        if kind == "trajectory":
            scored.setdefault(rest.partition(".")[0], []).append(tasks[role]["digest"])
    found = []
    for number, digests in scored.items():
        segment = left.segment.get(tasks[f"segment.{number}"]["digest"])
        own = outcomes(digests, left)
        if segment is not None and own:
            found.append(Scored(tokens=segment["result"]["tokens_total"], outcomes=own))
    return tuple(found)


def outcomes(digests: Sequence[str], left: Left) -> tuple[Outcomes, ...]:
    """Return the scores that the given evaluations left."""
    found = [one for digest in digests for one in left.outcomes.get(digest, ())]
    return tuple(sorted(found, key=lambda one: (one.protocol, one.benchmark, one.metric)))


def evaluations(digests: Sequence[str], left: Left) -> tuple[Evaluation, ...]:
    """Return what is to be known of the given evaluations; those of older stores have nothing."""
    rows = [left.evaluation[digest] for digest in digests if digest in left.evaluation]
    return tuple(Evaluation(protocol=row["protocol"], notes=row["notes"]) for row in rows)


def curves(digests: Sequence[str], left: Left) -> tuple[Curve, ...]:
    """Return the series of all segments of a run, joined in their order."""
    parts: dict[str, list[RowMapping]] = {}
    for digest in digests:
        for row in left.curves.get(digest, ()):
            parts.setdefault(row["name"], []).append(row)
    return tuple(
        Curve(
            name=name,
            tokens=np.concatenate([array(part["tokens"]) for part in parts[name]]),
            values=np.concatenate([array(part["values"]) for part in parts[name]]),
        )
        for name in sorted(parts)
    )
