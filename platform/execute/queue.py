"""The order of work: which tasks of a plan can start, and what a failure takes with it."""

from collections.abc import Collection, Iterator, Mapping

from davinci.platform.ledger.task import Task


class Queue:
    """The tasks that are to be done, each ready once all of its inputs are."""

    def __init__(self, tasks: Mapping[str, Task], todo: Collection[str]) -> None:
        """Begin with `todo` of `tasks`, in their order; every other task is done already."""
        self._tasks = tasks
        self._missing: dict[str, set[str]] = {}
        self._users: dict[str, list[str]] = {}
        self._ready: dict[str, None] = {}
        wanted = set(todo)
        for digest in (d for d in tasks if d in wanted):
            missing = {made for made in tasks[digest].inputs.values() if made in wanted}
            self._missing[digest] = missing
            for made in missing:
                self._users.setdefault(made, []).append(digest)
            if not missing:
                self._ready[digest] = None

    def __bool__(self) -> bool:
        """Return whether tasks are left that were neither taken nor given up."""
        return bool(self._missing)

    def ready(self) -> Iterator[Task]:
        """Return the tasks that can start now, in the plan's order."""
        return (self._tasks[digest] for digest in list(self._ready))

    def take(self, digest: str) -> None:
        """Take a ready task out of the queue: somebody works on it."""
        del self._ready[digest], self._missing[digest]

    def put_back(self, digest: str) -> None:
        """Make a task ready again that was taken, but not done."""
        self._missing[digest] = set()
        self._ready[digest] = None

    def finish(self, digest: str) -> None:
        """Say that a task is done, by whomever: what waited for it alone becomes ready."""
        self._ready.pop(digest, None)
        self._missing.pop(digest, None)
        for user in self._users.get(digest, ()):
            if user in self._missing:
                self._missing[user].discard(digest)
                if not self._missing[user]:
                    self._ready.setdefault(user)

    def drop(self, digest: str) -> None:
        """Take a task out of the queue that nobody is to work on."""
        self._ready.pop(digest, None)
        self._missing.pop(digest, None)

    def give_up(self, digest: str) -> list[str]:
        """Take out all that waits for a task that has failed; return it, nearest first."""
        lost: dict[str, None] = {}
        waiting = [digest]
        while waiting:
            for user in self._users.get(waiting.pop(0), ()):
                if user in self._missing:
                    del self._missing[user]
                    lost[user] = None
                    waiting.append(user)
        return list(lost)
