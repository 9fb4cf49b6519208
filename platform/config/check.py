"""The rules that a configuration must keep, each checked before anything is built."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from davinci.data_levels.document import LEVELS
from davinci.data_levels.sources import (
    WITH_ITEMS,
    available_domains,
    check_source,
    max_level,
)
from davinci.data_levels.teacher import check_teacher
from davinci.platform.config.compose import known_fields
from davinci.platform.config.errors import Problem
from davinci.platform.config.recipe import PROTOCOLS, Recipe

SCHEDULES = ("constant", "cosine", "linear")
PRECISIONS = ("32-true", "bf16-mixed", "bf16-true")
ACCELERATORS = ("auto", "cpu", "gpu")
EXECUTORS = ("local",)

_POSITIVE_SCALE = (
    *("hidden_size", "num_layers", "num_heads", "num_kv_heads", "head_dim", "intermediate_size"),
    *("vocab_size", "context_length", "tokens", "batch_tokens", "lr_peak"),
)


def check_names(config: DictConfig) -> list[Problem]:
    """Return fields that the schema does not know, else those that still lack a value."""
    return _strangers(OmegaConf.to_container(config, resolve=False), "") or _missing(config)


def check_values(plain: dict[str, Any]) -> list[Problem]:
    """Return every value of a config that breaks a rule of its own."""
    return [
        *_check_levels(plain["data"]),
        *_check_weights("mixture.weights", plain["mixture"]["weights"]),
        *_check_stages(plain["curriculum"]["stages"]),
        *_check_scale(plain["scale"]),
        *_check_choices(plain),
        *_check_counts(plain),
    ]


def _check_levels(data: dict[str, Any]) -> list[Problem]:
    asked = {"data.level": data["level"]}
    asked |= {f"data.level_of.{d}": v for d, v in data["level_of"].items() if v is not None}
    return [
        Problem(field=field, value=str(level), rule="there is no such level.", allowed=LEVELS)
        for field, level in asked.items()
        if level not in LEVELS
    ]


def check_reach(plain: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return what the source cannot give: it is missing, or a level, a domain, or the items."""
    data, source = plain["data"], recipe.data.source
    try:
        check_source(source)
        check_teacher(recipe.data.level_settings.teacher)
    except ValueError as error:
        named = re.search(r"`(data\.[\w.]+)`", str(error))
        return [Problem(field=named[1] if named else "data", value="", rule=str(error))]
    return [
        *_check_depth(data, recipe),
        *_check_domains(data, recipe),
        *_check_items(data, recipe),
    ]


