"""The graph of tasks: each planned once, after its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from davinci.platform.config.identity import canonical, digest
from davinci.platform.config.recipe import Recipe, Replicate
from davinci.platform.ledger.task import Kind, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run and the tasks that make it: role (`corpus.math`, `segment.000`, ...) -> digest."""

    recipe: Recipe
    replicate: Replicate
    tasks: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The identity of the run: the replicate, and the tasks that make it.

        Not the recipe: the same recipe over changed files, or by a newer version of a level, is
        another run.
        """
        return digest({"replicate": self.replicate, "tasks": self.tasks})


@dataclass(slots=True)
class Plan:
    """Tasks by digest, in an order in which every task comes after its inputs."""

    tasks: dict[str, Task] = field(default_factory=dict)
    runs: list[PlannedRun] = field(default_factory=list)
    num_tasks_unshared: int = 0

    def add(
        self,
        kind: Kind,
        settings: object,
        inputs: Mapping[str, str],
        label: str,
        carried: object = None,
    ) -> str:
        """Add a task unless an equal one is there; return its digest."""
        task = Task(
            kind=kind,
            settings=canonical(settings),
            inputs=inputs,
            label=label,
            carried=canonical(carried or {}, with_runtime=True),
        )
        self.tasks.setdefault(task.digest, task)
        return task.digest

    def needed(self, digest: str) -> set[str]:
        """Return the digests of a task and of all that it is made from."""
        found: set[str] = set()
        waiting = [digest]
        while waiting:
            found.add(task := waiting.pop())
            waiting += [d for d in self.tasks[task].inputs.values() if d not in found]
        return found
