"""Writing the store: sweeps as they are planned, results as their tasks are done."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from davinci.data_levels.contamination.record import read_contamination
from davinci.platform.store import tables
from davinci.platform.store.arrays import floats


def put(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there already; return whether it was new.

    One statement, so that two controllers who plan the same at once do not collide.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing()
    # not the number of rows: PostgreSQL's driver does not tell it of an insert
    return connection.execute(statement.returning(*table.primary_key)).first() is not None


def replace(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row in place of the one with its key."""
    keys = [column == row[column.name] for column in table.primary_key.columns]
    connection.execute(delete(table).where(*keys))
    connection.execute(insert(table).values(**row))


def record_result(engine: Engine, digest: str, kind: str, artifact: Path) -> None:
    """Read a finished task's artifact into the store; doing it again changes nothing."""
    with engine.begin() as connection:
        if kind == "corpus":
            _record_corpus(connection, digest, artifact)
        elif kind == "segment":
            _record_segment(connection, digest, artifact)
        elif kind == "decision":
            found = json.loads((artifact / "decision.json").read_text())
            replace(connection, tables.decision, {"task": digest, "decision": found})
        elif kind == "evaluation":
            _record_outcomes(connection, digest, artifact)
        elif kind == "contamination":
            _record_contamination(connection, digest, artifact)


def _record_corpus(connection: Connection, digest: str, artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_text())
    parent = connection.scalar(
        select(tables.task_input.c.input).where(
            tables.task_input.c.task == digest, tables.task_input.c.name == "parent"
        )
    )
    row = {
        "task": digest,
        "domain": manifest["domain"],
        "level": manifest["chain"],
        "parent": parent or "",
        "manifest": manifest,
    }
    replace(connection, tables.corpus, row)


def _record_segment(connection: Connection, digest: str, artifact: Path) -> None:
    result = json.loads((artifact / "result.json").read_text())
    row = {
        "task": digest,
        "num_parameters": result["num_parameters"],
        "tokens": result["tokens"],
        "flops": result["flops"],
        "result": result,
    }
    replace(connection, tables.segment, row)
    for name, series in json.loads((artifact / "curve.json").read_text()).items():
        values = {"tokens": floats(series["tokens"]), "values": floats(series["values"])}
        replace(connection, tables.curve, {"task": digest, "name": name, **values})


def _record_outcomes(connection: Connection, digest: str, artifact: Path) -> None:
    result = json.loads((artifact / "result.json").read_text())
    notes = json.loads((artifact / "notes.json").read_text())
    settings = connection.scalar(
        select(tables.task.c.settings).where(tables.task.c.digest == digest)
    )
    protocol = ((settings or {}).get("evaluation") or {}).get("protocols", [""])[0]
    row = {"task": digest, "protocol": protocol, "notes": notes}
    replace(connection, tables.evaluation, row)
    for record in result:
        values = np.asarray(record["values"], dtype=float)
        weights = np.asarray(record["weights"], dtype=float)
        row = {
            "task": digest,
            "benchmark": record["benchmark"],
            "metric": record["metric"],
            "protocol": record["protocol"],
            "domain": record["domain"],
            "higher_is_better": int(record["higher_is_better"]),
            "chance": record["chance"],
            "score": float(np.average(values, weights=weights)),
            "num_items": len(values),
            "item_ids": record["item_ids"],
            "clusters": record["clusters"],
            "values": floats(record["values"]),
            "weights": floats(record["weights"]),
            "samples": record["samples"],
        }
        replace(connection, tables.outcomes, row)


def _record_contamination(connection: Connection, digest: str, artifact: Path) -> None:
    found = read_contamination(artifact)
    for overlap in found.benchmarks:
        row = {
            "task": digest,
            "benchmark": overlap.benchmark,
            "domain": overlap.domain,
            "rule": asdict(found.rule),
            "corpus_documents": found.num_documents,
            "corpus_bytes": found.num_bytes,
            "num_items": len(overlap.item_ids),
            "num_checkable": int(overlap.checkable.sum()),
            "num_dirty": int(overlap.dirty.sum()),
            "item_ids": overlap.item_ids,
            "checkable": floats(overlap.checkable.tolist()),
            "question_overlap": floats(overlap.question_overlap.tolist()),
            "overlap": floats(overlap.overlap.tolist()),
            "coverage": floats(overlap.coverage.tolist()),
            "num_documents": floats(overlap.num_documents.tolist()),
            "examples": overlap.examples,
            "sources": overlap.sources,
        }
        replace(connection, tables.contamination, row)
