"""The roles of fields: what a change of one means for a result.

*identity* changes the result and enters the recipe's digest; *replicate* repeats a recipe (seeds,
worlds); *runtime* says where and how; *cosmetic* names things.
"""

import dataclasses
import types
from dataclasses import field, make_dataclass
from typing import Any, Literal, get_args, get_origin

from omegaconf import MISSING

IDENTITY, REPLICATE, RUNTIME, COSMETIC = "identity", "replicate", "runtime", "cosmetic"


def _marked(role: str, default: Any) -> Any:
    metadata = {"role": role}
    if dataclasses.is_dataclass(default) or isinstance(default, list | dict):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


def identity(default: Any = MISSING) -> Any:
    """Mark a field that changes the result."""
    return _marked(IDENTITY, default)


def replicate(default: Any) -> Any:
    """Mark a field that repeats a recipe."""
    return _marked(REPLICATE, default)


def runtime(default: Any) -> Any:
    """Mark a field that says where and how, not what."""
    return _marked(RUNTIME, default)


def cosmetic(default: Any = "") -> Any:
    """Mark a name or a note."""
    return _marked(COSMETIC, default)


def open_twin(settings: type) -> type:
    """Return a mutable twin of a settings class: OmegaConf refuses to override frozen ones.

    A tuple becomes a list, which is what YAML can say; `resolve` makes it a tuple again.
    """
    fields = []
    for f in dataclasses.fields(settings):
        default = MISSING if f.default is dataclasses.MISSING else f.default
        is_tuple = isinstance(default, tuple)
        kind: Any = f.type
        if is_tuple:
            kind = types.GenericAlias(list, get_args(f.type)[:1])
        elif get_origin(kind) is Literal:
            kind = str
        role = f.metadata.get("role", IDENTITY)
        fields.append((f.name, kind, _marked(role, list(default) if is_tuple else default)))
    return make_dataclass(settings.__name__.replace("Settings", "Config"), fields)


def role_of(cls: type, dotted: str) -> str:
    """Return the role of a field by its dotted name; `group` where it names a whole group."""
    head, _, rest = dotted.partition(".")
    found = {f.name: f for f in dataclasses.fields(cls)}.get(head)
    if found is None:
        return IDENTITY
    nested = [a for a in (found.type, *get_args(found.type)) if dataclasses.is_dataclass(a)]
    if nested and not rest:
        return "group" if found.metadata["role"] == IDENTITY else str(found.metadata["role"])
    return (
        role_of(nested[0], rest)
        if nested and isinstance(nested[0], type)
        else str(found.metadata["role"])
    )
