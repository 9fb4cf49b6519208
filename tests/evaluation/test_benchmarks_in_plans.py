"""Benchmarks in recipes and plans: named, checked, their data taken once, trained for never."""

import json
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

import davinci.data_levels.sandbox.run as sandbox
from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.recipe import Recipe
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import request_run, request_sweep

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def recipe_of(loader: ConfigLoader, *words: str) -> Recipe:
    return request_run(list(words), loader, "config").arms[0].recipe


def plan_of(loader: ConfigLoader, *words: str) -> Plan:
    request = request_sweep(list(words), loader, "config")
    return make_plan((arm.recipe, r) for arm in request.arms for r in arm.replicates)


def problem_of(loader: ConfigLoader, *words: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        recipe_of(loader, *words)
    [problem] = caught.value.problems
    return problem


def new_kinds(after: Plan, before: Plan) -> set[str]:
    return {after.tasks[digest].kind for digest in set(after.tasks) - set(before.tasks)}


def test_davinci19_is_asked_as_the_paper_prints_it(loader: ConfigLoader, mirror: Path) -> None:
    recipe = recipe_of(loader, "evaluation=davinci19", f"evaluation.mirror={mirror}")
    asked = recipe.evaluation.benchmarks
    assert len(asked) == 19
    assert {b.name for b in asked if b.protocols == ("ppl",)} == {
        "mmlu", "openbookqa", "piqa", "gpqa", "mmlu_stem",
    }  # fmt: skip
    assert all(len(b.data) == 64 and b.shots == -1 and b.harness for b in asked)
    both = recipe_of(loader, "evaluation=davinci19_both", f"evaluation.mirror={mirror}")
    assert all(b.protocols == ("ppl", "generative") for b in both.evaluation.benchmarks)


def test_a_benchmark_added_afterwards_computes_its_data_and_evaluations_alone(
    loader: ConfigLoader, mirror: Path
) -> None:
    words = (f"evaluation.mirror={mirror}", "data.level=L2,L3", "seeds=2")
    before = plan_of(loader, *words)
    ranked = plan_of(loader, *words, "evaluation.benchmarks=[piqa@ppl]")
    assert set(before.tasks) <= set(ranked.tasks)
    assert new_kinds(ranked, before) == {"benchmark", "evaluation"}
    assert len(ranked.tasks) - len(before.tasks) == 1 + 4  # its data once, and every checkpoint
    both = plan_of(loader, *words, "evaluation.benchmarks=[piqa]")
    assert new_kinds(both, ranked) == {"evaluation"}
    assert len(both.tasks) - len(ranked.tasks) == 4
    shots = plan_of(loader, *words, "evaluation.benchmarks=[piqa]", "evaluation.shots=3")
    assert new_kinds(shots, both) == {"evaluation"}


def test_checkpoints_along_training_are_asked_a_part(loader: ConfigLoader, mirror: Path) -> None:
    plan = plan_of(
        loader,
        f"evaluation.mirror={mirror}",
        "evaluation.benchmarks=[piqa]",
        "evaluation.trajectory=[bpb,ppl]",
        "evaluation.trajectory_items=5",
        "curriculum.stages.0.checkpoints=3",
        "seeds=1",
    )
    [run] = plan.runs
    settings = {
        role: plan.tasks[digest].settings["evaluation"]
        for role, digest in run.tasks.items()
        if role.startswith(("trajectory.", "evaluation."))
    }
    assert settings["trajectory.000.ppl.piqa"]["max_items"] == 5
    assert settings["trajectory.001.ppl"]["max_items"] == 5
    assert "trajectory.000.generative.piqa" not in settings
    assert "max_items" not in settings["evaluation.ppl.piqa"]
    assert "benchmarks" not in settings["evaluation.ppl"]


def test_another_server_evaluates_again_and_trains_nothing(
    loader: ConfigLoader, mirror: Path
) -> None:
    asked = ("evaluation.benchmarks=[piqa@ppl]", f"evaluation.mirror={mirror}")
    words = ("data.level=L2", "seeds=1", "evaluation.trajectory=[]", *asked)
    served = (*words, "evaluation.server='sh serve.sh {model} {port}'")
    before, after = plan_of(loader, *words), plan_of(loader, *served)
    assert new_kinds(after, before) == {"evaluation"}
    assert len(set(after.tasks) - set(before.tasks)) == 4  # one for each protocol, and piqa


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("vllm serve {model}", "must have {port}"),
        ("nowhere-to-be-found {model} {port}", "no program 'nowhere-to-be-found'"),
        ("sh '{model} {port}", "cannot be split"),
    ],
)
def test_a_server_that_cannot_be_started_is_refused_before_any_work(
    loader: ConfigLoader, command: str, says: str
) -> None:
    quoted = command.replace("'", "\\'")
    problem = problem_of(loader, f"evaluation.server='{quoted}'")
    assert problem.field == "evaluation.server"
    assert says in problem.rule


