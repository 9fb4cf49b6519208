"""The rules for the stages of a curriculum, and for the steps that a token budget leaves them."""

from typing import Any

from davinci.data_levels.chain import LEVELS, chain_of
from davinci.platform.config.errors import Problem
from davinci.platform.config.rules import one_of, positive, within
from davinci.platform.config.stages import warmup_frac, whole_batches

SCHEDULES = ("constant", "cosine", "linear", "wsd")


def check_curriculum(plain: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with the stages, alone and with the token budget."""
    stages = plain["curriculum"]["stages"]
    if not stages:
        return [Problem(field="curriculum.stages", value="[]", rule="give at least one stage.")]
    problems = [
        problem
        for index, stage in enumerate(stages)
        for problem in _check_stage(f"curriculum.stages.{index}", stage, plain)
    ]
    return problems or _check_sum(stages) or _check_steps(plain)


def check_weights(field: str, weights: dict[str, float]) -> list[Problem]:
    """Return what is wrong with weights: one is negative, or they do not sum to 1."""
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


def check_level(field: str, name: str) -> list[Problem]:
    """Return a problem unless `name` is a level or a chain of them."""
    try:
        chain_of(str(name))
    except ValueError as error:
        unknown = any(part not in LEVELS for part in str(name).split("+"))
        rule = "there is no such level." if unknown else str(error)
        return [Problem(field=field, value=str(name), rule=rule, allowed=LEVELS)]
    return []


def _check_stage(field: str, stage: dict[str, Any], plain: dict[str, Any]) -> list[Problem]:
    problems = one_of(f"{field}.schedule", stage["schedule"], SCHEDULES)
    if stage["weights"] is not None:
        problems += check_weights(f"{field}.weights", stage["weights"])
    problems += _check_qa(field, stage, plain)
    levels = {"level": stage["level"]}
    levels |= {f"level_of.{domain}": name for domain, name in stage["level_of"].items()}
    for name, level in levels.items():
        problems += check_level(f"{field}.{name}", level) if level is not None else []
    problems += positive(f"{field}.tokens_frac", stage["tokens_frac"])
    for end in ("lr_start_frac", "lr_end_frac"):
        problems += within(f"{field}.{end}", stage[end], 0, 1)
    if stage["warmup_frac"] is not None:
        problems += within(f"{field}.warmup_frac", stage["warmup_frac"], 0, 0.9)
    problems += within(f"{field}.decay_frac", stage["decay_frac"], 0, 1)
    for count in ("batch", "checkpoints"):
        problems += positive(f"{field}.{count}", stage[count])
    return problems + _check_ramp(field, stage)


def _check_qa(field: str, stage: dict[str, Any], plain: dict[str, Any]) -> list[Problem]:
    if stage["qa_frac"] is None:
        return []
    problems = within(f"{field}.qa_frac", stage["qa_frac"], 0, 1)
    weights = stage["weights"] or plain["mixture"]["weights"]
    if not problems and weights["qa"] >= 1 and stage["qa_frac"] < 1:
        rule = "the mixture is all qa, so no other domain can take the rest."
        problems.append(Problem(field=f"{field}.qa_frac", value=f"{stage['qa_frac']:g}", rule=rule))
    return problems


def _check_ramp(field: str, stage: dict[str, Any]) -> list[Problem]:
    ramp = stage["ramp"]
    if not ramp:
        return []
    if stage["batch"] != 1:
        rule = "give either `batch` or a `ramp`, not both."
        return [Problem(field=f"{field}.batch", value=str(stage["batch"]), rule=rule)]
    problems = []
    for index, step in enumerate(ramp):
        problems += positive(f"{field}.ramp.{index}.batch", step["batch"])
        problems += positive(f"{field}.ramp.{index}.tokens_frac", step["tokens_frac"])
    total = sum(step["tokens_frac"] for step in ramp)
    if not problems and abs(total - 1) > 1e-6:
        rule = f"the ramp's fractions must sum to 1, but sum to {total:g}."
        problems.append(Problem(field=f"{field}.ramp.*.tokens_frac", value="", rule=rule))
    return problems


def _check_sum(stages: list[dict[str, Any]]) -> list[Problem]:
    total = sum(stage["tokens_frac"] for stage in stages)
    if abs(total - 1) <= 1e-6:
        return []
    rule = f"the stages' fractions must sum to 1, but sum to {total:g}."
    return [Problem(field="curriculum.stages.*.tokens_frac", value="", rule=rule)]


def _check_steps(plain: dict[str, Any]) -> list[Problem]:
    """Return stages that the token budget leaves without a step, or with too few."""
    scale = plain["scale"]
    if scale["batch_tokens"] <= 0 or scale["tokens"] < scale["batch_tokens"]:
        return []
    problems = []
    steps = scale["tokens"] // scale["batch_tokens"]
    for index, parts in enumerate(whole_batches(plain)):
        field, stage = f"curriculum.stages.{index}", plain["curriculum"]["stages"][index]
        num_steps = sum(num for _, num in parts)
        if empty := [number for number, (_, num) in enumerate(parts) if num < 1]:
            where = f"{field}.ramp.{empty[0]}" if stage["ramp"] else field
            rule = f"scale.tokens is too small: of {steps} batches it gets no optimizer step."
            problems.append(Problem(field=where, value="", rule=rule))
        elif stage["checkpoints"] > num_steps:
            rule = f"the stage has {num_steps} optimizer steps, and so at most as many checkpoints."
            value = str(stage["checkpoints"])
            problems.append(Problem(field=f"{field}.checkpoints", value=value, rule=rule))
        elif stage["schedule"] == "wsd" and warmup_frac(plain, stage) + stage["decay_frac"] > 1:
            rule = "warmup and decay together are longer than the stage."
            value = f"{stage['decay_frac']:g}"
            problems.append(Problem(field=f"{field}.decay_frac", value=value, rule=rule))
    return problems
