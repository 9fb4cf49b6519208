"""From `ablation=NAME` and the other words of a command line to a request with its arms."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from davinci.ablations.declaration import FIRST, Ablation, declare, registered
from davinci.data_levels.sources.registry import WITH_ITEMS
from davinci.platform.config.compose import Words, compose, parse
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.plan.points import Request, request_points


def declared_in(words: Sequence[str], loader: ConfigLoader, config_name: str) -> Ablation | None:
    """Return the ablation that a command line asks for, None if none.

    Raises:
        ConfigError: If there is no such ablation, or its declaration is wrong.
    """
    asked = parse(words, loader)
    named = [word for word in asked.fixed if word.partition("=")[0].split(".")[0] == "ablation"]
    if "ablation" in asked.axes:
        value = ",".join(asked.axes["ablation"])
        rule = "one ablation at a time: each has arms and claims of its own."
        raise ConfigError([Problem(field="ablation", value=value, rule=rule)])
    if not named:
        return None
    plain: Any = OmegaConf.to_container(compose(loader, named, config_name).ablation, resolve=True)
    return declare(plain) if plain["name"] else None


def request_ablation(
    ablation: Ablation,
    words: Sequence[str],
    loader: ConfigLoader,
    config_name: str,
    tick: Callable[[], None] = lambda: None,
) -> Request:
    """Return what an ablation asks for, with the words of the command line behind its setting.

    Raises:
        ConfigError: With the problems of all arms together; also if a word takes the place of what
            an arm sets, if two arms are the same recipe, or if a claim's protocol is not evaluated.
    """
    asked = parse(words, loader)
    _refuse_axes(ablation, asked)
    given = {_key(word) for word in asked.fixed}
    fixed = [*(word for word in ablation.setting if _key(word) not in given), *asked.fixed]
    config = compose(loader, fixed, config_name)
    _refuse_designs(ablation, config)
    race = int(config.sweep.race)
    if race:
        if race < FIRST:
            rule = f"a race takes {FIRST} seeds before its first look."
            raise ConfigError([Problem(field="sweep.race", value=str(race), rule=rule)])
        fixed = [*(word for word in fixed if _key(word) != "seeds"), f"seeds={race}"]
    sweep: dict[str, Any] = OmegaConf.to_container(config.sweep, resolve=True)  # type: ignore[assignment]
    sweep |= {"name": ablation.name, "baseline": ablation.baseline}
    points = [dict(_pair(word) for word in arm) for arm in ablation.arms.values()]
    request = request_points(
        fixed, points, loader, config_name, sweep, labels=list(ablation.arms), tick=tick
    )
    _refuse_twins(ablation, request)
    _refuse_protocols(ablation, request)
    declared = registered(ablation, race or int(config.seeds), int(config.worlds), race)
    return replace(request, declared=declared)


def _refuse_axes(ablation: Ablation, asked: Words) -> None:
    problems = [
        Problem(
            field=key,
            value=",".join(values),
            rule=f"{ablation.name} has arms of its own; give one value, which holds for all.",
        )
        for key, values in asked.axes.items()
    ]
    swept = {_key(word) for arm in ablation.arms.values() for word in arm}
    for word in asked.fixed:
        if _key(word) in swept:
            rule = f"is what the arms of {ablation.name} differ in."
            problems.append(Problem(field=_key(word), value=word.partition("=")[2], rule=rule))
    if problems:
        raise ConfigError(problems)


def _refuse_designs(ablation: Ablation, config: DictConfig) -> None:
    """Refuse what would choose other points: an ablation has its arms."""
    sweep = config.sweep
    asked = {f"sweep.{name}": sweep[name] for name in ("zip", "exclude", "points", "baseline")}
    asked["sweep.design"] = "" if sweep.design == "grid" else sweep.design
    asked["search"] = config.search.sampler
    rule = f"{ablation.name} has arms and a baseline of its own; leave this out."
    problems = [
        Problem(field=field, value=str(value), rule=rule) for field, value in asked.items() if value
    ]
    if problems:
        raise ConfigError(problems)


def _refuse_twins(ablation: Ablation, request: Request) -> None:
    labels: dict[str, list[str]] = {}
    for label, recipe in zip(ablation.arms, request.recipes, strict=True):
        labels.setdefault(recipe, []).append(label)
    twins = [same for same in labels.values() if len(same) > 1]
    if twins:
        rule = "are the same recipe here, so that nothing can be compared."
        raise ConfigError(
            [Problem(field="ablation.arms", value=" and ".join(t), rule=rule) for t in twins]
        )


def _refuse_protocols(ablation: Ablation, request: Request) -> None:
    """Refuse claims about protocols that the recipes are not evaluated under."""
    evaluated = set.intersection(*(_protocols(arm.recipe) for arm in request.arms))
    lacking = [protocol for protocol in ablation.protocols if protocol not in evaluated]
    if lacking and not _source_lacks_items(request):
        rule = f"{ablation.name} claims something of it, but it is not evaluated here."
        raise ConfigError(
            [
                Problem(field="evaluation.protocols", value=name, rule=rule, allowed=())
                for name in lacking
            ]
        )


def _protocols(recipe: Any) -> set[str]:
    return set(recipe.evaluation.protocols)


def _source_lacks_items(request: Request) -> bool:
    """Return whether the source has no items and no benchmark is asked for: claims stay open."""
    recipe = request.arms[0].recipe
    return recipe.data.source.name not in WITH_ITEMS and not recipe.evaluation.benchmarks


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value