def test_where_the_data_lie_changes_no_identity(
    loader: ConfigLoader, mirror: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    other.symlink_to(mirror)
    plans = [
        plan_of(loader, f"evaluation.mirror={place}", "evaluation.benchmarks=[piqa]", "seeds=1")
        for place in (mirror, other)
    ]
    assert set(plans[0].tasks) == set(plans[1].tasks)


def test_other_data_are_another_benchmark(loader: ConfigLoader, tmp_path: Path) -> None:
    digests = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "items.jsonl").write_text(json.dumps({"text": f"a {number}"}) + "\n")
        (folder / "mine.yaml").write_text(
            "task: mine\ndataset_path: json\ntest_split: test\n"
            "dataset_kwargs: {data_files: {test: items.jsonl}}\n"
            "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
        )
        path = folder / "mine.yaml"
        recipe = recipe_of(loader, f"evaluation.benchmarks=[{path}@ppl]")
        [benchmark] = recipe.evaluation.benchmarks
        assert (benchmark.name, benchmark.path) == ("mine", str(path))
        digests.append(benchmark.data)
    assert digests[0] != digests[1]


def test_a_source_without_items_is_ranked_on_benchmarks_alone(
    loader: ConfigLoader, mirror: Path
) -> None:
    words = ("data=pylib", "data.level=L1", f"evaluation.mirror={mirror}", "seeds=1")
    with pytest.raises(ConfigError, match="no items to rank"):
        plan_of(loader, *words, "evaluation=ppl")
    plan = plan_of(loader, *words, "evaluation=ppl", "evaluation.benchmarks=[piqa]")
    [run] = plan.runs
    asked = {role for role in run.tasks if role.startswith("evaluation.")}
    assert asked == {"evaluation.bpb", "evaluation.ppl.piqa"}


@pytest.mark.parametrize(
    ("words", "field", "text"),
    [
        (("evaluation.benchmarks=[hellaswagg]",), "evaluation.benchmarks", "hellaswag"),
        (("evaluation.benchmarks=[piqa@bpb]",), "evaluation.benchmarks", "ppl, generative"),
        (("evaluation.benchmarks=[nowhere/x.yaml]",), "evaluation.benchmarks", "task file"),
        (("evaluation=bpb", "evaluation.benchmarks=[piqa]"), "evaluation.benchmarks", "neither"),
        (("evaluation.benchmarks=[piqa@ppl,piqa@generative]",), "evaluation.benchmarks", "another"),
        (("evaluation.shots=-2",), "evaluation.shots", "between 0 and 100"),
        (("evaluation.num_samples=0",), "evaluation.num_samples", "above 0"),
        (("evaluation.temperature=0",), "evaluation.temperature", "between"),
        (("evaluation.trajectory_items=-1",), "evaluation.trajectory_items", "negative"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(
    loader: ConfigLoader, words: tuple[str, ...], field: str, text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_of(loader, *words)
    problem = caught.value.problems[0]
    assert problem.field == field
    assert text in str(problem)


def test_a_mirror_that_lacks_the_data_is_refused_before_any_work(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    problem = problem_of(loader, "evaluation.benchmarks=[piqa]", f"evaluation.mirror={tmp_path}")
    assert "holds no baber/piqa" in problem.rule


def test_a_machine_that_cannot_isolate_programs_is_told_before_any_work(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.isolation.cache_clear()
    monkeypatch.setattr(sandbox, "UNSHARE", ("unshare", "--no-such-namespace"))
    problem = problem_of(loader, "evaluation=generative")
    assert (problem.field, problem.value) == ("evaluation.protocols", "generative")
    assert "user namespaces" in problem.rule
    assert recipe_of(loader, "evaluation=ppl")
    assert recipe_of(loader, "data=pylib", "data.level=L1", "evaluation=bpb")
    sandbox.isolation.cache_clear()
