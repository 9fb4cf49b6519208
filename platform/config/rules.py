"""Rules that any field may have to keep; each returns the problems it finds."""

import math
from typing import Any

from davinci.platform.config.errors import Problem


def finite(plain: Any, prefix: str = "") -> list[Problem]:
    """Return every number in nested plain data that is infinite or not a number."""
    if isinstance(plain, dict):
        return [p for key, value in plain.items() for p in finite(value, f"{prefix}{key}.")]
    if isinstance(plain, list):
        return [p for i, value in enumerate(plain) for p in finite(value, f"{prefix}{i}.")]
    if isinstance(plain, float) and not math.isfinite(plain):
        return [Problem(field=prefix[:-1], value=str(plain), rule="must be a finite number.")]
    return []


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> list[Problem]:
    """Return a problem unless `value` is one of the choices."""
    if value in allowed:
        return []
    return [
        Problem(field=field, value=str(value), rule="there is no such choice.", allowed=allowed)
    ]


def positive(field: str, value: float) -> list[Problem]:
    """Return a problem unless `value` is above 0."""
    return [] if value > 0 else [Problem(field=field, value=f"{value:g}", rule="must be above 0.")]


def within(field: str, value: float, low: float, high: float) -> list[Problem]:
    """Return a problem unless `low <= value <= high`."""
    if low <= value <= high:
        return []
    rule = f"must lie between {low:g} and {high:g}."
    return [Problem(field=field, value=f"{value:g}", rule=rule)]
