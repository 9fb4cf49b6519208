"""From the words of a command line to arms: composed, resolved and named, all errors together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra.core.config_loader import ConfigLoader

from davinci.platform.config.compose import Expansion, compose, expand
from davinci.platform.config.errors import ConfigError, Problem, redact
from davinci.platform.config.identity import digest
from davinci.platform.config.recipe import Recipe, Replicate
from davinci.platform.config.resolve import Resolved, resolve
from davinci.platform.config.roles import role_of
from davinci.platform.config.runtime import Runtime
from davinci.platform.config.schema import Config

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
    """Everything that one command asks for."""

    name: str
    axes: Mapping[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    baseline: str
    arms: tuple[PlannedArm, ...]
    runtime: Runtime
    dry_run: bool


def request_sweep(words: Sequence[str], loader: ConfigLoader, config_name: str) -> Request:
    """Return what a sweep's overrides ask for.

    Raises:
        ConfigError: With the problems of all points together.
    """
    expansion = expand(words, loader)
    points: list[tuple[dict[str, str], Resolved, dict[str, object]]] = []
    problems: list[Problem] = []
    for choices in expansion.points:
        try:
            points.append((choices, *_resolve(loader, expansion.overrides(choices), config_name)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return _request(expansion, points, one_run=False)


def request_run(words: Sequence[str], loader: ConfigLoader, config_name: str) -> Request:
    """Return what a single run's overrides ask for: one recipe, one seed.

    Raises:
        ConfigError: With every problem of the configuration.
    """
    expansion = Expansion(axes={}, fixed=tuple(words), points=({},))
    return _request(expansion, [({}, *_resolve(loader, words, config_name))], one_run=True)


def _resolve(
    loader: ConfigLoader, words: Sequence[str], config_name: str
) -> tuple[Resolved, dict[str, object]]:
    """Compose and resolve one point; where an override cannot be, look at the others without it."""
    try:
        config = compose(loader, words, config_name)
    except ConfigError as error:
        wrong = {problem.field for problem in error.problems}
        rest = [word for word in words if word.partition("=")[0].lstrip("+~") not in wrong]
        if len(rest) < len(words):
            try:
                _resolve(loader, rest, config_name)
            except ConfigError as more:
                raise ConfigError([*error.problems, *more.problems]) from None
        raise
    return resolve(config), dict(config.sweep)


def _request(
    expansion: Expansion,
    points: Sequence[tuple[dict[str, str], Resolved, dict[str, object]]],
    *,
    one_run: bool,
) -> Request:
    axes = {axis: v for axis, v in expansion.axes.items() if _role(axis) in ("identity", "group")}
    fixed = tuple(redact(word) for word in expansion.fixed if _role(word) != "runtime")
    arms: dict[str, PlannedArm] = {}
    for choices, resolved, _ in points:
        replicates = resolved.replicates(
            num_seeds=1 if one_run or "seed" in expansion.axes else resolved.num_seeds,
            num_worlds=1 if one_run or WORLD_FIELD in expansion.axes else resolved.num_worlds,
        )
        shown = {axis: choices[axis] for axis in axes}
        key = digest(resolved.recipe)
        if key in arms:
            replicates = tuple(sorted({*arms[key].replicates, *replicates}))
            shown = dict(arms[key].choices)
        arms[key] = PlannedArm(
            label=label_of(shown),
            choices=shown,
            overrides=fixed + tuple(f"{k}={v}" for k, v in shown.items()),
            recipe=resolved.recipe,
            replicates=replicates,
        )
    sweep = points[0][2]
    return Request(
        name=str(sweep["name"]) or (" × ".join(axes) or "single run"),
        axes=axes,
        fixed=fixed,
        baseline=_baseline(str(sweep["baseline"]), list(arms.values())),
        arms=tuple(arms.values()),
        runtime=points[0][1].runtime,
        dry_run=bool(sweep["dry_run"]),
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
