"""Which fields of the arms' resolved configurations differ, and which axis explains it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.platform.store.records import Arm, Sweep

MISSING = "(absent)"

AXIS_FIELDS: Mapping[str, tuple[str, ...]] = {
    "data": ("data",),
    "data.level": ("data.levels",),
    "data.level_of": ("data.levels",),
    "mixture": ("stages.*.weights",),
    "curriculum": ("stages",),
    "scale": ("model", "data.tokenizer_vocab_size", "optimizer", "stages"),
    "trainer": ("optimizer", "precision", "stages"),
    "evaluation": ("evaluation",),
}
"""What each axis of the command line may change in the resolved recipe; `*` is any one part.

An axis that is not listed here (nor one of its parents) covers the field of its own name.
"""


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
        axis = _axis_between(field, arm, reference)
        if not axis:
            return ""
        axes.append(axis)
    return ", ".join(dict.fromkeys(axes))


def _axis_between(field: str, arm: Arm, reference: Arm) -> str:
    for axis in sorted({*arm.choices, *reference.choices}, key=len, reverse=True):
        if arm.choices.get(axis) != reference.choices.get(axis) and _covers(axis, field):
            return axis
    return ""


def _covers(axis: str, field: str) -> bool:
    parts = axis.split(".")
    for length in range(len(parts), 0, -1):
        known = AXIS_FIELDS.get(".".join(parts[:length]))
        if known is not None:
            return any(_is_under(field, prefix) for prefix in known)
    return _is_under(field, axis)


def _is_under(field: str, prefix: str) -> bool:
    have, want = field.split("."), prefix.split(".")
    return len(have) >= len(want) and all(
        part in ("*", own) for part, own in zip(want, have, strict=False)
    )
