"""States of tasks in the store, changed by compare-and-set so that two controllers never collide.

    planned ─> running ─> done
                  │─────> failed(cause)        a later command tries again
                  └─────> planned              the owner died: its lease ran out

Only supervisors write here, never a task's own process.
"""

import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, or_, select, update

from davinci.platform.ledger.task import Task
from davinci.platform.store.tables import task as rows
from davinci.platform.store.tables import task_input
from davinci.platform.store.write import put

LEASE_S = 60.0
"""A running task whose owner was silent for longer is anybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an attempt used: seconds of wall clock and of processor, and bytes of memory."""

    wall_s: float
    cpu_s: float
    max_rss_bytes: int


def this_owner() -> str:
    """Return the name under which this process leases tasks."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Ledger:
    """The tasks of one store, seen by one owner."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self.owner = owner

    def plan(self, tasks: Iterable[Task]) -> None:
        """Enter tasks that are not there yet; inputs must come before what they go into."""
        with self._engine.begin() as connection:
            for task in tasks:
                row = {
                    "digest": task.digest,
                    "kind": task.kind,
                    "label": task.label,
                    "settings": task.settings,
                    "state": "planned",
                    "created": time.time(),
                }
                if put(connection, rows, row):
                    for name, digest in task.inputs.items():
                        edge = {"task": task.digest, "name": name, "input": digest}
                        put(connection, task_input, edge)

    def states(self, digests: Iterable[str]) -> dict[str, str]:
        """Return the state of each task."""
        wanted = set(digests)
        with self._engine.connect() as connection:
            found = connection.execute(select(rows.c.digest, rows.c.state)).all()
        return {digest: state for digest, state in found if digest in wanted}

    def claim(self, digest: str) -> bool:
        """Lease a task; False if it is done, or leased by somebody alive."""
        now = time.time()
        free = or_(
            rows.c.state.in_(["planned", "failed", "skipped"]),
            (rows.c.state == "running") & (rows.c.heartbeat < now - LEASE_S),
            (rows.c.state == "running") & rows.c.owner.in_(self._dead_owners(digest)),
        )
        values = {
            "state": "running",
            "owner": self.owner,
            "heartbeat": now,
            "started": now,
            "finished": None,
            "cause": "",
            "error": "",
            "attempts": rows.c.attempts + 1,
        }
        with self._engine.begin() as connection:
            result = connection.execute(
                update(rows).where(rows.c.digest == digest, free).values(**values)
            )
        return result.rowcount == 1

    def heartbeat(self) -> None:
        """Renew all leases of this owner."""
        mine = (rows.c.owner == self.owner) & (rows.c.state == "running")
        with self._engine.begin() as connection:
            connection.execute(update(rows).where(mine).values(heartbeat=time.time()))

    def done(self, digest: str, usage: Usage) -> None:
        """Mark a leased task done; its artifact is in place and its result in the store."""
        self._finish(digest, {"state": "done", **_columns(usage)})

    def failed(self, digest: str, cause: str, error: str, usage: Usage) -> None:
        """Mark a leased task failed, with the named cause and what was printed."""
        self._finish(digest, {"state": "failed", "cause": cause, "error": error, **_columns(usage)})

    def skipped(self, digest: str, error: str) -> None:
        """Mark a task that cannot run because an input failed."""
        self._finish(digest, {"state": "skipped", "cause": "input failed", "error": error})

    def release(self, digest: str) -> None:
        """Give a lease back: the task is planned again."""
        self._finish(digest, {"state": "planned", "owner": ""})

    def reset(self, digest: str) -> None:
        """Plan a task anew whose artifact has gone."""
        with self._engine.begin() as connection:
            connection.execute(
                update(rows).where(rows.c.digest == digest).values(state="planned", owner="")
            )

    def _finish(self, digest: str, values: Mapping[str, object]) -> None:
        now = time.time()
        with self._engine.begin() as connection:
            connection.execute(
                update(rows).where(rows.c.digest == digest).values(finished=now, **values)
            )

    def _dead_owners(self, digest: str) -> list[str]:
        """Return the task's owner if it was a process of this machine that is gone."""
        with self._engine.connect() as connection:
            owner = connection.scalar(select(rows.c.owner).where(rows.c.digest == digest)) or ""
        host, _, pid = owner.rpartition(":")
        if host != socket.gethostname() or owner == self.owner or not pid.isdigit():
            return []
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return [owner]
        except PermissionError:
            return []
        return []


def _columns(usage: Usage) -> dict[str, float]:
    return {
        "wall_s": usage.wall_s,
        "cpu_s": usage.cpu_s,
        "max_rss_bytes": usage.max_rss_bytes,
    }
