"""Which checkpoints stay on disk, and which artifacts can be used as they are."""

from collections.abc import Collection
from typing import Literal

from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan


def usable_artifacts(plan: Plan, layout: Layout) -> set[str]:
    """Return the tasks whose artifacts are there and are all that this plan needs of them.

    A pruned checkpoint is enough where everything that is made from it is there too.
    """
    usable: set[str] = set()
    wanted: set[str] = set()
    for digest, task in reversed(plan.tasks.items()):  # every task after those it goes into
        there = layout.artifact(task).is_dir()
        if there and (digest not in wanted or layout.has_weights(task)):
            usable.add(digest)
        else:
            wanted.update(task.inputs.values())
    return usable


def prunable(
    plan: Plan, done: Collection[str], keep: Literal["all", "stages", "last"]
) -> list[Task]:
    """Return segments whose weights may go: all that is made from them in this plan is done.

    `last` keeps the checkpoint that ends a run, `stages` also each that ends a stage.
    """
    if keep == "all":
        return []
    users: dict[str, list[Task]] = {}
    for task in plan.tasks.values():
        for made_from in task.inputs.values():
            users.setdefault(made_from, []).append(task)
    found = []
    for digest, task in plan.tasks.items():
        children = [user for user in users.get(digest, []) if user.kind == "segment"]
        if task.kind != "segment" or not children:
            continue
        if all(user.digest in done for user in users[digest]) and (
            keep == "last" or all(_same_stage(task, child) for child in children)
        ):
            found.append(task)
    return found


def _same_stage(task: Task, child: Task) -> bool:
    return bool(task.settings.get("stage_index", 0) == child.settings.get("stage_index", 0))
