"""Identity: what something is called by what determines it.

A digest is the sha256 of canonical JSON. A field that equals its declared default is left out, so
that adding a field later renames nothing; values without one stable spelling are refused.
"""

import dataclasses
import hashlib
import json
import math
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

IDENTITY_VERSION = 1
"""Raised when the rules of this file change; every digest changes with it."""


def canonical(value: Any, *, with_runtime: bool = False) -> Any:
    """Return `value` as plain data with sorted keys; dataclass fields at their default left out.

    So are fields of the role *runtime*, unless they are asked for.

    Raises:
        TypeError: If a value has no stable spelling (sets, paths, functions, NaN...).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: canonical(getattr(value, f.name), with_runtime=with_runtime)
            for f in sorted(dataclasses.fields(value), key=lambda f: f.name)
            if getattr(value, f.name) != _default(f) and (with_runtime or not _is_runtime(f))
        }
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key], with_runtime=with_runtime) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(item, with_runtime=with_runtime) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TypeError(f"{value!r} ({type(value).__name__}) has no stable spelling to hash.")


def digest(value: Any) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON of `value`."""
    document = {"identity": IDENTITY_VERSION, "value": canonical(value)}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def restore(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Rebuild a settings dataclass from what `canonical` made of it.

    Raises:
        TypeError: If a field is unknown or missing.
    """
    hints = get_type_hints(cls)
    return cls(**{name: _typed(hints[name], item) for name, item in plain.items()})


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested plain data as one level of dotted names."""
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            for index, item in enumerate(value):
                flat.update(flatten(item, f"{name}.{index}."))
        else:
            flat[name] = value
    return flat


def plain(value: Any) -> Any:
    """Return settings as plain data with every field of identity, defaults included, to read."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = [f.name for f in dataclasses.fields(value) if not _is_runtime(f)]
        return {name: plain(getattr(value, name)) for name in named}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _is_runtime(field: "dataclasses.Field[Any]") -> bool:
    return field.metadata.get("role") == "runtime"


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return dataclasses.MISSING


def _typed(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return value if value is None else _typed(get_args(hint)[0], value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return restore(hint, value)
    if origin is tuple:
        return tuple(_typed(get_args(hint)[0], item) for item in value)
    if origin is Literal or not isinstance(value, Mapping):
        return float(value) if hint is float else value
    return dict(value)
