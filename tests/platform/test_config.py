"""What a user says becomes a recipe, or one clear error; nothing in between."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError, Problem, redact
from davinci.platform.config.identity import digest
from davinci.platform.config.roles import role_of
from davinci.platform.config.schema import Config, register_schema
from davinci.platform.plan.points import Request, request_run, request_sweep

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def run_of(loader: ConfigLoader, *words: str) -> Request:
    return request_run(list(words), loader, "config")


def recipe_digest(loader: ConfigLoader, *words: str) -> str:
    return digest(run_of(loader, *words).arms[0].recipe)


def problems_of(loader: ConfigLoader, *words: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        run_of(loader, *words)
    return caught.value.problems


BAD_INPUT = [
    ("data.level=L11", "data.level", "Did you mean L1?"),
    ("mixture=maths", "mixture", "Did you mean math_heavy?"),
    ("mixture.weights.qa=-0.1", "mixture.weights.qa", "negative"),
    ("mixture.weights.qa=0.5", "mixture.weights", "sum to 1.3"),
    ("data.level_of.cooking=L2", "data.level_of.cooking", "general, code, math, science, qa"),
    ("data.level_of.math=L9", "data.level_of.math", "L0, L1, L2"),
    ("data.levle=L2", "data.levle", "Did you mean level?"),
    ("+data.levle=L2", "data.levle", "Did you mean level?"),
    ("cake=1", "cake", "data, mixture, curriculum"),
    ("scale.tokens=many", "scale.tokens", "Integer"),
    ("scale.tokens=0", "scale.tokens", "above 0"),
    ("scale.batch_tokens=100", "scale.batch_tokens", "multiple of scale.context_length"),
    ("evaluation.protocols=[pppl]", "evaluation.protocols", "Did you mean ppl?"),
    ("trainer.devices=3", "trainer.devices", "cannot share the 4 sequences"),
    ("trainer.devices=0", "trainer.devices", "above 0"),
    ("trainer.strategy=fdsp", "trainer.strategy", "Did you mean fsdp?"),
    ("trainer.keep=none", "trainer.keep", "all, stages, last"),
    ("curriculum=davincy", "curriculum", "Did you mean davinci?"),
    ("curriculum.stages.0.tokens_frac=0", "curriculum.stages.0.tokens_frac", "above 0"),
    ("curriculum.stages.0.qa_frac=2", "curriculum.stages.0.qa_frac", "between 0 and 1"),
    ("curriculum.stages.0.level=L11", "curriculum.stages.0.level", "Did you mean L1?"),
    ("curriculum.stages.0.schedule=wds", "curriculum.stages.0.schedule", "Did you mean wsd?"),
    ("curriculum.stages.0.batch=0", "curriculum.stages.0.batch", "above 0"),
    ("curriculum.stages.0.checkpoints=9999", "curriculum.stages.0.checkpoints", "2048 optimizer"),
    ("curriculum.stages.0.level=L9", "curriculum.stages.0.level", "L0, L1, L2"),
    ("curriculum.parent=abcdef01", "curriculum.parent", "no such checkpoint"),
    ("trainer.beta1=2", "trainer.beta1", "between 0 and"),
    ("trainer.grad_clip_norm=-1", "trainer.grad_clip_norm", "above 0"),
    ("trainer.micro_batch_size=3", "trainer.micro_batch_size", "divide the 4 sequences"),
    ("trainer.weight_decay=nan", "trainer.weight_decay", "finite"),
    ("scale.lr_peak=inf", "scale.lr_peak", "finite"),
    ("mixture.weights.qa=nan", "mixture.weights.qa", "finite"),
    ("scale.vocab_size=100", "scale.vocab_size", "at least 257"),
    ("scale.head_dim=15", "scale.head_dim", "even"),
    ("scale.rms_norm_eps=-1", "scale.rms_norm_eps", "above 0"),
    ("scale.warmup_frac=0.99", "scale.warmup_frac", "between 0 and 0.5"),
    ("data.teacher.base_url=http://me:pw@h/v1", "data.teacher.base_url", "://***@h/v1"),
    ("trainer.precision=fp7", "trainer.precision", "bf16-mixed"),
    ("curriculum.stages=[]", "curriculum.stages", "at least one stage"),
    ("seeds=0", "seeds", "above 0"),
    ("data.level=L2,L3", "data.level", "-m"),
    ("data=[", "data=[", "field=value"),
]


@pytest.mark.parametrize(("word", "field", "hint"), BAD_INPUT)
def test_bad_input_is_one_problem_that_names_field_and_choices(
    loader: ConfigLoader, word: str, field: str, hint: str
) -> None:
    problems = problems_of(loader, word)
    assert [p.field for p in problems] == [field]
    assert hint in str(problems[0])


def test_a_level_that_the_source_cannot_reach_is_refused(loader: ConfigLoader) -> None:
    [problem] = problems_of(loader, "data=pylib", "data.level=L5")
    assert problem.allowed == ("L0", "L1", "L2", "L3")
    assert "data.teacher.kind=endpoint" in str(problem)


ADAPTIVE = [
    ("curriculum.controller.window=2", "curriculum.controller.window", "between 4 and 1000"),
    ("curriculum.controller.window=16", "curriculum.controller.window", "15 checkpoints before"),
    ("curriculum.controller.protocol=pp", "curriculum.controller.protocol", "Did you mean ppl?"),
    ("curriculum.controller.qa_fracs=[2]", "curriculum.controller.qa_fracs", "between 0 and 1"),
    ("data=pylib curriculum.controller.protocol=ppl evaluation=bpb",
     "curriculum.controller.protocol", "no items to rank"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "field", "hint"), ADAPTIVE)
def test_a_controller_that_cannot_decide_is_refused(
    loader: ConfigLoader, words: str, field: str, hint: str
) -> None:
    [problem] = problems_of(loader, "curriculum=adaptive", *words.split())
    assert problem.field == field
    assert hint in str(problem)


def test_a_stage_that_weighs_a_domain_without_data_is_named(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    (tmp_path / "general.jsonl").write_text('{"text": "x"}\n')
    words = ["data=files", f"data.path={tmp_path}", "evaluation=bpb", "curriculum=two_stage"]
    words.append("mixture.weights={general: 1, code: 0, math: 0, science: 0, qa: 0}")
    found = {problem.field for problem in problems_of(loader, *words)}
    assert "curriculum.stages.1.weights.qa" in found
    assert not any(field.startswith("mixture") for field in found)


def test_a_chain_of_levels_is_one_recipe_however_it_is_written(loader: ConfigLoader) -> None:
    one, other = (run_of(loader, f"data.level={name}").arms[0].recipe for name in ("L4", "L3+L4"))
    assert digest(one) == digest(other)
    assert one.data.levels["math"] == "L4"
    mixed = run_of(loader, "data.level=L2+L4+L3", "data.level_of.qa=L3").arms[0].recipe
    assert (mixed.data.levels["math"], mixed.data.levels["qa"]) == ("L2+L4+L3", "L3")
    [problem] = problems_of(loader, "data.level=L2+L1")
    assert "goes through L0 and L1 once" in str(problem)


def test_the_papers_pool_needs_no_teacher_for_what_was_published(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    for name in ("megamath-web", "megamath-refined"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text('{"text": "x"}\n')
    words = ["data=davinci", f"data.path={tmp_path}", "data.level_of.math=L4"]
    words.append("data.entries=[megamath-web,megamath-refined]")
    words += [f"mixture.weights.{domain}=0" for domain in ("general", "code", "science", "qa")]
    words.append("mixture.weights.math=1")
    assert run_of(loader, *words).arms
    for more in ("data.level_of.math=L2+L4", "data.below=process"):
        problems = problems_of(loader, *words, more)
        assert any("needs a teacher" in problem.rule for problem in problems), more


def test_levels_that_would_drop_a_whole_domain_are_refused(loader: ConfigLoader) -> None:
    words = ["data.teacher.kind=endpoint", "data.teacher.base_url=http://h/v1"]
    problems = problems_of(loader, *words, "data.teacher.model=m", "data.level=L8")
    assert len(problems) == 3
    assert all("such as L6+L8" in problem.rule for problem in problems)
    [problem] = problems_of(loader, "data=pylib", "data.level=L9")
    assert "L3+L9 does without" in problem.rule
    assert run_of(loader, "data=pylib", "data.level=L3+L9").arms


def test_where_a_teacher_answers_does_not_change_the_recipe(loader: ConfigLoader) -> None:
    words = ("data.level=L4", "data.teacher.kind=endpoint", "data.teacher.model=m")
    one, other = (
        run_of(loader, *words, f"data.teacher.base_url=http://{host}/v1", more).arms[0].recipe
        for host, more in (
            ("a", "data.teacher.concurrency=1"),
            ("b", "data.teacher.max_total_tokens=3"),
        )
    )
    assert digest(one) == digest(other)
    assert one.data.level_settings.teacher.cache_dir.endswith("teacher_cache")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data.completion.task=explian", "explain"),
        ("data.on_violation=ignore", "drop"),
        ("data.refinement.mode=cleen", "clean"),
        ("data.environment.maker=docs", "doctest"),
        ("data.ecosystem.cast=students", "teacher_student"),
        ("data.world.generator=miniworld", "microworld"),
        ("data.classifier.kind=bert", "trained"),
        ("data.rules.published=[gofer]", "gopher_quality"),
    ],
)
def test_settings_of_levels_are_checked_before_anything_runs(
    loader: ConfigLoader, override: str, named: str
) -> None:
    [problem] = problems_of(loader, override)
    assert override.split("=")[0] in str(problem)
    assert named in str(problem)


def test_an_endpoint_teacher_lets_any_source_reach_l5(loader: ConfigLoader) -> None:
    words = (
        "data.teacher.kind=endpoint",
        "data.teacher.base_url=http://h/v1",
        "data.teacher.model=m",
    )
    assert run_of(loader, "data=pylib", "data.level=L5", *words).arms


def test_missing_data_files_are_named_before_anything_is_read(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    [problem] = problems_of(loader, "data=files", f"data.path={tmp_path / 'nowhere'}")
    assert "data.path" in str(problem)
    [problem] = problems_of(loader, "data=files")
    assert problem.field == "data.path"


def test_all_problems_of_a_configuration_come_together(loader: ConfigLoader) -> None:
    problems = problems_of(loader, "mixture=maths", "data.level=L11", "seeds=0")
    assert {p.field for p in problems} == {"mixture", "data.level", "seeds"}


def test_all_bad_points_of_a_sweep_come_together(loader: ConfigLoader) -> None:
    with pytest.raises(ConfigError) as caught:
        request_sweep(["data.level=L2,L11,L12", "mixture=uniform,maths"], loader, "config")
    assert {p.value for p in caught.value.problems} == {"L11", "L12", "maths"}


def test_a_grid_beyond_all_measure_is_refused_with_its_size(loader: ConfigLoader) -> None:
    with pytest.raises(ConfigError, match="1,000,000 points"):
        request_sweep(["seed=range(1000)", "scale.tokens=range(1000)"], loader, "config")


def test_a_sweep_gives_one_arm_per_point_and_three_seeds_each(loader: ConfigLoader) -> None:
    words = ["data.level=L2,L5", "mixture=math_heavy", "output_dir=elsewhere"]
    request = request_sweep(words, loader, "config")
    assert [arm.label for arm in request.arms] == ["L2", "L5"]
    assert [r.seed for r in request.arms[0].replicates] == [0, 1, 2]
    assert request.axes == {"data.level": ("L2", "L5")}
    assert request.fixed == ("mixture=math_heavy",)
    assert request.baseline == "L2"


def test_a_source_without_worlds_refuses_to_repeat_them(loader: ConfigLoader) -> None:
    assert [p.field for p in problems_of(loader, "data=pylib", "worlds=3")] == ["worlds"]
    assert problems_of(loader, "data=pylib", "data.world_seed=1")[0].field == "data.world_seed"


def test_a_stage_without_a_step_is_refused(loader: ConfigLoader) -> None:
    [problem] = problems_of(loader, "curriculum=two_stage", "scale.tokens=1024")
    assert problem.field == "curriculum.stages.1"


def test_every_curriculum_trains_the_same_tokens(loader: ConfigLoader) -> None:
    for tokens in (4096, 5000, 99999):
        for curriculum in ("single", "constant", "two_stage"):
            words = (f"curriculum={curriculum}", f"scale.tokens={tokens}")
            recipe = run_of(loader, *words).arms[0].recipe
            assert sum(stage.tokens for stage in recipe.stages) == tokens // 512 * 512


def test_only_the_swept_kind_of_replicate_is_pinned(loader: ConfigLoader) -> None:
    request = request_sweep(["seed=4,7", "worlds=2"], loader, "config")
    pairs = [(r.world_seed, r.seed) for r in request.arms[0].replicates]
    assert pairs == [(0, 4), (0, 7), (1, 4), (1, 7)]
    request = request_sweep(["data.world_seed=5", "seeds=2"], loader, "config")
    assert [(r.world_seed, r.seed) for r in request.arms[0].replicates] == [(5, 0), (5, 1)]


def test_swept_seeds_are_replicates_and_not_arms(loader: ConfigLoader) -> None:
    request = request_sweep(["seed=4,7", "data.world_seed=0,1"], loader, "config")
    assert len(request.arms) == 1
    pairs = [(r.world_seed, r.seed) for r in request.arms[0].replicates]
    assert pairs == [(0, 4), (0, 7), (1, 4), (1, 7)]


def test_a_value_and_a_group_choice_that_mean_the_same_are_the_same_recipe(
    loader: ConfigLoader,
) -> None:
    weights = {"general": 0.15, "code": 0.15, "math": 0.45, "science": 0.15, "qa": 0.10}
    spelled = [f"mixture.weights.{domain}={weight}" for domain, weight in weights.items()]
    assert recipe_digest(loader, "mixture=math_heavy") == recipe_digest(loader, *spelled)
    every = [f"data.level_of.{d}=L5" for d in ("general", "code", "math", "science", "qa")]
    assert recipe_digest(loader, "data.level=L5") == recipe_digest(loader, *every)


def test_an_unknown_baseline_is_refused_with_the_arms(loader: ConfigLoader) -> None:
    with pytest.raises(ConfigError, match=r"sweep\.baseline=L3.*L2, L5"):
        request_sweep(["data.level=L2,L5", "sweep.baseline=L3"], loader, "config")


CHANGED: dict[str, Any] = {
    "data.level": "L1", "data.level_of.math": "L0", "data.documents": 7, "data.world_seed": 5,
    "data.rules.min_chars": 5, "data.classifier.min_keep_probability": 0.3,
    "data.teacher.temperature": 0.5, "curriculum": "two_stage", "evaluation": "ppl",
    "evaluation.max_items": 3, "scale.lr_peak": 0.5, "scale.warmup_frac": 0.3,
    "trainer.precision": "bf16-mixed", "trainer.beta1": 0.5, "trainer.weight_decay": 0.01,
    "trainer.accelerator": "cpu", "trainer.num_threads": 2,
    "trainer.micro_batch_size": 1, "trainer.log_interval_steps": 3, "executor.workers": 1,
    "store.mlflow": "false", "store.url": "sqlite:///x.db", "sweep.name": "x",
    "sweep.dry_run": "true",
    "mixture.name": "other", "scale.name": "other", "seed": 4, "seeds": 9, "worlds": 2,
    "output_dir": "elsewhere",
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGED)
def test_a_field_changes_the_recipe_exactly_when_its_role_is_identity(
    loader: ConfigLoader, field: str
) -> None:
    changed = recipe_digest(loader, f"{field}={CHANGED[field]}") != recipe_digest(loader)
    assert changed == (role_of(Config, field) in ("identity", "group"))


def test_every_field_of_the_schema_has_a_role() -> None:
    def roles(cls: Any, inherited: str = "") -> list[str]:
        found = []
        for field in dataclasses.fields(cls):
            assert field.metadata["role"] in ("identity", "replicate", "runtime", "cosmetic")
            nested = [t for t in (field.type, *get_args(field.type)) if dataclasses.is_dataclass(t)]
            found += roles(nested[0]) if nested else [field.name]
        return found

    assert len(roles(Config)) > 60


@pytest.mark.parametrize("group", ["mixture", "curriculum", "evaluation", "scale", "trainer"])
def test_every_option_of_a_group_resolves(loader: ConfigLoader, group: str) -> None:
    options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert options
    for option in options:
        assert run_of(loader, f"{group}={option}").arms


def test_the_papers_mixtures_are_its_table_two(loader: ConfigLoader) -> None:
    recipe = run_of(loader, "mixture=stage_1_1").arms[0].recipe
    weights = recipe.stages[0].weights
    assert weights["general"] == 0.682
    assert weights["code"] == 0.0953
    assert weights["math"] + weights["science"] == pytest.approx(0.2227)
    assert "qa" not in weights


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("store.url=postgresql://ann:s3cret@db/x", "store.url=postgresql://***@db/x"),
        ("store.url=postgresql://ann:s3/cr:et@db/x", "store.url=postgresql://***@db/x"),
        ("x=https://TOKEN@host/p y", "x=https://***@host/p y"),
        ("postgresql://db/x?password=s3cret&a=1", "postgresql://db/x?password=***&a=1"),
        ("data.level=L2,L5", "data.level=L2,L5"),
    ],
)
def test_secrets_do_not_survive_redaction(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_the_pool_is_checked_at_the_level_that_each_domain_is_asked_for(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = ["data=davinci", f"data.path={tmp_path}", "data.teacher.kind=endpoint"]
    words += ["data.teacher.base_url=http://h/v1", "data.teacher.model=m"]
    words += [f"data.level_of.{domain}=null" for domain in ("math", "science", "qa")]
    words += [f"mixture.weights.{domain}=0" for domain in ("general", "code", "science")]
    asked = "llama-nemotron-post-training-dataset-code"
    for name in ("megamath-refined", asked):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text('{"text": "x"}\n')
    both = [f"data.entries=[megamath-refined,{asked}]", "data.level=L4"]
    shares = ["mixture.weights.math=0.5", "mixture.weights.qa=0.5"]
    (problem,) = problems_of(loader, *words, *both, *shares)  # its questions are of L5
    assert (problem.field, problem.allowed) == ("mixture.weights.qa", ("math",))
    # At L5 the refinement serves, at L3 what it was made from, which is not in the mirror.
    other = ["data.entries=[megamath-refined,megamath-web]", "data.level=L3"]
    shares = ["mixture.weights.math=1", "mixture.weights.qa=0"]
    (problem,) = problems_of(loader, *words, *other, *shares)
    assert problem.field == "data.entries"
    assert "megamath-web" in problem.rule


def test_an_address_that_is_none_is_named(loader: ConfigLoader) -> None:
    words = ["data.teacher.kind=endpoint", "data.teacher.model=m"]
    (problem,) = problems_of(loader, *words, "data.teacher.base_url='http://[::1'")
    assert problem.field == "data.teacher.base_url"
