"""Which tasks can start, what a failure takes with it, and what goes to a cluster together."""

from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.platform.config.compose import config_loader
from davinci.platform.config.runtime import ExecutorRuntime, Runtime, TrainingRuntime
from davinci.platform.config.schema import register_schema
from davinci.platform.execute.groups import Resources, group_tasks, resources_of
from davinci.platform.execute.plan_file import read_plan, write_plan
from davinci.platform.execute.queue import Queue
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.points import request_sweep
from davinci.platform.plan.sweep import plan_sweep


@pytest.fixture
def plan() -> Plan:
    """Return a diamond with a tail: a -> b, c -> d -> e; and f alone."""
    plan = Plan()
    a = plan.add("held_out", {"n": "a"}, {}, "a")
    b = plan.add("corpus", {"n": "b"}, {"x": a}, "b")
    c = plan.add("corpus", {"n": "c"}, {"x": a}, "c")
    d = plan.add("shards", {"n": "d"}, {"x": b, "y": c}, "d")
    plan.add("shards", {"n": "e"}, {"x": d}, "e")
    plan.add("held_out", {"n": "f"}, {}, "f")
    return plan


def named(plan: Plan, label: str) -> str:
    return next(digest for digest, task in plan.tasks.items() if task.label == label)


def ready(queue: Queue) -> str:
    return "".join(task.label for task in queue.ready())


def test_a_task_is_ready_when_its_inputs_are_done(plan: Plan) -> None:
    queue = Queue(plan.tasks, plan.tasks)
    assert ready(queue) == "af"
    queue.take(named(plan, "a"))
    assert ready(queue) == "f"
    queue.finish(named(plan, "a"))
    assert ready(queue) == "fbc"
    queue.finish(named(plan, "b"))  # by somebody else
    assert ready(queue) == "fc"
    queue.take(named(plan, "c"))
    queue.put_back(named(plan, "c"))
    assert ready(queue) == "fc"
    for label in "cdef":
        queue.finish(named(plan, label))
    assert not queue


def test_what_is_done_already_is_waited_for_by_nobody(plan: Plan) -> None:
    queue = Queue(plan.tasks, [named(plan, "d"), named(plan, "e")])
    assert ready(queue) == "d"


def test_a_failure_takes_all_that_needs_it_and_nothing_else(plan: Plan) -> None:
    queue = Queue(plan.tasks, plan.tasks)
    queue.finish(named(plan, "a"))
    queue.take(named(plan, "b"))
    lost = queue.give_up(named(plan, "b"))
    assert [plan.tasks[digest].label for digest in lost] == ["d", "e"]
    assert ready(queue) == "fc"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(Path(__file__).resolve().parents[2] / "conf")


def planned(loader: ConfigLoader, *words: str) -> Plan:
    return plan_sweep(request_sweep(list(words), loader, "config")).plan


def test_groups_hold_every_task_once_and_each_comes_after_its_inputs(loader: ConfigLoader) -> None:
    plan = planned(
        loader,
        *("data.level=L1,L2", "curriculum=two_stage", "curriculum.stages.1.qa_frac=0.1,0.2"),
        *("seeds=2", "evaluation.trajectory=[bpb]"),
    )
    groups = group_tasks(plan.tasks, plan.tasks)
    assert sorted(d for group in groups for d in group.tasks) == sorted(plan.tasks)
    own = {digest: number for number, group in enumerate(groups) for digest in group.tasks}
    for number, group in enumerate(groups):
        for digest in group.tasks:
            for made in plan.tasks[digest].inputs.values():
                assert own[made] == number or own[made] in group.inputs
        assert all(groups[before].wave < group.wave for before in group.inputs)
    # Data are one job; a trunk each for two levels and two seeds, and two branches of each.
    assert [group.trains for group in groups] == [False] + [True] * 12
    kinds = [{plan.tasks[digest].kind for digest in group.tasks} for group in groups[1:]]
    assert all(found == {"segment", "evaluation"} for found in kinds)


def test_an_adaptive_run_is_one_job(loader: ConfigLoader) -> None:
    plan = planned(loader, "curriculum=adaptive", "scale.tokens=200000", "seeds=1")
    groups = group_tasks(plan.tasks, plan.tasks)
    assert [group.trains for group in groups] == [False, True]


def test_a_job_asks_for_what_its_tasks_need() -> None:
    plan = Plan()
    plan.add("segment", {"n": 1}, {}, "train")
    [group] = group_tasks(plan.tasks, plan.tasks)
    eight = TrainingRuntime(devices=8, num_threads=4)
    assert resources_of(group, eight, 0, True) == Resources(nodes=1, processes=1, cpus=32, gpus=8)
    two = TrainingRuntime(devices=8, num_nodes=2, num_threads=4)
    assert resources_of(group, two, 0, True) == Resources(nodes=2, processes=8, cpus=32, gpus=8)
    assert resources_of(group, eight, 3, False) == Resources(nodes=1, processes=1, cpus=3, gpus=0)


def test_a_plan_comes_back_from_its_file_and_the_password_stays_out(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    runtime = Runtime(
        output_dir=tmp_path,
        store_url="postgresql+psycopg://ann:s3cret@localhost/x",
        mlflow_url="https://ann:s3cret@mlflow",
        corpus_workers=2,
        keep="stages",
        training=TrainingRuntime(devices=2),
        executor=ExecutorRuntime(name="slurm", setup=("module load cuda",)),
    )
    groups = group_tasks(plan.tasks, plan.tasks)
    write_plan(tmp_path / "plan.json", plan, groups, runtime, 12.5)
    assert "s3cret" not in (tmp_path / "plan.json").read_text()
    found = read_plan(tmp_path / "plan.json")
    assert found.plan.tasks == plan.tasks
    assert list(found.plan.tasks) == list(plan.tasks)
    assert found.groups == tuple(group.tasks for group in groups)
    assert found.since == 12.5
    assert found.runtime.training == runtime.training
    assert found.runtime.executor == runtime.executor
    assert found.runtime.store_url == "postgresql+psycopg://ann@localhost/x"
