"""Every ablation of the catalogue composes at every scale, and is declared as it should be."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader

from davinci.ablations.declaration import THEMES, Ablation, declare, restore
from davinci.ablations.guard import check_arms, confounders
from davinci.ablations.known import names, read
from davinci.ablations.request import declared_in, request_ablation
from davinci.data_levels.sources.pool.entries import entry_names
from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.factored import compose_points
from davinci.platform.config.identity import digest, plain
from davinci.platform.config.recipe import Recipe
from davinci.platform.config.resolve import resolve_plain, to_plain
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.points import Request, request_sweep
from davinci.platform.store.records import Arm, Sweep

pytestmark = pytest.mark.slow
CONF = Path(__file__).resolve().parents[2] / "conf"
SCALES = ("nano", "20m", "1b", "3b")
PAPER_STUDIES = {
    "code_filter", "math_refinement", "synthetic_qa_source", "domain_shift", "shift_or_qa",
    "recipe", "stage2_path", "code_science_balance", "qa_ratio_stage2", "qa_ratio_stage2_2",
    "protocol_and_level", "lr_decay_stage2", "qa_masking", "science_corpus", "level_science",
    "science_share", "math_science_ratio", "science_l4_or_l5", "context_length", "init_maturity",
    "in_domain_tests",
}  # fmt: skip
"""Ablations that stand for those of the two papers."""


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def request_of(name: str, loader: ConfigLoader, *words: str) -> Request:
    every = [f"ablation={name}", *words]
    ablation = declared_in(every, loader, "config")
    assert ablation is not None
    return request_ablation(ablation, every, loader, "config")


def arm_of(label: str, choices: dict[str, str], words: tuple[str, ...], recipe: Recipe) -> Arm:
    """Return an arm before any run."""
    return Arm(
        label=label,
        recipe=digest(recipe),
        choices=choices,
        overrides=words,
        config=plain(recipe),
        runs=(),
    )


def sweep_of(declared: Ablation, arms: list[Arm]) -> Sweep:
    return Sweep(
        digest="d",
        name=declared.name,
        command="",
        created="",
        axes={},
        fixed=(),
        baseline=declared.baseline,
        arms=tuple(arms),
        corpora={},
        provenance={},
    )


def test_the_catalogue_is_large_and_has_all_themes() -> None:
    declared = [read(name) for name in names()]
    assert len(declared) >= 40
    assert sum(len(ablation.arms) for ablation in declared) >= 200
    counts = Counter(ablation.theme for ablation in declared)
    assert set(counts) == set(THEMES)
    assert min(counts.values()) >= 4
    assert set(names()) >= PAPER_STUDIES
    assert all("Section" in read(name).source or "Table" in read(name).source
               or "Appendix" in read(name).source for name in PAPER_STUDIES)  # fmt: skip
    questions = [ablation.question for ablation in declared]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("name", names())
def test_every_arm_composes_at_every_scale_and_differs_in_the_factor_alone(
    name: str, loader: ConfigLoader
) -> None:
    declared = read(name)
    points = [
        {"scale": scale, **dict(word.split("=", 1) for word in words)}
        for scale in SCALES
        for words in declared.arms.values()
    ]
    fixed = [f"ablation={name}", *declared.setting]
    composed = iter(compose_points(loader, fixed, points, "config", to_plain))
    for scale in SCALES:
        arms = []
        for label, words in declared.arms.items():
            found = next(composed)
            assert not isinstance(found, ConfigError), (scale, label, str(found))
            assert declare(found["ablation"]) == declared
            choices = dict(word.split("=", 1) for word in words)
            arms.append(arm_of(label, choices, words, resolve_plain(found).recipe))
        assert len({arm.recipe for arm in arms}) == len(arms), "two arms are the same"
        checked = check_arms(declared, sweep_of(declared, arms))
        assert checked, "its arms do not differ"
        assert confounders(checked) == ()


@pytest.mark.parametrize("name", names()[::7])
def test_an_ablation_is_asked_for_by_its_name(name: str, loader: ConfigLoader) -> None:
    declared = read(name)
    request = request_of(name, loader, "scale=1b")
    assert tuple(arm.label for arm in request.arms) == tuple(declared.arms)
    assert request.baseline == declared.baseline
    assert request.name == name
    assert request.declared is not None
    assert restore(request.declared) == declared


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a mirror of the papers' pool with a document in every data set."""
    folder = tmp_path_factory.mktemp("pool")
    for name in entry_names():
        (folder / name).mkdir()
        (folder / name / "a.jsonl").write_text('{"text": "x"}\n')
    return folder


def test_words_of_the_command_line_take_the_place_of_the_setting(loader: ConfigLoader) -> None:
    request = request_of("qa_masking", loader, "curriculum=anneal")
    first, last = request.arms[0].recipe.stages
    assert last.tokens == pytest.approx(0.1 * (first.tokens + last.tokens), rel=0.01)
    assert sum(word.startswith("curriculum=") for word in request.fixed) == 1


POOL = [name for name in names() if "davinci" in read(name).sources]


@pytest.mark.parametrize("name", POOL[::6])
def test_where_it_makes_sense_it_composes_on_the_papers_pool(
    name: str, loader: ConfigLoader, pool: Path
) -> None:
    request = request_of(name, loader, "data=davinci", f"data.path={pool}", "scale=3b")
    assert {arm.recipe.data.source.name for arm in request.arms} == {"davinci"}


def test_what_does_not_fit_an_ablation_is_refused(loader: ConfigLoader) -> None:
    for words, says in (
        (["seeds=1,2"], "has arms of its own"),
        (["data.level_of.code=L5"], "is what the arms of code_filter differ in"),
        (["evaluation=bpb"], "claims something of it, but it is not evaluated here"),
        (["sweep.design=one_factor"], "has arms and a baseline of its own"),
        (["sweep.points=['data.level=L2']"], "has arms and a baseline of its own"),
        (["search=tpe"], "has arms and a baseline of its own"),
        (["sweep.race=2"], "a race takes 3 seeds"),
    ):
        with pytest.raises(ConfigError, match=says):
            request_of("code_filter", loader, *words)
    with pytest.raises(ConfigError, match=r"nope.*Did you mean|there is no such option"):
        declared_in(["ablation=nope"], loader, "config")
    with pytest.raises(ConfigError, match="only a declared ablation has claims to race for"):
        request_sweep(["data.level=L2,L3", "sweep.race=5"], loader, "config")
    with pytest.raises(ConfigError, match="one ablation at a time"):
        declared_in(["ablation=code_filter,math_refinement"], loader, "config")
    with pytest.raises(ConfigError, match="rules and model: are the same recipe here"):
        request_ablation(
            replace(read("code_filter"), arms=dict.fromkeys(("rules", "model"), ("seed=1",))),
            ["ablation=code_filter"],
            loader,
            "config",
        )
