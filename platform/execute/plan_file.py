"""A plan in a file: all that a job on another machine needs, beside the store and the artifacts.

The store's password is not in it: it goes by the environment (PGPASSWORD, PostgreSQL's own).
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import make_url

from davinci.platform.config.identity import restore
from davinci.platform.config.runtime import ExecutorRuntime, Runtime, TrainingRuntime
from davinci.platform.execute.groups import Group
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan

PASSWORD = "PGPASSWORD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """What such a file holds; `since` is when the command began (Unix time)."""

    plan: Plan
    groups: tuple[tuple[str, ...], ...]
    runtime: Runtime
    since: float


def write_plan(
    path: Path, plan: Plan, groups: Sequence[Group], runtime: Runtime, since: float
) -> None:
    """Write a plan, the groups to be worked on, and how."""
    document = {
        "tasks": [
            {
                "kind": task.kind,
                "settings": task.settings,
                "inputs": dict(task.inputs),
                "label": task.label,
                "carried": task.carried,
            }
            for task in plan.tasks.values()
        ],
        "groups": [list(group.tasks) for group in groups],
        "runtime": {
            **asdict(runtime),
            "output_dir": str(runtime.output_dir),
            "store_url": without_password(runtime.store_url),
            "mlflow_url": "",
        },
        "since": since,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(document), encoding="ascii")
    aside.rename(path)


def without_password(url: str) -> str:
    """Return a store's address without its password, which goes to the environment instead."""
    parsed = make_url(url)
    if parsed.password:
        os.environ[PASSWORD] = str(parsed.password)
        parsed = parsed._replace(password=None)  # `set` keeps what it is given None for
    return parsed.render_as_string(hide_password=False)


def read_plan(path: Path) -> PlanFile:
    """Return what `write_plan` wrote."""
    document = json.loads(path.read_text(encoding="ascii"))
    plan = Plan()
    for row in document["tasks"]:
        task = Task(**row)
        plan.tasks[task.digest] = task
    own = document["runtime"]
    runtime = Runtime(
        output_dir=Path(own["output_dir"]),
        store_url=own["store_url"],
        mlflow_url="",
        corpus_workers=own["corpus_workers"],
        keep=own["keep"],
        training=restore(TrainingRuntime, own["training"]),
        executor=restore(ExecutorRuntime, own["executor"]),
    )
    groups = tuple(tuple(group) for group in document["groups"])
    return PlanFile(plan=plan, groups=groups, runtime=runtime, since=document["since"])
