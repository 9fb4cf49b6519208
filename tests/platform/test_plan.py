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


def roles(plan: Plan, kind: str) -> list[str]:
    return sorted(role for role in plan.runs[0].tasks if role.partition(".")[0] == kind)


def test_checkpoints_before_the_last_are_scored_along_the_way(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "curriculum=davinci", "seeds=1")
    assert len(roles(plan, "segment")) == 12
    scored = roles(plan, "trajectory")
    assert len(scored) == 9
    assert {role.rpartition(".")[2] for role in scored} == {"bpb"}
    final = plan.tasks[plan.runs[0].tasks["evaluation.ppl"]].inputs["segment"]
    assert final == plan.runs[0].tasks["segment.011"]
    none = plan_of(loader, "curriculum=davinci", "seeds=1", "evaluation.trajectory=[]")
    assert roles(none, "trajectory") == []
    assert kinds(none, "segment") == kinds(plan, "segment")


def test_eight_second_stages_share_the_first(loader: ConfigLoader) -> None:
    shares = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7"
    plan = plan_of(
        loader, "curriculum=two_stage", f"curriculum.stages.1.qa_frac={shares}", "seeds=1"
    )
    assert len(plan.runs) == 8
    assert len(kinds(plan, "segment")) == 1 + 8
    assert len({run.tasks["segment.000"] for run in plan.runs}) == 1


def test_a_longer_run_at_constant_rate_goes_on_from_the_checkpoints_of_a_shorter(
    loader: ConfigLoader,
) -> None:
    stage = "{name: main, tokens_frac: 1.0, warmup_frac: 0.05, checkpoints: %d}"
    short = plan_of(loader, f"curriculum.stages=[{stage % 4}]", "seeds=1")
    words = ["scale.tokens=2097152", "seeds=1"]
    long_ = plan_of(loader, f"curriculum.stages=[{stage % 8}]".replace("0.05", "0.025"), *words)
    assert kinds(short, "segment") < kinds(long_, "segment")


def test_a_level_of_one_stage_has_shards_of_its_own_there(loader: ConfigLoader) -> None:
    words = ("curriculum=two_stage", "data.level=L2", "curriculum.stages.1.level_of.math=L5")
    plan = plan_of(loader, *words, "seeds=1")
    tasks = plan.runs[0].tasks
    assert tasks["shards.math@L5"] != tasks["shards.math"]
    first, second = (plan.tasks[tasks[f"segment.00{number}"]].inputs for number in (0, 1))
    assert first["shards.math"] == tasks["shards.math"]
    assert second["shards.math"] == tasks["shards.math@L5"]
    assert second["shards.qa"] == first["shards.qa"]
    assert "contamination.math@L5" in tasks


def test_an_adaptive_run_decides_between_checkpoint_and_segment(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "curriculum=adaptive", "seeds=1", "curriculum.stages.0.checkpoints=8")
    tasks = {role: plan.tasks[digest] for role, digest in plan.runs[0].tasks.items()}
    decisions = [tasks[role] for role in sorted(tasks) if role.startswith("decision.")]
    assert len(decisions) == 7
    assert "previous" not in decisions[0].inputs
    assert decisions[1].inputs["previous"] == decisions[0].digest
    watched = plan.tasks[decisions[1].inputs["evaluation"]]
    assert watched.settings["evaluation"]["items"] == "watched"
    following = tasks["segment.002"]
    assert following.inputs["decision"] == decisions[1].digest
    assert following.settings["weights"] == {}
    assert {name for name in following.inputs if name.startswith("shards.")} == {
        f"shards.{domain}" for domain in ("general", "code", "math", "science", "qa")
    }
    steered = tasks["evaluation.bpb"].settings["evaluation"]
    free = tasks["evaluation.ppl"].settings["evaluation"]
    assert (steered["items"], free.get("items")) == ("unwatched", None)
