"""Equal work is planned once; what differs is planned apart, and only that."""

import json
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.platform.config.compose import config_loader
from davinci.platform.config.schema import register_schema
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.task import Task
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import request_sweep
from davinci.platform.plan.sweep import plan_sweep

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def plan_of(loader: ConfigLoader, *words: str) -> Plan:
    request = request_sweep(list(words), loader, "config")
    return make_plan((arm.recipe, r) for arm in request.arms for r in arm.replicates)


def kinds(plan: Plan, kind: str) -> set[str]:
    return {digest for digest, task in plan.tasks.items() if task.kind == kind}


def test_two_levels_share_every_level_below(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "data.level=L2,L5", "seeds=3")
    assert len(plan.runs) == 6
    assert len(kinds(plan, "corpus")) == 5 * 6
    assert len(kinds(plan, "tokenizer")) == 1
    assert len(kinds(plan, "shards")) == 5 * 2
    assert len(kinds(plan, "segment")) == 6
    assert len(kinds(plan, "evaluation")) == 6 * 3


def test_another_protocol_adds_evaluations_and_trains_nothing(loader: ConfigLoader) -> None:
    before = plan_of(loader, "evaluation=ppl")
    after = plan_of(loader, "evaluation=both")
    new = set(after.tasks) - set(before.tasks)
    assert set(before.tasks) <= set(after.tasks)
    assert {after.tasks[digest].kind for digest in new} == {"evaluation"}


def test_another_second_stage_keeps_the_first(loader: ConfigLoader) -> None:
    one = plan_of(loader, "curriculum=two_stage", "seeds=1")
    other = plan_of(
        loader, "curriculum=two_stage", "curriculum.stages.1.lr_end_frac=0.5", "seeds=1"
    )
    shared = kinds(one, "segment") & kinds(other, "segment")
    assert len(shared) == 1
    assert len(kinds(one, "segment") | kinds(other, "segment")) == 3


def test_a_level_of_one_domain_leaves_the_other_domains_alone(loader: ConfigLoader) -> None:
    one = plan_of(loader, "data.level=L2", "seeds=1")
    other = plan_of(loader, "data.level=L2", "data.level_of.math=L3", "seeds=1")
    new = kinds(other, "corpus") - kinds(one, "corpus")
    assert [other.tasks[digest].settings["domain"] for digest in new] == ["math"]


def test_another_threshold_recomputes_only_what_depends_on_it(loader: ConfigLoader) -> None:
    one = plan_of(loader, "data.level=L3", "seeds=1")
    other = plan_of(loader, "data.level=L3", "data.classifier.min_keep_probability=0.4", "seeds=1")
    new = {other.tasks[d].settings["level"] for d in kinds(other, "corpus") - kinds(one, "corpus")}
    assert new == {"L3"}


def test_another_world_shares_nothing(loader: ConfigLoader) -> None:
    one = plan_of(loader, "seeds=1", "data.world_seed=0")
    other = plan_of(loader, "seeds=1", "data.world_seed=1")
    assert not set(one.tasks) & set(other.tasks)


def test_a_task_comes_after_its_inputs(loader: ConfigLoader) -> None:
    seen: set[str] = set()
    for digest, task in plan_of(loader, "data.level=L1,L5").tasks.items():
        assert set(task.inputs.values()) <= seen
        seen.add(digest)


def test_sharing_is_counted(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "data.level=L2", "seeds=2")
    # held out, corpora, tokenizer, shards and contamination, segment, evaluations
    own = 1 + 15 + 1 + 5 + 5 + 1 + 3
    assert plan.num_tasks_unshared == 2 * own
    assert len(plan.tasks) == own + 4


def test_arms_that_are_the_same_work_become_one(loader: ConfigLoader) -> None:
    words = ["data.level=L1,L2", "data.rules.min_chars=40,50", "seeds=1"]
    planned = plan_sweep(request_sweep(words, loader, "config"))
    assert list(planned.runs) == [
        "level L1, min_chars 40",
        "level L2, min_chars 40",
        "level L2, min_chars 50",
    ]
    assert planned.merged == {"level L1, min_chars 50": "level L1, min_chars 40"}
    assert [arm.label for arm in planned.request.arms] == list(planned.runs)


def test_changed_data_make_another_run_and_another_sweep(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    def digests(text: str) -> tuple[str, str]:
        line = json.dumps({"text": text * 30})
        (tmp_path / "general.jsonl").write_text(f"{line}\n" * 20)
        weights = "mixture.weights={general: 1, code: 0, math: 0, science: 0, qa: 0}"
        words = ["data=files", f"data.path={tmp_path}", weights, "seeds=1"]
        planned = plan_sweep(request_sweep(words, loader, "config"))
        return planned.digest, planned.plan.runs[0].digest

    before, after = digests("a cold morning. "), digests("a warm evening. ")
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert digests("a cold morning. ") == before


def test_a_draft_that_somebody_else_has_just_published_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(kind="corpus", settings={}, inputs={}, label="a corpus")
    layout = Layout(tmp_path)
    assert not layout.publish(task)
    layout.draft(task).mkdir(parents=True)

    def rename(draft: Path, final: Path) -> None:
        draft.replace(final)  # the other one was quicker
        raise FileNotFoundError(draft)

    monkeypatch.setattr(Path, "rename", rename)
    assert layout.publish(task)
