"""Planning around a checkpoint that is there already: one of davinci's own, or a folder."""

import json
from pathlib import Path
from typing import Any

from davinci.platform.config.recipe import Parent
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan


def plan_parent(plan: Plan, parent: Parent) -> str:
    """Add the task of a checkpoint to start from, with all it was made from; return its digest."""
    if parent.kind == "folder":
        identity = {"checkpoint": parent.digest}
        label = f"checkpoint {Path(parent.path).name}"
        return plan.add("checkpoint", identity, {}, label, {"path": parent.path})
    return _restore(plan, parent.digest, Path(parent.path).parents[2] / "tasks")


def _restore(plan: Plan, digest: str, frozen: Path) -> str:
    """Add a task and its inputs from the files that their processes were given."""
    if digest in plan.tasks:
        return digest
    document: dict[str, Any] = json.loads((frozen / f"{digest}.json").read_text())
    inputs = {name: Path(path).name for name, path in document["inputs"].items()}
    for made in inputs.values():
        _restore(plan, made, frozen)
    task = Task(
        kind=document["kind"],
        settings=document["settings"],
        inputs=inputs,
        label=document["label"],
        carried=document["carried"],
    )
    if task.digest != digest:
        raise ValueError(
            f"The checkpoint {digest[:12]} was made by an older version of davinci (its "
            f"{task.kind} is now another): export it, and start from the exported folder."
        )
    plan.tasks.setdefault(digest, task)
    return digest
