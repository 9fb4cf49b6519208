"""Reading what corpora hold of the held-out items."""

from collections.abc import Mapping

import numpy as np
from sqlalchemy import Connection, RowMapping, select

from davinci.data_levels.contamination.record import Overlap
from davinci.data_levels.contamination.settings import ContaminationRule
from davinci.platform.store import tables
from davinci.platform.store.arrays import array
from davinci.platform.store.records import Contamination

Checks = dict[str, tuple[Contamination, ...]]
"""The records of contamination tasks, by digest."""


def load_checks(
    connection: Connection, tasks: Mapping[str, str], checks: Checks
) -> tuple[Contamination, ...]:
    """Return what a run's corpora hold of its items; runs of the same corpora share the records.

    Args:
        connection: To the store.
        tasks: Domain -> digest of the task that checked the run's corpus of this domain.
        checks: What was read for other runs; what is read now is added.
    """
    table = tables.contamination
    for domain, digest in tasks.items():
        if digest not in checks:
            query = select(table).where(table.c.task == digest).order_by(table.c.benchmark)
            rows = connection.execute(query).mappings()
            checks[digest] = tuple(_check(domain, row) for row in rows)
    return tuple(check for digest in tasks.values() for check in checks[digest])


def _check(domain: str, row: RowMapping) -> Contamination:
    shares = {name: array(row[name]) for name in ("question_overlap", "overlap", "coverage")}
    overlap = Overlap(
        benchmark=row["benchmark"],
        domain=row["domain"],
        item_ids=tuple(row["item_ids"]),
        checkable=array(row["checkable"]) > 0,
        num_documents=array(row["num_documents"]).astype(np.int64),
        examples={item: tuple(found) for item, found in row["examples"].items()},
        sources=row["sources"],
        **shares,
    )
    return Contamination(
        corpus_domain=domain,
        corpus_documents=row["corpus_documents"],
        corpus_bytes=row["corpus_bytes"],
        rule=ContaminationRule(**row["rule"]),
        overlap=overlap,
    )
