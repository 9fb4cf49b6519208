"""Which checkpoints stay on disk, and which artifacts can be used as they are."""

from collections.abc import Collection, Mapping
from typing import Literal

from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan


def usable_artifacts(
    plan: Plan, layout: Layout, recorded: Collection[str] = (), targets: Collection[str] = ()
) -> set[str]:
    """Return the tasks whose artifacts are there and are all that this plan needs of them.

    A pruned checkpoint is enough where everything that is made from it is there too, and so is what
    the store has `recorded`: the result without the artifact, as after a merge of stores. Where
    there are `targets`, the plan needs nothing but these.
    """
    usable: set[str] = set()
    wanted: set[str] = set()
    asked = set(targets) or set(plan.tasks)
    for digest, task in reversed(plan.tasks.items()):  # every task after those it goes into
        there = layout.artifact(task).is_dir()
        needed = digest in wanted
        if (there and (not needed or layout.has_weights(task))) or (
            digest in recorded and not needed
        ):
            usable.add(digest)
        elif needed or digest in asked:
            wanted.update(task.inputs.values())
    return usable


def needed_tasks(plan: Plan, usable: Collection[str], targets: Collection[str]) -> list[str]:
    """Return what is to be computed for the targets, in the plan's order."""
    wanted: set[str] = set()
    for digest, task in reversed(plan.tasks.items()):
        if digest not in usable and (digest in targets or digest in wanted):
            wanted.add(digest)
            wanted.update(task.inputs.values())
    return [digest for digest in plan.tasks if digest in wanted and digest not in usable]


def users_of(plan: Plan) -> dict[str, list[Task]]:
    """Return what is made from each task, by its digest."""
    users: dict[str, list[Task]] = {}
    for task in plan.tasks.values():
        for made_from in task.inputs.values():
            users.setdefault(made_from, []).append(task)
    return users


def may_prune(
    task: Task,
    users: Mapping[str, list[Task]],
    done: Collection[str],
    keep: Literal["all", "stages", "last"],
) -> bool:
    """Return whether a segment's weights may go: all that is made from them is done.

    `last` keeps the checkpoint that ends a run, `stages` also each that ends a stage.
    """
    children = [user for user in users.get(task.digest, []) if user.kind == "segment"]
    if keep == "all" or task.kind != "segment" or not children:
        return False
    return all(user.digest in done for user in users[task.digest]) and (
        keep == "last" or all(_same_stage(task, child) for child in children)
    )


def _same_stage(task: Task, child: Task) -> bool:
    return bool(task.settings.get("stage_index", 0) == child.settings.get("stage_index", 0))
