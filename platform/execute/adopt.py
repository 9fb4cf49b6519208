"""What an executor finds done already, whoever did it, and how a result gets into the store."""

from collections.abc import Callable, Collection

from sqlalchemy import Engine

from davinci.platform.execute.keep import needed_tasks, usable_artifacts
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import NO_USAGE, Usage
from davinci.platform.plan.graph import Plan
from davinci.platform.store.patience import patiently
from davinci.platform.store.write import record_result


def find_finished(
    plan: Plan,
    targets: Collection[str],
    engine: Engine,
    ledger: Ledger,
    layout: Layout,
    claim: Callable[[str], bool],
) -> set[str]:
    """Return tasks whose work is there, adopting artifacts that the ledger does not know."""
    states = ledger.states(plan.tasks)
    recorded = {digest for digest, state in states.items() if state == "done"}
    usable = usable_artifacts(plan, layout, recorded, targets)
    finished: set[str] = set()
    for digest, task in plan.tasks.items():
        if digest in usable and digest in recorded:
            finished.add(digest)
        elif digest in usable and claim(digest):
            settle(task, NO_USAGE, engine, ledger, layout)
            finished.add(digest)
    for digest in needed_tasks(plan, finished, targets):
        if digest in recorded:
            ledger.reset(digest)
    return finished


def settle(task: Task, usage: Usage, engine: Engine, ledger: Ledger, layout: Layout) -> None:
    """Read a published artifact into the store, and mark its task done."""
    artifact = layout.artifact(task)
    patiently(lambda: record_result(engine, task.digest, task.kind, artifact))
    ledger.done(task.digest, usage)