def _check_depth(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    problems = []
    deepest = max_level(recipe.data.source, recipe.data.level_settings.teacher)
    for domain, level in recipe.data.levels.items():
        if LEVELS.index(level) > LEVELS.index(deepest):
            own = data["level_of"][domain] is not None
            rule = f"data={data['source']} reaches {deepest} only (deeper needs a teacher: "
            rule += "data.teacher.kind=endpoint data.teacher.base_url=... data.teacher.model=...)."
            field = f"data.level_of.{domain}" if own else "data.level"
            allowed = LEVELS[: LEVELS.index(deepest) + 1]
            problems.append(Problem(field=field, value=level, rule=rule, allowed=allowed))
    return list(dict.fromkeys(problems))


def _check_domains(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    available = available_domains(recipe.data.source)
    wanted = dict.fromkeys(domain for stage in recipe.stages for domain in stage.weights)
    rule = f"data={data['source']} has no documents of this domain; give it weight 0."
    return [
        Problem(field=f"mixture.weights.{domain}", value="", rule=rule, allowed=available)
        for domain in wanted
        if domain not in available
    ]


def _check_items(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    if recipe.data.source.name in WITH_ITEMS:
        return []
    rule = f"data={data['source']} holds out text, but no items to rank or to answer."
    return [
        Problem(field="evaluation.protocols", value=protocol, rule=rule, allowed=("bpb",))
        for protocol in recipe.evaluation.protocols
        if protocol != "bpb"
    ]


def _check_weights(field: str, weights: dict[str, float]) -> list[Problem]:
    problems = [
        Problem(field=f"{field}.{domain}", value=f"{weight:g}", rule="a weight cannot be negative.")
        for domain, weight in weights.items()
        if weight < 0
    ]
    total = sum(weights.values())
    if not problems and abs(total - 1) > 1e-6:
        listed = ", ".join(f"{domain} {weight:g}" for domain, weight in weights.items())
        rule = f"weights must sum to 1, but {listed} sum to {total:g}."
        problems.append(Problem(field=field, value="", rule=rule))
    return problems


def _check_stages(stages: list[dict[str, Any]]) -> list[Problem]:
    if not stages:
        return [Problem(field="curriculum.stages", value="[]", rule="give at least one stage.")]
    problems: list[Problem] = []
    for index, stage in enumerate(stages):
        field = f"curriculum.stages.{index}"
        problems += _one_of(f"{field}.schedule", stage["schedule"], SCHEDULES)
        if stage["weights"] is not None:
            problems += _check_weights(f"{field}.weights", stage["weights"])
        problems += _positive(f"{field}.tokens_frac", stage["tokens_frac"])
    total = sum(stage["tokens_frac"] for stage in stages)
    if not problems and abs(total - 1) > 1e-6:
        rule = f"the stages' fractions must sum to 1, but sum to {total:g}."
        problems.append(Problem(field="curriculum.stages.*.tokens_frac", value="", rule=rule))
    return problems


def _check_scale(scale: dict[str, Any]) -> list[Problem]:
    problems = [p for name in _POSITIVE_SCALE for p in _positive(f"scale.{name}", scale[name])]
    if problems:
        return problems
    batch, context = scale["batch_tokens"], scale["context_length"]
    if batch % context:
        rule = f"must be a multiple of scale.context_length, which is {context}."
        problems.append(Problem(field="scale.batch_tokens", value=str(batch), rule=rule))
    if scale["num_heads"] % scale["num_kv_heads"]:
        rule = f"must divide scale.num_heads, which is {scale['num_heads']}."
        value = str(scale["num_kv_heads"])
        problems.append(Problem(field="scale.num_kv_heads", value=value, rule=rule))
    if scale["tokens"] < batch:
        rule = f"one optimizer step takes scale.batch_tokens = {batch} tokens."
        problems.append(Problem(field="scale.tokens", value=str(scale["tokens"]), rule=rule))
    if not 0 <= scale["warmup_frac"] < 1:
        value = f"{scale['warmup_frac']:g}"
        problems.append(Problem(field="scale.warmup_frac", value=value, rule="must be in [0, 1)."))
    return problems


def _check_choices(plain: dict[str, Any]) -> list[Problem]:
    protocols = plain["evaluation"]["protocols"]
    problems = [p for name in protocols for p in _one_of("evaluation.protocols", name, PROTOCOLS)]
    if not protocols:
        rule = "give at least one protocol."
        problems.append(Problem(field="evaluation.protocols", value="[]", rule=rule))
    problems += _one_of("trainer.precision", plain["trainer"]["precision"], PRECISIONS)
    problems += _one_of("trainer.accelerator", plain["trainer"]["accelerator"], ACCELERATORS)
    problems += _one_of("executor.name", plain["executor"]["name"], EXECUTORS)
    return problems


def _check_counts(plain: dict[str, Any]) -> list[Problem]:
    problems = [p for name in ("seeds", "worlds") for p in _positive(name, plain[name])]
    problems += _positive("trainer.devices", plain["trainer"]["devices"])
    problems += _positive("trainer.num_threads", plain["trainer"]["num_threads"])
    problems += _positive("evaluation.max_new_tokens", plain["evaluation"]["max_new_tokens"])
    negatives = {
        "seed": plain["seed"],
        "data.world_seed": plain["data"]["world_seed"],
        "data.documents": plain["data"]["documents"],
        "evaluation.max_items": plain["evaluation"]["max_items"],
        "executor.workers": plain["executor"]["workers"],
    }
    return problems + [
        Problem(field=field, value=str(value), rule="cannot be negative.")
        for field, value in negatives.items()
        if value < 0
    ]


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> list[Problem]:
    if value in allowed:
        return []
    return [
        Problem(field=field, value=str(value), rule="there is no such choice.", allowed=allowed)
    ]


def _positive(field: str, value: float) -> list[Problem]:
    return [] if value > 0 else [Problem(field=field, value=f"{value:g}", rule="must be above 0.")]


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
