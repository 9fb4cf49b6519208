"""Jobs that were submitted to a cluster, remembered so that any command can ask after them."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, select, update

from davinci.platform.store.patience import patiently
from davinci.platform.store.tables import job as rows
from davinci.platform.store.write import put


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterJob:
    """A job: its name to the cluster, the plan it belongs to, and the tasks it works on."""

    executor: str
    id: str
    plan: str
    tasks: tuple[str, ...]


def note_jobs(engine: Engine, jobs: Iterable[ClusterJob]) -> None:
    """Write down jobs that have just been submitted."""
    found = list(jobs)

    def write() -> None:
        with engine.begin() as connection:
            for job in found:
                row = {**asdict(job), "tasks": list(job.tasks), "state": "submitted"}
                put(connection, rows, {**row, "submitted": time.time()})

    patiently(write)


def live_jobs(engine: Engine, executor: str) -> list[ClusterJob]:
    """Return the jobs of which nobody has heard that they are over."""

    def read() -> list[ClusterJob]:
        query = select(rows).where(rows.c.executor == executor, rows.c.ended.is_(None))
        with engine.connect() as connection:
            return [
                ClusterJob(
                    executor=row["executor"],
                    id=row["id"],
                    plan=row["plan"],
                    tasks=tuple(row["tasks"]),
                )
                for row in connection.execute(query).mappings()
            ]

    return patiently(read)


def end_job(engine: Engine, job: ClusterJob, cause: str) -> None:
    """Write down that a job is over, and why if not by itself."""

    def write() -> None:
        where = (rows.c.executor == job.executor) & (rows.c.id == job.id)
        with engine.begin() as connection:
            ended = {"ended": time.time(), "state": cause or "ended"}
            connection.execute(update(rows).where(where).values(**ended))

    patiently(write)
