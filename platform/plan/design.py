"""Which points a sweep has: the whole grid of its axes, or a design that takes fewer.

    grid           every combination
    one_factor     the baseline (every axis at its first value), and one change at a time
    hold_one_out   every axis at its last value, and one at a time taken back to its first
    fractional     1 / 2^sweep.fraction of the grid of two-valued axes
    points         those listed, whatever the axes

Axes that `sweep.zip` names together move together; `sweep.exclude` drops points.
"""

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.plan.fractional import Fraction, fractional

DESIGNS = ("grid", "one_factor", "hold_one_out", "fractional")
MAX_POINTS = 10_000
"""Larger designs are refused with their size: planning them alone would take minutes."""

Axes = Mapping[str, tuple[str, ...]]
Point = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignSettings:
    """What `sweep` says of the points; see `SweepConfig`."""

    design: str = "grid"
    zip: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    fraction: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The points, and remarks on what they can tell."""

    points: tuple[Point, ...]
    remarks: tuple[str, ...] = ()


def lay_out(axes: Axes, settings: DesignSettings) -> Design:
    """Return the points of a sweep, in an order in which the first is the natural baseline.

    Raises:
        ConfigError: If there are too many, none, or a setting does not fit the axes.
    """
    if settings.points:
        return Design(points=tuple(_exclude(_listed(axes, settings.points), axes, settings)))
    bundles = _bundles(axes, settings.zip)
    remarks: tuple[str, ...] = ()
    if settings.design == "one_factor":
        points = _one_at_a_time(bundles, origin=0)
    elif settings.design == "hold_one_out":
        points = _one_at_a_time(bundles, origin=-1)
    elif settings.design == "fractional":
        points, remarks = _fraction(bundles, settings.fraction)
    else:
        points = _grid(bundles)
    return Design(points=tuple(_exclude(points, axes, settings)), remarks=remarks)


def _bundles(axes: Axes, zips: Sequence[str]) -> list[list[Point]]:
    """Return the axes as lists of partial points; zipped axes are one list."""
    together: dict[str, tuple[str, ...]] = {}
    for text in zips:
        names = tuple(name.strip() for name in text.split("+"))
        for name in names:
            if name not in axes:
                raise _refused("zip", text, f"{name} is not swept.", tuple(axes))
            if name in together:
                raise _refused("zip", text, f"{name} is zipped twice.")
            together[name] = names
        lengths = {name: len(axes[name]) for name in names}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {number}" for name, number in lengths.items())
            raise _refused("zip", text, f"axes that move together need as many values: {told}.")
    bundles, seen = [], set()
    for axis in axes:
        names = together.get(axis, (axis,))
        if names not in seen:
            seen.add(names)
            rows = zip(*(axes[name] for name in names), strict=True)
            bundles.append([dict(zip(names, row, strict=True)) for row in rows])
    return bundles


def _grid(bundles: Sequence[Sequence[Point]]) -> Iterator[Point]:
    size = math.prod(len(bundle) for bundle in bundles)
    if size > MAX_POINTS:
        axes = " ".join(key for bundle in bundles for key in bundle[0])
        rule = f"the grid has {size:,} points; at most {MAX_POINTS:,} are planned at once."
        raise ConfigError([Problem(field=axes, value="", rule=rule)])
    return (_joined(parts) for parts in product(*bundles))


def _one_at_a_time(bundles: Sequence[Sequence[Point]], *, origin: int) -> Iterator[Point]:
    """Return a point at one end of every axis, and each with one axis elsewhere.

    From the first values (`origin` 0) every other value is tried; from the last (-1), only the
    first: what is held out is what the axis adds to it.
    """
    start = [bundle[origin] for bundle in bundles]
    yield _joined(start)
    for index, bundle in enumerate(bundles):
        others = bundle[1:] if origin == 0 else bundle[:1] if len(bundle) > 1 else ()
        for part in others:
            yield _joined([*start[:index], part, *start[index + 1 :]])


def _fraction(
    bundles: Sequence[Sequence[Point]], halvings: int
) -> tuple[Iterator[Point], tuple[str, ...]]:
    names = ["+".join(bundle[0]) for bundle in bundles]
    if long := [n for n, bundle in zip(names, bundles, strict=True) if len(bundle) != 2]:
        rule = f"every axis needs two values, but {', '.join(long)} has another number."
        raise _refused("design", "fractional", rule)
    try:
        found = fractional(len(bundles), halvings)
    except ValueError as error:
        raise _refused("fraction", str(halvings), str(error)) from None
    if len(found.points) > MAX_POINTS:
        raise _refused("fraction", str(halvings), f"leaves {len(found.points):,} points.")
    points = (
        _joined([bundle[bit] for bundle, bit in zip(bundles, bits, strict=True)])
        for bits in found.points
    )
    return points, tuple(_told(found, names))


def _told(found: Fraction, names: Sequence[str]) -> Iterator[str]:
    yield f"A fraction of resolution {found.resolution}: {len(found.points)} points."
    if same := found.aliases(names):
        yield f"Not told apart: {'; '.join(same)}."


def _listed(axes: Axes, texts: Sequence[str]) -> Iterator[Point]:
    if len(texts) > MAX_POINTS:
        raise _refused("points", "", f"{len(texts):,} points; at most {MAX_POINTS:,} are planned.")
    for text in texts:
        point = dict(_pair(word, "points", text) for word in text.split())
        if twice := [key for key in point if key in axes]:
            raise _refused("points", text, f"{twice[0]} is swept on the command line already.")
        yield point


def _exclude(points: Iterator[Point], axes: Axes, settings: DesignSettings) -> list[Point]:
    kept = list(points)
    for text in settings.exclude:
        wanted = dict(_pair(word, "exclude", text) for word in text.split())
        known = {key for point in kept for key in point} | set(axes)
        if strange := [key for key in wanted if key not in known]:
            raise _refused("exclude", text, f"{strange[0]} is not swept.", tuple(known))
        left = [
            point
            for point in kept
            if not all(fnmatch.fnmatchcase(point.get(k, ""), v) for k, v in wanted.items())
        ]
        if len(left) == len(kept):
            raise _refused("exclude", text, "no point is like that.")
        kept = left
    if not kept:
        raise _refused("exclude", "; ".join(settings.exclude), "no point is left.")
    return kept


def _pair(word: str, field: str, text: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not (key and equals):
        raise _refused(field, text, f"{word!r} cannot be read as field=value.")
    return key, value


def _joined(parts: Sequence[Point]) -> Point:
    return {key: value for part in parts for key, value in part.items()}


def _refused(field: str, value: str, rule: str, allowed: tuple[str, ...] = ()) -> ConfigError:
    problem = Problem(field=f"sweep.{field}", value=value, rule=rule, allowed=allowed)
    return ConfigError([problem])
