"""The rules that a configuration must keep, each checked before anything is built."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from davinci.platform.config.benchmarks import check_benchmarks
from davinci.platform.config.check_curriculum import check_curriculum, check_level, check_weights
from davinci.platform.config.check_training import check_training
from davinci.platform.config.compose import known_fields
from davinci.platform.config.errors import Problem
from davinci.platform.config.recipe import PROTOCOLS
from davinci.platform.config.rules import finite, one_of, positive, within
from davinci.platform.curriculum.settings import CLUSTERS, MIN_POINTS

PRECISIONS = ("32-true", "bf16-mixed")
EXECUTORS = ("local", "slurm", "ray")


def check_names(config: DictConfig) -> list[Problem]:
    """Return fields that the schema does not know, else those that still lack a value."""
    return _strangers(OmegaConf.to_container(config, resolve=False), "") or _missing(config)


def check_values(plain: dict[str, Any]) -> list[Problem]:
    """Return every value of a config that breaks a rule of its own."""
    if infinite := finite(plain):
        return infinite
    return [
        *_check_levels(plain["data"]),
        *check_weights("mixture.weights", plain["mixture"]["weights"]),
        *check_training(plain),
        *check_curriculum(plain),
        *_check_controller(plain["curriculum"]),
        *_check_choices(plain),
        *_check_counts(plain),
    ]


def _check_levels(data: dict[str, Any]) -> list[Problem]:
    asked = {"data.level": data["level"]}
    asked |= {f"data.level_of.{d}": v for d, v in data["level_of"].items() if v is not None}
    return [problem for field, level in asked.items() for problem in check_level(field, level)]


def _check_choices(plain: dict[str, Any]) -> list[Problem]:
    protocols = plain["evaluation"]["protocols"]
    problems = [
        problem
        for field in ("protocols", "trajectory")
        for name in plain["evaluation"][field]
        for problem in one_of(f"evaluation.{field}", name, PROTOCOLS)
    ]
    if not protocols:
        rule = "give at least one protocol."
        problems.append(Problem(field="evaluation.protocols", value="[]", rule=rule))
    problems += check_benchmarks(plain["evaluation"])
    problems += one_of("trainer.precision", plain["trainer"]["precision"], PRECISIONS)
    problems += one_of("executor.name", plain["executor"]["name"], EXECUTORS)
    return problems


def _check_controller(curriculum: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with the controller, where there is one."""
    if not curriculum["adaptive"]:
        return []
    given, field = curriculum["controller"], "curriculum.controller"
    problems = one_of(f"{field}.protocol", given["protocol"], PROTOCOLS)
    problems += one_of(f"{field}.clusters", given["clusters"], tuple(CLUSTERS))
    problems += within(f"{field}.window", given["window"], MIN_POINTS, 1000)
    problems += positive(f"{field}.patience", given["patience"])
    problems += within(f"{field}.confidence", given["confidence"], 0.5, 0.9999)
    problems += within(f"{field}.step", given["step"], 0, 1)
    problems += within(f"{field}.floor", given["floor"], 0, 1)
    for frac in given["qa_fracs"]:
        problems += within(f"{field}.qa_fracs", frac, 0, 1)
    looks = sum(stage["checkpoints"] for stage in curriculum["stages"]) - 1
    if not problems and looks < given["window"] + given["patience"] - 1:
        rule = f"the stages have {looks} checkpoints before the last, too few to ever decide; "
        rule += f"window and patience ask for {given['window'] + given['patience'] - 1}."
        problems.append(Problem(field=f"{field}.window", value=str(given["window"]), rule=rule))
    return problems


def _check_counts(plain: dict[str, Any]) -> list[Problem]:
    problems = [p for name in ("seeds", "worlds") for p in positive(name, plain[name])]
    problems += positive("evaluation.max_new_tokens", plain["evaluation"]["max_new_tokens"])
    negatives = {
        "seed": plain["seed"],
        "data.world_seed": plain["data"]["world_seed"],
        "data.documents": plain["data"]["documents"],
        "evaluation.max_items": plain["evaluation"]["max_items"],
        "evaluation.trajectory_items": plain["evaluation"]["trajectory_items"],
        "executor.workers": plain["executor"]["workers"],
        "executor.memory_gib": plain["executor"]["memory_gib"],
        "executor.cpus": plain["executor"]["cpus"],
    }
    problems += positive("data.workers", plain["data"]["workers"])
    for name in ("time_limit_min", "max_jobs"):
        problems += positive(f"executor.{name}", plain["executor"][name])
    return problems + [
        Problem(field=field, value=str(value), rule="cannot be negative.")
        for field, value in negatives.items()
        if value < 0
    ]


def _missing(config: DictConfig) -> list[Problem]:
    return [
        Problem(field=key, value="", rule="a value is needed.")
        for key in sorted(OmegaConf.missing_keys(config))
    ]


def _strangers(plain: Any, prefix: str) -> list[Problem]:
    """Return fields that the schema does not know; `+field=value` gets past Hydra's own check."""
    if not isinstance(plain, dict):
        return []
    allowed = known_fields(prefix.rstrip("."))
    problems = []
    for key, value in plain.items():
        if allowed and key not in allowed:
            rule = f"there is no such field in {prefix.rstrip('.') or 'the config'}."
            problems.append(Problem(field=f"{prefix}{key}", value="", rule=rule, allowed=allowed))
        else:
            problems += _strangers(value, f"{prefix}{key}.")
    return problems
