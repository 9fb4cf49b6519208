"""Which checkpoints go, and that nothing is lost that is still needed."""

from pathlib import Path

import pytest

from davinci.platform.execute.keep import may_prune, needed_tasks, usable_artifacts, users_of
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan


@pytest.fixture
def plan() -> Plan:
    """Return three segments in a row, the last of another stage, each scored."""
    plan, parent = Plan(), ""
    for number, stage in enumerate((0, 0, 1)):
        inputs = {"parent": parent} if parent else {}
        settings = {"stage_index": stage, "number": number}
        parent = plan.add("segment", settings, inputs, f"segment {number}")
        plan.add("evaluation", {"number": number}, {"segment": parent}, f"score {number}")
    return plan


def prunable(plan: Plan, done: set[str], keep: str) -> list[Task]:
    users = users_of(plan)
    return [t for t in plan.tasks.values() if may_prune(t, users, done, keep)]  # type: ignore[arg-type]


def named(plan: Plan, label: str) -> Task:
    return next(task for task in plan.tasks.values() if task.label == label)


def make(layout: Layout, task: Task) -> None:
    folder = layout.artifact(task)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_text("weights")
    (folder / "optimizer").mkdir()
    (folder / "result.json").write_text("{}")


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("all", []), ("stages", ["segment 0"]), ("last", ["segment 0", "segment 1"])],
)
def test_what_a_policy_gives_up_when_all_is_done(
    plan: Plan, keep: str, expected: list[str]
) -> None:
    found = prunable(plan, set(plan.tasks), keep)
    assert [task.label for task in found] == expected


def test_nothing_goes_that_somebody_waits_for(plan: Plan) -> None:
    done = set(plan.tasks) - {named(plan, "score 0").digest}
    assert [task.label for task in prunable(plan, done, "last")] == ["segment 1"]


def test_a_pruned_checkpoint_keeps_its_result_and_counts_as_done(
    plan: Plan, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    for task in plan.tasks.values():
        make(layout, task)
    first = named(plan, "segment 0")
    layout.prune(first)
    assert sorted(path.name for path in layout.artifact(first).iterdir()) == [
        "pruned",
        "result.json",
    ]
    assert usable_artifacts(plan, layout) == set(plan.tasks)


def test_what_is_made_from_a_pruned_checkpoint_makes_it_be_computed_again(
    plan: Plan, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    for task in plan.tasks.values():
        make(layout, task)
    first, second = named(plan, "segment 0"), named(plan, "segment 1")
    layout.prune(first)
    layout.prune(second)
    more = plan.add("evaluation", {"new": True}, {"segment": second.digest}, "another score")
    missing = set(plan.tasks) - usable_artifacts(plan, layout)
    assert missing == {more, second.digest, first.digest}
    draft = layout.draft(second)
    draft.mkdir(parents=True)
    (draft / "model").mkdir()
    assert layout.publish(second)
    assert layout.has_weights(second)


def test_a_result_that_the_store_has_is_enough_where_nothing_is_made_from_it(
    plan: Plan, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    assert usable_artifacts(plan, layout, recorded=set(plan.tasks)) == set(plan.tasks)
    last = named(plan, "score 2")
    missing = set(plan.tasks) - usable_artifacts(plan, layout, set(plan.tasks) - {last.digest})
    assert {plan.tasks[d].label for d in missing} == {
        *("score 2", "segment 0", "segment 1", "segment 2")
    }


def test_only_what_the_targets_need_is_computed(plan: Plan, tmp_path: Path) -> None:
    target = named(plan, "score 1").digest
    usable = usable_artifacts(plan, Layout(tmp_path), targets=[target])
    labels = [plan.tasks[digest].label for digest in needed_tasks(plan, usable, [target])]
    assert labels == ["segment 0", "segment 1", "score 1"]
