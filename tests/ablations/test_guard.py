"""Planted confounders are named, every one; what changes no result raises no alarm."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.config_loader import ConfigLoader
from tests.ablations.studies import ablation, claim, study

from davinci.ablations.guard import certificate, check_arms, confounders
from davinci.platform.config.compose import compose, config_loader
from davinci.platform.config.factored import compose_points
from davinci.platform.config.identity import digest, plain
from davinci.platform.config.resolve import resolve_plain, to_plain
from davinci.platform.config.schema import register_schema
from davinci.platform.store.records import Arm, Cost, Sweep

CONF = Path(__file__).resolve().parents[2] / "conf"
FACTOR = "data.level"
PLANTS: Mapping[str, str] = {
    "data.documents=300": "data.source.documents",
    "data.level_of.code=L1": "data.levels.code",
    "data.rules.min_chars=50": "data.level_settings.rules.min_chars",
    "data.classifier.min_keep_probability=0.6": "data.level_settings.classifier",
    "data.on_violation=fatal": "data.level_settings.on_violation",
    "mixture=math_heavy": "stages.0.weights",
    "curriculum.stages.0.schedule=constant": "stages.0.schedule",
    "curriculum.stages.0.lr_end_frac=0.2": "stages.0.lr_end_frac",
    "curriculum.mask_questions=true": "stages.0.mask_questions",
    "scale.hidden_size=128": "model.hidden_size",
    "scale.num_layers=3": "model.num_layers",
    "scale.context_length=256": "model.context_length",
    "scale.vocab_size=700": "model.vocab_size",
    "scale.tie_embeddings=false": "model.tie_embeddings",
    "scale.tokens=2097152": "stages.0.tokens",
    "scale.batch_tokens=1024": "stages.0.batches",
    "scale.lr_peak=0.001": "optimizer.lr_peak",
    "scale.warmup_frac=0.1": "stages.0.warmup_tokens",
    "trainer.precision=bf16-mixed": "precision",
    "trainer.weight_decay=0.2": "optimizer.weight_decay",
    "trainer.beta2=0.99": "optimizer.beta2",
    "trainer.beta1=0.8": "optimizer.beta1",
    "trainer.eps=1e-7": "optimizer.eps",
    "trainer.grad_clip_norm=2.0": "optimizer.grad_clip_norm",
}
"""Override -> the field of the recipe in which it must be found."""
HARMLESS = (
    "trainer.num_threads=2", "trainer.micro_batch_size=4", "trainer.keep=last",
    "trainer.log_interval_steps=7", "trainer.snapshot_interval_s=10", "trainer.compile=true",
    "executor.workers=1", "executor.memory_gib=4", "data.workers=2", "store.mlflow=false",
    "mixture.name=other", "scale.name=other", "sweep.name=other", "curriculum.name=other",
)  # fmt: skip


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def config_of(loader: ConfigLoader, words: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = plain(resolve_plain(to_plain(compose(loader, words, "config"))).recipe)
    return found


def arm(label: str, words: tuple[str, ...], config: dict[str, Any]) -> Arm:
    choices = dict(word.split("=", 1) for word in words)
    return Arm(
        label=label, recipe=digest(config), choices=choices, overrides=words, config=config, runs=()
    )


def pair(old: Arm, new: Arm) -> Sweep:
    empty = study({"old": 1.0, "new": 1.0}, np.random.default_rng(0), items=4)
    return replace(empty, arms=(old, new))


def test_two_hundred_planted_confounders_are_all_named(loader: ConfigLoader) -> None:
    declared = ablation(claim(), arms=("old", "new"))
    words = ["data.level=L2", "data.level=L3"]
    old = arm("old", (words[0],), config_of(loader, (words[0],)))
    singles = [(plant,) for plant in PLANTS]
    doubles = list(itertools.combinations(PLANTS, 2))
    doubles = [d for d in doubles if d[0].split(".")[0] != d[1].split(".")[0]]
    checked = 0
    configs = {plant: config_of(loader, (words[1], plant)) for plant in PLANTS}
    base = config_of(loader, (words[1],))
    for plants in [*singles, *doubles[: 200 - len(singles)]]:
        config = _merged(base, [configs[plant] for plant in plants])
        new = arm("new", (words[1], *plants), config)
        named = confounders(check_arms(declared, pair(old, new)))
        for plant in plants:
            wanted = PLANTS[plant]
            assert any(n == wanted or n.startswith(f"{wanted}.") for n in named), (plants, named)
        checked += 1
    assert checked == 200


def _merged(base: Any, others: list[Any]) -> Any:
    """Return the base with what any of the others changes of it."""
    if isinstance(base, dict):
        keys = dict.fromkeys(key for other in [base, *others] for key in other)
        return {k: _merged(base.get(k), [o.get(k) for o in others]) for k in keys}
    if isinstance(base, list | tuple) and all(len(o) == len(base) for o in others):
        return [_merged(b, [o[i] for o in others]) for i, b in enumerate(base)]
    return next((other for other in others if other != base), base)


def test_two_at_once_are_found_as_hydra_composes_them(loader: ConfigLoader) -> None:
    declared = ablation(claim())
    old = arm("old", ("data.level=L2",), config_of(loader, ("data.level=L2",)))
    words = ("data.level=L3", "scale.num_layers=3", "trainer.beta2=0.99")
    new = arm("new", words, config_of(loader, words))
    named = confounders(check_arms(declared, pair(old, new)))
    assert named == ("model.num_layers", "optimizer.beta2")
    said = certificate(declared, check_arms(declared, pair(old, new)))
    assert said == "Confounded: the arms differ in model.num_layers, optimizer.beta2, too."


def test_what_changes_no_result_raises_no_alarm(loader: ConfigLoader) -> None:
    declared = ablation(claim())
    points = [{"data.level": "L2"}, *({"data.level": "L3", **_pair(word)} for word in HARMLESS)]
    found = compose_points(loader, (), points, "config", to_plain)
    configs = [plain(resolve_plain(one).recipe) for one in found if isinstance(one, dict)]
    assert len(configs) == len(points)
    old = arm("old", ("data.level=L2",), configs[0])
    for word, config in zip(HARMLESS, configs[1:], strict=True):
        new = arm("new", ("data.level=L3", word), config)
        checked = check_arms(declared, pair(old, new))
        assert confounders(checked) == (), word
        assert {one.kind for one in checked} <= {"factor", "derived"}
        assert certificate(declared, checked) == "The arms differ only in data.level."


def _pair(word: str) -> dict[str, str]:
    key, _, value = word.partition("=")
    return {key: value}


def test_an_accepted_difference_is_marked_with_its_reason(loader: ConfigLoader) -> None:
    words = ("data.level=L3", "data.documents=300")
    old = arm("old", ("data.level=L2",), config_of(loader, ("data.level=L2",)))
    new = arm("new", words, config_of(loader, words))
    declared = ablation(claim(), accepted={"data.source.documents": "fewer are left at L3"})
    checked = check_arms(declared, pair(old, new))
    assert confounders(checked) == ()
    [accepted] = [one for one in checked if one.kind == "accepted"]
    assert accepted.because == "fewer are left at L3"
    assert "what was accepted: data.source.documents" in certificate(declared, checked)


def test_a_field_that_another_axis_changes_too_is_confounded() -> None:
    sweep = study({"old": 1.0, "new": 1.0, "third": 1.0}, np.random.default_rng(0), items=4)
    choices = (
        {"data.level": "L2"},
        {"data.level": "L3"},
        {"data.level": "L2", "data.level_of.math": "L4"},
    )
    arms = tuple(
        replace(arm, choices=chosen, config={"data": {"levels": {"math": level}}})
        for arm, chosen, level in zip(sweep.arms, choices, ("L2", "L3", "L4"), strict=True)
    )
    declared = ablation(claim(), arms=("old", "new", "third"))
    named = confounders(check_arms(declared, replace(sweep, arms=arms)))
    assert named == ("data.levels.math",)


def test_runs_that_turned_out_otherwise_are_seen() -> None:
    sweep = study({"old": 1.0, "new": 1.0}, np.random.default_rng(0), items=4)
    old, new = sweep.arms
    more = Cost(tokens=2000, flops=2.0, wall_s=1.0, cpu_s=1.0)
    same = replace(new, runs=tuple(replace(r, cost=more) for r in new.runs), config=old.config)
    named = confounders(check_arms(ablation(claim()), replace(sweep, arms=(old, same))))
    assert named == ("trained tokens", "FLOPs")
