"""Composing a whole design at once: every option of every axis once, then merged point by point.

Hydra takes about a tenth of a second per composition (measured), and a design of 240 points needs
no more than some dozens: the first point, and for each axis what another value changes of it. That
is the same as composing every point as long as axes do not touch each other's fields, and nothing
is interpolated across them. Both are checked, the second on a sample of points; where they do not
hold, every point is composed by Hydra itself.
"""

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from davinci.platform.config.compose import compose, is_group
from davinci.platform.config.errors import ConfigError, Problem

Plain = dict[str, Any]
Point = Mapping[str, str]
Path = tuple[str, ...]
SAMPLE = 4
GONE = object()


def compose_points(
    loader: ConfigLoader,
    fixed: Sequence[str],
    points: Sequence[Point],
    config_name: str,
    to_plain: Callable[[DictConfig], Plain],
    tick: Callable[[], None] = lambda: None,
) -> list[Plain | ConfigError]:
    """Return the plain config of every point, or what is wrong with it.

    Args:
        loader: Of Hydra.
        fixed: Overrides of every point.
        points: Per point, override key -> value as typed.
        config_name: The primary config.
        to_plain: Makes plain data of a composed config; raises ConfigError.
        tick: Called now and then, to show progress.
    """
    known: dict[tuple[tuple[str, str], ...], Plain | ConfigError] = {}

    def by_hydra(point: Point) -> Plain | ConfigError:
        name = tuple(point.items())
        if name not in known:
            tick()
            try:
                known[name] = to_plain(compose(loader, words_of(point), config_name))
            except ConfigError as error:
                known[name] = error
        return known[name]

    def words_of(point: Point) -> list[str]:
        return [*fixed, *(f"{key}={value}" for key, value in point.items())]

    whole = [by_hydra(points[0])]
    if isinstance(whole[0], ConfigError) or len({tuple(point) for point in points}) > 1:
        return whole + [by_hydra(point) for point in points[1:]]
    changes = _changes(loader, fixed, points, config_name, to_plain, by_hydra, whole[0])
    if changes is None:
        return whole + [by_hydra(point) for point in points[1:]]
    merged = [_merge(whole[0], point, changes) for point in points]
    # of a single axis every value has been composed already
    size = min(SAMPLE, len(points)) if len(points[0]) > 1 else 0
    sample = random.Random(0).sample(points, size)
    for point in (points[-1], *sample):
        if not _same(by_hydra(point), _merge(whole[0], point, changes)):
            return whole + [by_hydra(point) for point in points[1:]]
    return merged


_Changes = dict[tuple[str, str], dict[Path, Any] | ConfigError]


def _changes(
    loader: ConfigLoader,
    fixed: Sequence[str],
    points: Sequence[Point],
    config_name: str,
    to_plain: Callable[[DictConfig], Plain],
    by_hydra: Callable[[Point], Plain | ConfigError],
    first: Plain,
) -> _Changes | None:
    """Return what each value of each axis changes of the first point; None where they collide."""
    origin = points[0]
    words = [*fixed, *(f"{key}={value}" for key, value in origin.items())]
    composed = compose(loader, words, config_name)
    base = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    found: _Changes = {}
    touched: dict[Path, str] = {}
    for axis in origin:
        grouped = is_group(loader, axis)
        for value in dict.fromkeys(point[axis] for point in points):
            if value == origin[axis] and grouped:
                found[axis, value] = {}
                continue
            quick = None if grouped else _set(base, axis, value, to_plain)
            plain = quick or by_hydra({**origin, axis: value})
            if isinstance(plain, ConfigError):
                found[axis, value] = plain
                continue
            change = _difference(first, plain, ())
            found[axis, value] = change
            for path in change:
                if touched.setdefault(path, axis) != axis:
                    return None
    return found


def _set(
    base: DictConfig, axis: str, value: str, to_plain: Callable[[DictConfig], Plain]
) -> Plain | None:
    """Return the config with one field set, None where Hydra has to say what that means."""
    if not axis.replace(".", "").replace("_", "").isalnum():
        return None
    try:
        parsed = OverridesParser.create().parse_override(f"{axis}={value}").value()
        if isinstance(parsed, dict | list):
            return None
        config = copy.deepcopy(base)
        OmegaConf.update(config, axis, parsed)
        return to_plain(config)
    except (HydraException, OmegaConfBaseException, ConfigError):
        return None


def _difference(before: Any, after: Any, path: Path) -> dict[Path, Any]:
    """Return the paths at which two nested mappings differ, with what stands there after."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if _same(before, after) else {path: after}
    found: dict[Path, Any] = {(*path, key): GONE for key in before if key not in after}
    for key, value in after.items():
        if key in before:
            found |= _difference(before[key], value, (*path, key))
        else:
            found[(*path, key)] = value
    return found


def _merge(first: Plain, point: Point, changes: _Changes) -> Plain | ConfigError:
    problems: list[Problem] = []
    merged = first
    for choice in point.items():
        change = changes[choice]
        if isinstance(change, ConfigError):
            problems += change.problems
            continue
        for path, value in change.items():
            merged = _with(merged, path, value)
    return ConfigError(problems) if problems else merged


def _with(plain: Plain, path: Path, value: Any) -> Plain:
    """Return the mapping with another value at a path; the original stays as it is."""
    key, *rest = path
    if rest:
        return plain | {key: _with(plain.get(key) or {}, tuple(rest), value)}
    if value is GONE:
        return {name: item for name, item in plain.items() if name != key}
    return plain | {key: value}


def _same(one: Any, other: Any) -> bool:
    """Return whether two plain values are the same, types included, keys in any order."""
    if isinstance(one, ConfigError) or isinstance(other, ConfigError):
        return isinstance(one, ConfigError) and isinstance(other, ConfigError)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))
