"""What goes to a cluster together: tasks of one kind of machine that follow on each other.

A group is the work of one job. Data are one group per source, on cores alone; training and its
evaluations are groups of one device need each, cut where a checkpoint is continued more than once,
so that branches run side by side. A group's wave is how many groups must come before it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.ledger.task import Kind, Task

DATA_CPUS = 4
MODEL_KINDS: tuple[Kind, ...] = ("segment", "evaluation", "decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The work of one job.

    Attributes:
        tasks: Digests, each after its inputs.
        inputs: Groups (by number) that must come before.
        trains: Whether it needs the devices that training asks for.
        wave: 0 for groups without inputs, else one more than the latest of these.
    """

    tasks: tuple[str, ...]
    inputs: frozenset[int]
    trains: bool
    wave: int


def group_tasks(tasks: Mapping[str, Task], todo: Collection[str]) -> list[Group]:
    """Return groups of the tasks to do, each after those it needs."""
    wanted = set(todo)
    order = [digest for digest in tasks if digest in wanted]
    root = {digest: digest for digest in order}

    def find(digest: str) -> str:
        while root[digest] != digest:
            root[digest] = root[root[digest]]
            digest = root[digest]
        return digest

    segments_of: dict[str, int] = {}
    for digest in order:
        if tasks[digest].kind == "segment":
            for made in tasks[digest].inputs.values():
                segments_of[made] = segments_of.get(made, 0) + 1
    for digest in order:
        for made in tasks[digest].inputs.values():
            if made in wanted and _belongs(tasks[digest], tasks[made], segments_of):
                root[find(digest)] = find(made)
    members: dict[str, list[str]] = {}
    for digest in order:
        members.setdefault(find(digest), []).append(digest)
    return _ordered(tasks, wanted, list(members.values()))


def _belongs(task: Task, made: Task, segments_of: Mapping[str, int]) -> bool:
    """Return whether a task goes on in the job that makes its input."""
    if (task.kind in MODEL_KINDS) != (made.kind in MODEL_KINDS):
        return False
    branches = task.kind == "segment" and segments_of.get(made.digest, 0) > 1
    return not branches


def _ordered(
    tasks: Mapping[str, Task], wanted: Collection[str], members: list[list[str]]
) -> list[Group]:
    """Return groups in an order in which each comes after those it needs."""
    own = {digest: number for number, group in enumerate(members) for digest in group}
    needs = [
        {
            own[made]
            for digest in group
            for made in tasks[digest].inputs.values()
            if made in wanted and own[made] != number
        }
        for number, group in enumerate(members)
    ]
    placed: dict[int, int] = {}
    found: list[Group] = []
    waiting = list(range(len(members)))
    while waiting:
        ready = [number for number in waiting if needs[number] <= placed.keys()]
        if not ready:  # groups that need each other: what they hold, one by one
            return _singly(tasks, wanted)
        for number in ready:
            inputs = frozenset(placed[need] for need in needs[number])
            placed[number] = len(found)
            found.append(_group(tasks, members[number], inputs, found))
        waiting = [number for number in waiting if number not in placed]
    return found


def _singly(tasks: Mapping[str, Task], wanted: Collection[str]) -> list[Group]:
    found: list[Group] = []
    own: dict[str, int] = {}
    for digest in (d for d in tasks if d in wanted):
        inputs = frozenset(own[made] for made in tasks[digest].inputs.values() if made in own)
        own[digest] = len(found)
        found.append(_group(tasks, [digest], inputs, found))
    return found


def _group(
    tasks: Mapping[str, Task], digests: list[str], inputs: frozenset[int], before: list[Group]
) -> Group:
    return Group(
        tasks=tuple(digests),
        inputs=inputs,
        trains=any(tasks[digest].kind in MODEL_KINDS for digest in digests),
        wave=max((before[number].wave + 1 for number in inputs), default=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job asks for on each of its nodes."""

    nodes: int
    processes: int
    cpus: int
    gpus: int


def resources_of(group: Group, training: TrainingRuntime, cpus: int, on_gpu: bool) -> Resources:
    """Return what a group's job asks for; `cpus` 0 is as many as its processes have threads.

    Data are made on as many cores as are asked for, or a few: their domains side by side.
    """
    if not group.trains:
        return Resources(nodes=1, processes=1, cpus=cpus or DATA_CPUS, gpus=0)
    threads = training.num_threads * training.devices
    return Resources(
        nodes=training.num_nodes,
        processes=training.devices if training.num_nodes > 1 else 1,
        cpus=cpus or threads,
        gpus=training.devices if on_gpu else 0,
    )
