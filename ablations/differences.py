"""Which fields of the arms' resolved configurations differ, and which axis explains it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.platform.store.records import Arm, Sweep

MISSING = "(absent)"

_LENGTHS = (
    "stages.*.tokens",
    "stages.*.batches",
    "stages.*.warmup_tokens",
    "stages.*.decay_tokens",
)

AXIS_FIELDS: Mapping[str, tuple[str, ...]] = {
    "data": ("data.source", "data.levels", "data.level_settings", "data.tokenizer"),
    "data.source": ("data.source.name", "data.source.options"),
    "data.documents": ("data.source.documents",),
    "data.path": ("data.source.options.path",),
    "data.held_out_frac": ("data.source.options.held_out_frac",),
    "data.stage": ("data.source.options.stage",),
    "data.entries": ("data.source.options.entries",),
    "data.below": ("data.source.options.below",),
    "data.level": ("data.levels",),
    "mixture": ("stages.*.weights",),
    "curriculum": ("stages", "parent", "controller"),
    "curriculum.mask_questions": ("stages.*.mask_questions",),
    "curriculum.parent": ("parent",),
    "curriculum.adaptive": ("controller",),
    "scale": ("model", "data.tokenizer_vocab_size", "optimizer.lr_peak", *_LENGTHS),
    "scale.vocab_size": ("model.vocab_size", "data.tokenizer_vocab_size"),
    "scale.tokens": _LENGTHS,
    "scale.chinchilla": _LENGTHS,
    "scale.batch_tokens": _LENGTHS,  # of whole batches: the last one is rounded
    "scale.lr_peak": ("optimizer.lr_peak",),
    "scale.warmup_frac": ("stages.*.warmup_tokens",),
    "trainer": (
        "precision",
        "optimizer.beta1",
        "optimizer.beta2",
        "optimizer.eps",
        "optimizer.weight_decay",
        "optimizer.grad_clip_norm",
    ),
    "trainer.precision": ("precision",),
    "evaluation": ("evaluation",),
}
"""What each axis of the command line may change in the resolved recipe; `*` is any one part."""

STAGE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "qa_frac": ("weights",),
    "level": ("levels",),
    "level_of": ("levels",),
    "schedule": ("schedule", "decay_tokens"),
    "warmup": ("warmup_tokens",),
    "warmup_frac": ("warmup_tokens",),
    "decay_frac": ("decay_tokens",),
    "batch": ("batches",),
    "ramp": ("batches",),
    "checkpoints": ("num_checkpoints",),
}
"""Fields of `curriculum.stages.N` -> those of the resolved stage, where they have other names."""

RENAMED: Mapping[str, str] = {
    "data.level_of": "data.levels",
    "data.rules": "data.level_settings.rules",
    "data.classifier": "data.level_settings.classifier",
    "data.teacher": "data.level_settings.teacher",
    "data.refinement": "data.level_settings.refinement",
    "data.completion": "data.level_settings.completion",
    "data.context": "data.level_settings.context",
    "data.environment": "data.level_settings.environment",
    "data.ecosystem": "data.level_settings.ecosystem",
    "data.world": "data.level_settings.world",
    "data.on_violation": "data.level_settings.on_violation",
    "mixture.weights": "stages.*.weights",
    "curriculum.stages": "stages",
    "curriculum.controller": "controller",
    "scale": "model",
    "trainer": "optimizer",
}
"""Axes below these cover the field of the same name below the other; all further axes their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One leaf field that is not the same in all arms.

    `values` are texts, one per arm label; `explained_by` names the axis it follows from, "" for
    none: then the comparison is confounded by it.
    """

    field: str
    values: Mapping[str, str]
    explained_by: str


def config_differences(sweep: Sweep) -> tuple[Difference, ...]:
    """Return all fields in which the arms' resolved configurations differ, in order of name."""
    leaves = {arm.label: dict(_leaves(arm.config)) for arm in sweep.arms}
    fields = sorted({field for found in leaves.values() for field in found})
    differences = []
    for field in fields:
        values = {label: found.get(field, MISSING) for label, found in leaves.items()}
        if len(set(values.values())) > 1:
            explained_by = _explain(field, values, sweep)
            differences.append(Difference(field=field, values=values, explained_by=explained_by))
    return tuple(differences)


def shared_settings(sweep: Sweep) -> dict[str, str]:
    """Return the fields that all arms have in common, with their value."""
    if not sweep.arms:
        return {}
    differing = {difference.field for difference in config_differences(sweep)}
    first = dict(_leaves(sweep.arms[0].config))
    return {field: value for field, value in first.items() if field not in differing}


def _leaves(config: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf as (dotted path, text); an empty mapping or list is a leaf."""
    if isinstance(config, Mapping) and config:
        for key in sorted(config, key=str):
            yield from _leaves(config[key], f"{path}.{key}" if path else str(key))
    elif isinstance(config, list | tuple) and config:
        for index, value in enumerate(config):
            yield from _leaves(value, f"{path}.{index}" if path else str(index))
    elif path:
        yield path, str(config)


def _explain(field: str, values: Mapping[str, str], sweep: Sweep) -> str:
    """Return the axes that explain every arm's departure from the reference; "" if one is open."""
    reference = next((arm for arm in sweep.arms if arm.label == sweep.baseline), sweep.arms[0])
    axes: list[str] = []
    for arm in sweep.arms:
        if values[arm.label] == values[reference.label]:
            continue
        absent = MISSING in (values[arm.label], values[reference.label])
        axis = _axis_between(field, arm, reference, absent=absent)
        if not axis:
            return ""
        axes.append(axis)
    return ", ".join(dict.fromkeys(axes))


def _axis_between(field: str, arm: Arm, reference: Arm, *, absent: bool) -> str:
    for axis in sorted({*arm.choices, *reference.choices}, key=len, reverse=True):
        if arm.choices.get(axis) != reference.choices.get(axis) and (
            _covers(axis, field) or (absent and _makes_stages(axis, field))
        ):
            return axis
    return ""


def _covers(axis: str, field: str) -> bool:
    if axis in AXIS_FIELDS:
        return any(_is_under(field, prefix) for prefix in AXIS_FIELDS[axis])
    if stage := re.fullmatch(r"curriculum\.stages\.(\d+)\.(\w+)(\..+)?", axis):
        return _stage_covers(stage[1], stage[2], stage[3] or "", field)
    for old, new in RENAMED.items():
        if axis == old or axis.startswith(f"{old}."):
            return _is_under(field, new + axis.removeprefix(old))
    return _is_under(field, axis)


def _stage_covers(number: str, name: str, rest: str, field: str) -> bool:
    """Return whether a field of one stage of the command line decides a field of the recipe."""
    if name == "tokens_frac":  # where one stage ends, the next begins
        return any(_is_under(field, prefix) for prefix in _LENGTHS)
    names = STAGE_FIELDS.get(name, (f"{name}{rest}",))
    return any(_is_under(field, f"stages.{number}.{own}") for own in names)


def _makes_stages(axis: str, field: str) -> bool:
    """Return whether the axis decides how many stages there are, and the field is one stage's."""
    return axis.split(".")[0] == "curriculum" and _is_under(field, "stages")


def _is_under(field: str, prefix: str) -> bool:
    have, want = field.split("."), prefix.split(".")
    return len(have) >= len(want) and all(
        part in ("*", own) for part, own in zip(want, have, strict=False)
    )
