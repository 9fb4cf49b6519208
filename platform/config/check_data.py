"""The rules for a source: whether it exists, and can give what the recipe asks of it."""

import re
from typing import Any
from urllib.parse import urlsplit

from davinci.data_levels.document import LEVELS
from davinci.data_levels.sources import (
    WITH_ITEMS,
    WITH_WORLDS,
    available_domains,
    check_source,
    max_level,
)
from davinci.data_levels.teacher import check_teacher
from davinci.platform.config.errors import Problem
from davinci.platform.config.recipe import Recipe


def check_reach(plain: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return what the source cannot give: it is missing, or a level, a domain, or the items."""
    data, source = plain["data"], recipe.data.source
    address = data["teacher"]["base_url"]
    if "@" in urlsplit(address).netloc:
        rule = "must hold no key; name its environment variable in data.teacher.api_key_env."
        return [Problem(field="data.teacher.base_url", value=address, rule=rule)]
    try:
        check_source(source)
        check_teacher(recipe.data.level_settings.teacher)
    except ValueError as error:
        named = re.search(r"`(data\.[\w.]+)`", str(error))
        return [Problem(field=named[1] if named else "data", value="", rule=str(error))]
    return [
        *_check_depth(data, recipe),
        *_check_domains(data, recipe),
        *_check_items(data, recipe),
        *_check_worlds(plain, recipe),
    ]


def _check_depth(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    problems = []
    deepest = max_level(recipe.data.source, recipe.data.level_settings.teacher)
    for domain, level in recipe.data.levels.items():
        if LEVELS.index(level) > LEVELS.index(deepest):
            own = data["level_of"][domain] is not None
            rule = f"data={data['source']} reaches {deepest} only (deeper needs a teacher: "
            rule += "data.teacher.kind=endpoint data.teacher.base_url=... data.teacher.model=...)."
            field = f"data.level_of.{domain}" if own else "data.level"
            allowed = LEVELS[: LEVELS.index(deepest) + 1]
            problems.append(Problem(field=field, value=level, rule=rule, allowed=allowed))
    return list(dict.fromkeys(problems))


def _check_domains(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    available = available_domains(recipe.data.source)
    wanted = dict.fromkeys(domain for stage in recipe.stages for domain in stage.weights)
    rule = f"data={data['source']} has no documents of this domain; give it weight 0."
    return [
        Problem(field=f"mixture.weights.{domain}", value="", rule=rule, allowed=available)
        for domain in wanted
        if domain not in available
    ]


def _check_items(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    if recipe.data.source.name in WITH_ITEMS:
        return []
    rule = f"data={data['source']} holds out text, but no items to rank or to answer."
    return [
        Problem(field="evaluation.protocols", value=protocol, rule=rule, allowed=("bpb",))
        for protocol in recipe.evaluation.protocols
        if protocol != "bpb"
    ]


def _check_worlds(plain: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return a problem where another world would be the same corpus again, and no replicate."""
    if recipe.data.source.name in WITH_WORLDS:
        return []
    rule = f"data={plain['data']['source']} has one world only; seeds are what repeats it."
    asked = {"worlds": plain["worlds"] - 1, "data.world_seed": plain["data"]["world_seed"]}
    shown = {"worlds": plain["worlds"], "data.world_seed": plain["data"]["world_seed"]}
    return [
        Problem(field=field, value=str(shown[field]), rule=rule)
        for field, excess in asked.items()
        if excess
    ]
