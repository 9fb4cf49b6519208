"""States of tasks in the store, changed by compare-and-set so that two controllers never collide.

    planned ─> running ─> done
                  │─────> failed(cause)        a later command tries again
                  └─────> planned              the owner died: its lease ran out

Only supervisors write here, never a task's own process.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, or_, select, update

from davinci.platform.ledger.task import Task
from davinci.platform.store.tables import LEASE_S, task_input
from davinci.platform.store.tables import task as rows
from davinci.platform.store.write import put


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an attempt used: seconds of wall clock and of processor, and bytes of memory."""

    wall_s: float
    cpu_s: float
    max_rss_bytes: int


def new_owner() -> str:
    """Return a name to lease tasks under: host, process, and a token.

    The token tells a process from its predecessor of the same number, in a restarted container.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


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
        wanted = list(digests)
        found: dict[str, str] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), 500):
                part = rows.c.digest.in_(wanted[start : start + 500])
                query = select(rows.c.digest, rows.c.state).where(part)
                found |= {digest: state for digest, state in connection.execute(query)}
        return found

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

    def heartbeat(self, digests: Iterable[str]) -> None:
        """Renew this owner's leases on the given tasks."""
        with self._engine.begin() as connection:
            for digest in digests:
                connection.execute(
                    update(rows).where(self._leased(digest)).values(heartbeat=time.time())
                )

    def done(self, digest: str, usage: Usage) -> bool:
        """Mark a leased task done; False if the lease was lost meanwhile, and nothing changes."""
        return self._finish(digest, {"state": "done", **_columns(usage)})

    def failed(self, digest: str, cause: str, error: str, usage: Usage) -> bool:
        """Mark a leased task failed, with the named cause and what was printed."""
        values = {"state": "failed", "cause": cause, "error": error, **_columns(usage)}
        return self._finish(digest, values)

    def release(self, digest: str) -> bool:
        """Give a lease back: the task is planned again."""
        return self._finish(digest, {"state": "planned", "owner": ""})

    def skipped(self, digest: str, error: str) -> None:
        """Mark a task that cannot run because an input failed, unless somebody does it."""
        idle = rows.c.state.in_(["planned", "failed", "skipped"])
        values = {"state": "skipped", "cause": "input failed", "error": error}
        self._change((rows.c.digest == digest) & idle, values)

    def reset(self, digest: str) -> None:
        """Plan a task anew that is done but whose artifact has gone."""
        was_done = (rows.c.digest == digest) & (rows.c.state == "done")
        self._change(was_done, {"state": "planned", "owner": ""})

    def _leased(self, digest: str) -> ColumnElement[bool]:
        mine = (rows.c.owner == self.owner) & (rows.c.state == "running")
        return (rows.c.digest == digest) & mine

    def _finish(self, digest: str, values: Mapping[str, object]) -> bool:
        return self._change(self._leased(digest), {"finished": time.time(), **values})

    def _change(self, where: ColumnElement[bool], values: Mapping[str, object]) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(update(rows).where(where).values(**values)).rowcount == 1

    def _dead_owners(self, digest: str) -> list[str]:
        """Return the task's owner if it was a process of this machine that is gone."""
        with self._engine.connect() as connection:
            owner = connection.scalar(select(rows.c.owner).where(rows.c.digest == digest)) or ""
        host, _, rest = owner.rpartition(":")[0].rpartition(":")
        if host != socket.gethostname() or owner == self.owner or not rest.isdigit():
            return []
        if int(rest) == os.getpid():
            return [owner]  # a predecessor with our number
        try:
            os.kill(int(rest), 0)
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
