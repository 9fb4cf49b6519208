"""From a composed config to a frozen recipe: everything derived once, every rule checked once."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from davinci.data_levels.chain import canonical_name
from davinci.data_levels.document import DOMAINS
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import SourceSettings
from davinci.models.ladder import chinchilla_tokens
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.benchmarks import resolve_benchmarks
from davinci.platform.config.check import check_names, check_values
from davinci.platform.config.check_data import check_reach
from davinci.platform.config.compose import explain
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.identity import restore
from davinci.platform.config.parents import find_parent
from davinci.platform.config.places import sqlite_url
from davinci.platform.config.recipe import (
    PROTOCOLS,
    DataSettings,
    EvaluationSettings,
    Precision,
    Recipe,
    Replicate,
)
from davinci.platform.config.runtime import ExecutorRuntime, Runtime, TrainingRuntime
from davinci.platform.config.stages import resolve_stages
from davinci.platform.curriculum.settings import ControllerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One point, ready to plan. `mlflow_url` of the runtime is empty when the mirror is off."""

    recipe: Recipe
    first: Replicate
    num_seeds: int
    num_worlds: int
    runtime: Runtime

    def replicates(self, *, num_seeds: int, num_worlds: int) -> tuple[Replicate, ...]:
        """Return every (world, seed) from the first on, worlds outermost."""
        return tuple(
            Replicate(world_seed=self.first.world_seed + world, seed=self.first.seed + seed)
            for world in range(num_worlds)
            for seed in range(num_seeds)
        )


def resolve(config: DictConfig) -> Resolved:
    """Resolve one composed config.

    Raises:
        ConfigError: With every problem of this point.
    """
    return resolve_plain(to_plain(config))


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain data, its interpolations resolved.

    Raises:
        ConfigError: If it has fields that the schema does not know, or lacks values.
    """
    config = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    _raise_if(check_names(config))
    try:
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException as error:
        raise ConfigError([explain(error)]) from error


def resolve_plain(plain: dict[str, Any]) -> Resolved:
    """Resolve one config, given as plain data.

    Raises:
        ConfigError: With every problem of this point.
    """
    plain = _with_budget(plain)
    _raise_if(check_values(plain))
    recipe = _recipe(plain)
    parent = find_parent(plain["curriculum"]["parent"], recipe.model, _output_dir(plain))
    recipe = dataclasses.replace(recipe, parent=parent)
    _raise_if(check_reach(plain, recipe))
    return Resolved(
        recipe=recipe,
        first=Replicate(world_seed=plain["data"]["world_seed"], seed=plain["seed"]),
        num_seeds=plain["seeds"],
        num_worlds=plain["worlds"],
        runtime=_runtime(plain),
    )


def _with_budget(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the config with the tokens that `scale.chinchilla` asks for, if it does."""
    scale, shape = plain["scale"], ModelSettings.__dataclass_fields__
    numbers = [v for k, v in scale.items() if k in shape and isinstance(v, int | float)]
    if not (scale["chinchilla"] > 0 and math.isfinite(sum(numbers)) and min(numbers) >= 0):
        return plain
    model = ModelSettings(**{k: v for k, v in scale.items() if k in shape})
    return plain | {"scale": scale | {"tokens": chinchilla_tokens(model, scale["chinchilla"])}}


def _recipe(plain: dict[str, Any]) -> Recipe:
    data, scale, trainer = plain["data"], plain["scale"], plain["trainer"]
    model = {f.name for f in dataclasses.fields(ModelSettings)}
    optimizer = {f.name for f in dataclasses.fields(OptimizerSettings)}
    return Recipe(
        data=DataSettings(
            source=_source(data),
            levels={d: canonical_name(data["level_of"][d] or data["level"]) for d in DOMAINS},
            level_settings=_level_settings(plain),
            tokenizer=data["tokenizer"],
            tokenizer_vocab_size=scale["vocab_size"],
        ),
        model=ModelSettings(**{k: v for k, v in scale.items() if k in model}),
        optimizer=OptimizerSettings(
            lr_peak=scale["lr_peak"], **{k: v for k, v in trainer.items() if k in optimizer}
        ),
        stages=resolve_stages(plain),
        evaluation=EvaluationSettings(
            protocols=tuple(p for p in PROTOCOLS if p in plain["evaluation"]["protocols"]),
            max_items=plain["evaluation"]["max_items"],
            max_new_tokens=plain["evaluation"]["max_new_tokens"],
            trajectory=tuple(p for p in PROTOCOLS if p in plain["evaluation"]["trajectory"]),
            benchmarks=resolve_benchmarks(plain["evaluation"]),
            trajectory_items=plain["evaluation"]["trajectory_items"],
            num_samples=plain["evaluation"]["num_samples"],
            temperature=plain["evaluation"]["temperature"],
            server=plain["evaluation"]["server"],
        ),
        precision=cast(Precision, trainer["precision"]),
        controller=_controller(plain["curriculum"]),
    )


def _controller(curriculum: dict[str, Any]) -> ControllerSettings | None:
    if not curriculum["adaptive"]:
        return None
    return restore(ControllerSettings, curriculum["controller"])


def _level_settings(plain: dict[str, Any]) -> LevelSettings:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(LevelSettings):
        value = plain["data"][field.name]
        if isinstance(value, dict):
            kind = cast(type, field.type)
            value = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
        values[field.name] = value
    cache = str(_output_dir(plain) / "teacher_cache")
    teacher = values["teacher"]
    values["teacher"] = dataclasses.replace(teacher, cache_dir=teacher.cache_dir or cache)
    return LevelSettings(**values)


def _output_dir(plain: dict[str, Any]) -> Path:
    return Path(plain["output_dir"]).expanduser().absolute()


OPTIONS_OF: dict[str, tuple[str, ...]] = {
    "files": ("path", "held_out_frac"),
    "davinci": ("path", "held_out_frac", "stage", "entries", "below"),
}
"""The fields of `data` that are options of a source of their own."""


def _source(data: dict[str, Any]) -> SourceSettings:
    options = {name: data[name] for name in OPTIONS_OF.get(data["source"], ())}
    return SourceSettings(name=data["source"], documents=data["documents"], options=options)


def _runtime(plain: dict[str, Any]) -> Runtime:
    output_dir = _output_dir(plain)
    store, trainer = plain["store"], plain["trainer"]
    training = {f.name for f in dataclasses.fields(TrainingRuntime)}
    mlflow_url = store["mlflow_url"] or sqlite_url(output_dir / "mlflow.db")
    return Runtime(
        output_dir=output_dir,
        store_url=store["url"] or sqlite_url(output_dir / "davinci.db"),
        mlflow_url=mlflow_url if store["mlflow"] else "",
        corpus_workers=plain["data"]["workers"],
        keep=trainer["keep"],
        training=TrainingRuntime(**{k: v for k, v in trainer.items() if k in training}),
        executor=ExecutorRuntime(
            **plain["executor"] | {"setup": tuple(plain["executor"]["setup"])}
        ),
    )


def _raise_if(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(problems)
