"""States of tasks in the store, changed by compare-and-set so that two controllers never collide.

    planned ─> running ─> done
                  │─────> failed(cause)        a later command tries again
                  └─────> planned              given back, or the owner died: its lease ran out

Only supervisors write here, never a task's own process. Every try leaves a row of its own. A store
that does not answer for a while is waited for.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, or_, select, update

from davinci.platform.ledger.owner import is_dead
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import NO_USAGE, Usage
from davinci.platform.store.patience import patiently
from davinci.platform.store.tables import LEASE_S, task_input
from davinci.platform.store.tables import attempt as attempts
from davinci.platform.store.tables import task as rows
from davinci.platform.store.write import put

T = TypeVar("T")
BATCH = 500


class Standing(NamedTuple):
    """Where a task stands: its state, why it failed if it did, and how far it is."""

    state: str
    cause: str
    error: str
    place: str
    progress: int
    progress_total: int
    note: str
    finished: float | None


class Ledger:
    """The tasks of one store, seen by one owner who works at some place (a host, a cluster's job).

    Raises:
        sqlalchemy.exc.DBAPIError: By every method, if the store stays away (`patiently`).
    """

    def __init__(self, engine: Engine, owner: str, place: str = "") -> None:
        self._engine = engine
        self.owner, self.place = owner, place

    def plan(self, tasks: Iterable[Task]) -> None:
        """Enter tasks that are not there yet; inputs must come before what they go into."""
        wanted = list(tasks)
        known = self.states(task.digest for task in wanted)
        missing = [task for task in wanted if task.digest not in known]
        if missing:
            self._transact(lambda connection: _enter(connection, missing))

    def states(self, digests: Iterable[str]) -> dict[str, str]:
        """Return the state of each task that is there."""
        return {digest: found.state for digest, found in self.standings(digests).items()}

    def standings(self, digests: Iterable[str]) -> dict[str, Standing]:
        """Return where each task stands that is there."""
        wanted = list(digests)

        def read(connection: Connection) -> dict[str, Standing]:
            found: dict[str, Standing] = {}
            columns = [rows.c[name] for name in Standing._fields]
            for start in range(0, len(wanted), BATCH):
                part = rows.c.digest.in_(wanted[start : start + BATCH])
                for digest, *values in connection.execute(
                    select(rows.c.digest, *columns).where(part)
                ):
                    found[digest] = Standing(*values)
            return found

        return self._transact(read)

    def claim(self, digest: str) -> bool:
        """Lease a task; False if it is done, or leased by somebody alive."""
        return self._transact(lambda connection: self._claim(connection, digest))

    def heartbeat(self, progress: Mapping[str, tuple[int, int, str]]) -> set[str]:
        """Renew this owner's leases, with how far each task is; return those that were lost."""

        def beat(connection: Connection) -> set[str]:
            lost = set()
            for digest, (done, total, note) in progress.items():
                values = {"progress": done, "progress_total": total, "note": note}
                values["heartbeat"] = time.time()
                renewed = update(rows).where(self._leased(digest)).values(**values)
                if connection.execute(renewed).rowcount != 1:
                    lost.add(digest)
            return lost

        return self._transact(beat)

    def done(self, digest: str, usage: Usage) -> bool:
        """Mark a leased task done; False if the lease was lost meanwhile, and nothing changes."""
        return self._finish(digest, "done", usage)

    def failed(self, digest: str, cause: str, error: str, usage: Usage) -> bool:
        """Mark a leased task failed, with the named cause and what was printed."""
        return self._finish(digest, "failed", usage, cause, error)

    def release(self, digest: str, cause: str = "preempted", usage: Usage = NO_USAGE) -> bool:
        """Give a lease back: the task is planned again, and the cause stands with the attempt."""
        return self._finish(digest, "planned", usage, cause)

    def skipped(self, digests: Sequence[str], error: str) -> None:
        """Mark tasks that cannot run because an input failed, unless somebody does them."""
        idle = rows.c.state.in_(["planned", "failed", "skipped"])
        values = {"state": "skipped", "cause": "input failed", "error": error}
        for digest in digests:
            self._change((rows.c.digest == digest) & idle, values)

    def reset(self, digest: str) -> None:
        """Plan a task anew that is done but whose artifact has gone."""
        was_done = (rows.c.digest == digest) & (rows.c.state == "done")
        self._change(was_done, {"state": "planned", "owner": ""})

    def lose(self, digests: Iterable[str], place: str, cause: str, error: str) -> int:
        """Give back what somebody held who is known to be gone from a place; return how many.

        Whoever runs tasks on a cluster calls this when the cluster says that a job has ended.
        """
        wanted = list(digests)

        def give_back(connection: Connection) -> int:
            count = 0
            for digest in wanted:
                where = (rows.c.digest == digest) & (rows.c.state == "running")
                where &= rows.c.place == place
                if connection.execute(update(rows).where(where).values(state="planned")).rowcount:
                    _close(connection, digest, "lost", cause, error)
                    count += 1
            return count

        return self._transact(give_back)

    def _claim(self, connection: Connection, digest: str) -> bool:
        now = time.time()
        values = {
            "state": "running",
            "owner": self.owner,
            "place": self.place,
            "heartbeat": now,
            "started": now,
            "finished": None,
            "cause": "",
            "error": "",
            "note": "",
            "progress": 0,
            "progress_total": 0,
            "attempts": rows.c.attempts + 1,
        }
        free = or_(
            rows.c.state.in_(["planned", "failed", "skipped"]),
            (rows.c.state == "running") & (rows.c.heartbeat < now - LEASE_S),
            (rows.c.state == "running") & rows.c.owner.in_(self._gone(connection, digest)),
        )
        taken = update(rows).where(rows.c.digest == digest, free).values(**values)
        number = connection.scalar(taken.returning(rows.c.attempts))
        if number is None:
            return self._is_mine(connection, digest)
        _close(connection, digest, "lost", "lost", "its owner fell silent")
        row = {"task": digest, "number": number, "state": "running", "started": now}
        put(connection, attempts, row | {"owner": self.owner, "place": self.place})
        return True

    def _is_mine(self, connection: Connection, digest: str) -> bool:
        """Return whether an answer was lost that said that the task is ours."""
        mine = select(rows.c.digest).where(self._leased(digest), rows.c.progress_total == 0)
        return connection.scalar(mine) is not None

    def _gone(self, connection: Connection, digest: str) -> list[str]:
        """Return the task's owner if it was a process of this machine that is gone."""
        running = (rows.c.digest == digest) & (rows.c.state == "running")
        owner = connection.scalar(select(rows.c.owner).where(running)) or ""
        return [owner] if owner != self.owner and is_dead(owner) else []

    def _leased(self, digest: str) -> ColumnElement[bool]:
        mine = (rows.c.owner == self.owner) & (rows.c.state == "running")
        return (rows.c.digest == digest) & mine

    def _finish(
        self, digest: str, state: str, usage: Usage, cause: str = "", error: str = ""
    ) -> bool:
        values = {
            "state": state,
            "finished": time.time(),
            "cause": cause if state == "failed" else "",
            "error": error,
            "wall_s": usage.wall_s,
            "cpu_s": usage.cpu_s,
            "max_rss_bytes": usage.max_rss_bytes,
        }

        def finish(connection: Connection) -> bool:
            where = self._leased(digest)
            if connection.execute(update(rows).where(where).values(**values)).rowcount == 1:
                _close(connection, digest, state, cause, error, usage)
                return True
            # an answer may have been lost that said so
            again = (rows.c.digest == digest) & (rows.c.owner == self.owner)
            again &= rows.c.state == state
            return connection.scalar(select(rows.c.digest).where(again)) is not None

        return self._transact(finish)

    def _change(self, where: ColumnElement[bool], values: Mapping[str, object]) -> bool:
        return self._transact(
            lambda c: c.execute(update(rows).where(where).values(**values)).rowcount == 1
        )

    def _transact(self, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return patiently(once)


def _enter(connection: Connection, tasks: Iterable[Task]) -> None:
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
                put(connection, task_input, {"task": task.digest, "name": name, "input": digest})


def _close(
    connection: Connection,
    digest: str,
    state: str,
    cause: str,
    error: str,
    usage: Usage = NO_USAGE,
) -> None:
    """Write down how the try ended that is still open, if one is."""
    values = {
        "state": "given back" if state == "planned" else state,
        "cause": cause,
        "error": error,
        "finished": time.time(),
        "wall_s": usage.wall_s,
        "cpu_s": usage.cpu_s,
        "max_rss_bytes": usage.max_rss_bytes,
    }
    still_open = (attempts.c.task == digest) & (attempts.c.state == "running")
    connection.execute(update(attempts).where(still_open).values(**values))
