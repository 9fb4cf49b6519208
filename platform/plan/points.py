"""From the words of a command line to arms: composed, resolved and named, all errors together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from davinci.platform.config.compose import Words, compose, is_group, parse
from davinci.platform.config.errors import ConfigError, Problem, redact
from davinci.platform.config.factored import compose_points
from davinci.platform.config.identity import digest
from davinci.platform.config.recipe import Recipe, Replicate
from davinci.platform.config.resolve import Resolved, resolve_plain, to_plain
from davinci.platform.config.roles import role_of
from davinci.platform.config.rules import one_of
from davinci.platform.config.runtime import Runtime
from davinci.platform.config.schema import Config
from davinci.platform.plan.design import DESIGNS, DesignSettings, Point, lay_out

WORLD_FIELD = "data.world_seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """One recipe of a sweep under its label, with the replicates that were asked for."""

    label: str
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    recipe: Recipe
    replicates: tuple[Replicate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that one command asks for.

    `remarks` are on what its design can tell; `recipes` are those of its points, by digest.
    `declared` is what a declared ablation registers before its first run.
    """

    name: str
    axes: Mapping[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    baseline: str
    arms: tuple[PlannedArm, ...]
    runtime: Runtime
    dry_run: bool
    budget: str = ""
    price_per_hour: float = 0.0
    remarks: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    declared: Mapping[str, Any] | None = None


def request_sweep(
    words: Sequence[str],
    loader: ConfigLoader,
    config_name: str,
    tick: Callable[[], None] = lambda: None,
) -> Request:
    """Return what a sweep's overrides ask for.

    Raises:
        ConfigError: With the problems of all points together.
    """
    asked = parse(words, loader)
    if asked.intervals:
        rule = "a continuous interval has no grid; give the values, or choose a search."
        raise ConfigError(
            [Problem(field=key, value=str(v), rule=rule) for key, v in asked.intervals.items()]
        )
    sweep, config = first_point(asked, loader, config_name)
    if sweep["race"]:
        rule = "only a declared ablation has claims to race for: ablation=NAME."
        raise ConfigError([Problem(field="sweep.race", value=str(sweep["race"]), rule=rule)])
    design = lay_out(asked.axes, _design(sweep))
    points = _complete(design.points, config, loader)
    return request_points(
        asked.fixed, points, loader, config_name, sweep, remarks=design.remarks, tick=tick
    )


def request_points(
    fixed: Sequence[str],
    points: Sequence[Point],
    loader: ConfigLoader,
    config_name: str,
    sweep: Mapping[str, Any],
    *,
    remarks: tuple[str, ...] = (),
    labels: Sequence[str] = (),
    tick: Callable[[], None] = lambda: None,
) -> Request:
    """Return what points ask for; `sweep` is the config's.

    Without `labels`, all points have the same axes, which name them.

    Raises:
        ConfigError: With the problems of all points together.
    """
    resolved: list[Resolved] = []
    problems: list[Problem] = []
    for plain in compose_points(loader, fixed, points, config_name, to_plain, tick):
        try:
            resolved.append(_resolved(plain))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    keys = dict.fromkeys(key for point in points for key in point)
    axes = {k: tuple(dict.fromkeys(p[k] for p in points if k in p)) for k in keys}
    return _request(axes, fixed, points, resolved, sweep, remarks, labels=labels)


def wants_sampler(words: Sequence[str], loader: ConfigLoader, config_name: str) -> bool:
    """Return whether a command line leaves it to a sampler to choose points.

    Raises:
        ConfigError: If it cannot be read.
    """
    _, config = first_point(parse(words, loader), loader, config_name)
    return bool(config.search.sampler)


def request_run(words: Sequence[str], loader: ConfigLoader, config_name: str) -> Request:
    """Return what a single run's overrides ask for: one recipe, one seed.

    Raises:
        ConfigError: With every problem of the configuration.
    """
    config = _composed(loader, words, config_name)
    if config.ablation.name:
        rule = "an ablation has several arms: add -m."
        raise ConfigError([Problem(field="ablation", value=config.ablation.name, rule=rule)])
    resolved = resolve_plain(to_plain(config))
    return _request({}, words, [{}], [resolved], dict(config.sweep), (), one_run=True)


def first_point(
    asked: Words, loader: ConfigLoader, config_name: str
) -> tuple[dict[str, Any], DictConfig]:
    """Return what the config says of the sweep, and the config of the axes' first values.

    Raises:
        ConfigError: If that cannot be composed: with what is wrong with any value of any axis.
    """
    first = [f"{key}={values[0]}" for key, values in asked.axes.items()]
    try:
        config = compose(loader, [*asked.fixed, *first], config_name)
    except ConfigError:
        raise _all_wrong(asked, loader, config_name) from None
    sweep: dict[str, Any] = OmegaConf.to_container(config.sweep, resolve=True)  # type: ignore[assignment]
    if problems := one_of("sweep.design", sweep["design"], DESIGNS):
        raise ConfigError(problems)
    return sweep, config


def _all_wrong(asked: Words, loader: ConfigLoader, config_name: str) -> ConfigError:
    """Return what is wrong with the fixed overrides, and with every value by itself."""
    problems: list[Problem] = []
    others = [(key, value) for key, values in asked.axes.items() for value in values]
    for words in ([], *([f"{key}={value}"] for key, value in others)):
        try:
            to_plain(_composed(loader, [*asked.fixed, *words], config_name))
        except ConfigError as error:
            problems += error.problems
    return ConfigError(problems)


def _composed(loader: ConfigLoader, words: Sequence[str], config_name: str) -> DictConfig:
    """Compose one point; where an override cannot be, look at the others without it."""
    try:
        return compose(loader, words, config_name)
    except ConfigError as error:
        wrong = {problem.field for problem in error.problems}
        rest = [word for word in words if word.partition("=")[0].lstrip("+~") not in wrong]
        if len(rest) < len(words):
            try:
                resolve_plain(to_plain(_composed(loader, rest, config_name)))
            except ConfigError as more:
                raise ConfigError([*error.problems, *more.problems]) from None
        raise


def _resolved(plain: dict[str, Any] | ConfigError) -> Resolved:
    if isinstance(plain, ConfigError):
        raise plain
    return resolve_plain(plain)


def _design(sweep: Mapping[str, Any]) -> DesignSettings:
    lists = {name: tuple(str(v) for v in sweep[name]) for name in ("zip", "exclude", "points")}
    return DesignSettings(design=sweep["design"], fraction=sweep["fraction"], **lists)


def _complete(points: Sequence[Point], config: DictConfig, loader: ConfigLoader) -> list[Point]:
    """Return points that all have the same axes: what one does not name is as the config has it."""
    axes = dict.fromkeys(key for point in points for key in point)
    if all(len(point) == len(axes) for point in points):
        return list(points)
    usual = {}
    for key in axes:
        if is_group(loader, key):
            usual[key] = str(config.hydra.runtime.choices.get(key))
        else:
            usual[key] = str(OmegaConf.select(config, key))
    return [{key: point.get(key, usual[key]) for key in axes} for point in points]


def _request(
    axes: Mapping[str, tuple[str, ...]],
    fixed: Sequence[str],
    points: Sequence[Point],
    resolved: Sequence[Resolved],
    sweep: Mapping[str, Any],
    remarks: tuple[str, ...],
    *,
    one_run: bool = False,
    labels: Sequence[str] = (),
) -> Request:
    shown_axes = {axis: v for axis, v in axes.items() if _role(axis) in ("identity", "group")}
    shown_fixed = tuple(redact(word) for word in fixed if _role(word) != "runtime")
    arms: dict[str, PlannedArm] = {}
    recipes = []
    for place, (choices, point) in enumerate(zip(points, resolved, strict=True)):
        replicates = point.replicates(
            num_seeds=1 if one_run or "seed" in axes else point.num_seeds,
            num_worlds=1 if one_run or WORLD_FIELD in axes else point.num_worlds,
        )
        shown = {axis: choices[axis] for axis in shown_axes if axis in choices}
        label = labels[place] if labels else label_of(shown)
        recipes.append(key := digest(point.recipe))
        if key in arms:
            replicates = tuple(sorted({*arms[key].replicates, *replicates}))
            shown, label = dict(arms[key].choices), arms[key].label
        arms[key] = PlannedArm(
            label=label,
            choices=shown,
            overrides=shown_fixed + tuple(f"{k}={v}" for k, v in shown.items()),
            recipe=point.recipe,
            replicates=replicates,
        )
    return Request(
        name=str(sweep["name"]) or (" × ".join(shown_axes) or "single run"),
        axes=shown_axes,
        fixed=shown_fixed,
        baseline=_baseline(str(sweep["baseline"]), list(arms.values())),
        arms=tuple(arms.values()),
        runtime=resolved[0].runtime,
        dry_run=bool(sweep["dry_run"]),
        budget=str(sweep["budget"]),
        price_per_hour=float(sweep["price_per_hour"]),
        remarks=remarks,
        recipes=tuple(recipes),
    )


def _role(override: str) -> str:
    return role_of(Config, override.partition("=")[0].lstrip("+~"))


def label_of(choices: Mapping[str, str]) -> str:
    """Return a short name for an arm: its swept values, without their keys where one suffices."""
    if len(choices) <= 1:
        return next(iter(choices.values()), "run")
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in choices.items())


def _baseline(asked: str, arms: Sequence[PlannedArm]) -> str:
    labels = tuple(arm.label for arm in arms)
    if not asked:
        return labels[0]
    if asked not in labels:
        rule = "there is no such arm."
        problem = Problem(field="sweep.baseline", value=asked, rule=rule, allowed=labels)
        raise ConfigError([problem])
    return asked
