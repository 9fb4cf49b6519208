"""The rules for a source: whether it exists, and can give what the recipe asks of it."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from davinci.data_levels.chain import LEVELS, chain_of
from davinci.data_levels.document import Domain
from davinci.data_levels.levels.classifiers.classifier import check_classifier
from davinci.data_levels.levels.selection.rules import check_rules
from davinci.data_levels.settings import ENVIRONMENT_DOMAINS
from davinci.data_levels.sources.registry import (
    WITH_ITEMS,
    WITH_WORLDS,
    available_domains,
    check_source,
    keeps_published,
    narrowed,
    reachable_levels,
)
from davinci.data_levels.teacher.check import check_level_settings
from davinci.data_levels.tokens.tokenizer import check_tokenizer
from davinci.platform.config.benchmarks import check_sandbox
from davinci.platform.config.errors import Problem
from davinci.platform.config.recipe import Recipe


def check_reach(plain: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return what the source cannot give: it is missing, or a level, a domain, or the items."""
    data, source = plain["data"], recipe.data.source
    address = data["teacher"]["base_url"]
    if _may_hold_user(address):
        rule = "must hold no key; name its environment variable in data.teacher.api_key_env."
        return [Problem(field="data.teacher.base_url", value=address, rule=rule)]
    levels = recipe.data.level_settings
    checks: tuple[Callable[[], None], ...] = (
        partial(check_source, source),
        partial(check_level_settings, levels),
        partial(check_classifier, levels.classifier),
        partial(check_rules, levels.rules),
        partial(check_tokenizer, recipe.data.tokenizer, recipe.model.vocab_size),
    )
    if problems := [problem for check in checks for problem in _told(check)]:
        return problems
    return [
        *_check_depth(data, recipe),
        *_check_labels(data, recipe),
        *_check_domains(plain, recipe),
        *_check_items(data, recipe),
        *check_sandbox(recipe, plain["executor"]["name"]),
        *_check_worlds(plain, recipe),
    ]


def _may_hold_user(address: str) -> bool:
    try:
        return "@" in urlsplit(address).netloc
    except ValueError:  # not an address; a check of the levels says so where one is needed
        return "@" in address


def _told(check: Callable[[], None]) -> list[Problem]:
    """Return what a check of the levels has to say, with the field that it names."""
    try:
        check()
    except ValueError as error:
        named = re.search(r"`(data\.[\w.]+)", str(error))
        return [Problem(field=named[1] if named else "data", value="", rule=str(error))]
    return []


def _check_depth(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return a problem for every level that nobody is there to write, or that suits no document."""
    problems = []
    reached = reachable_levels(recipe.data.source, recipe.data.level_settings)
    wanted = {domain for stage in recipe.stages for domain in stage.weights}
    for field, domain, name in _levels(data, recipe):
        chain = chain_of(name)
        if keeps_published(recipe.data.source) and "+" not in name:
            continue
        if missing := [level for level in chain if level not in reached]:
            shallower = LEVELS[: LEVELS.index(missing[0])]
            allowed = tuple(level for level in shallower if level in reached)
            rule = _unwritten(data["source"], missing[0], chain[-1], reached)
            problems.append(Problem(field=field, value=name, rule=rule, allowed=allowed))
        elif "L7" in chain and domain in wanted and domain not in ENVIRONMENT_DOMAINS:
            rule = f"L7 makes environments of {' and '.join(ENVIRONMENT_DOMAINS)} only and drops "
            rule += f"all {domain} documents; give {domain} a chain without it"
            rule += f", such as L6+{chain[-1]}." if chain[-1] != "L7" else "."
            problems.append(Problem(field=field, value=name, rule=rule))
    return list(dict.fromkeys(problems))


def _levels(data: dict[str, Any], recipe: Recipe) -> list[tuple[str, Domain, str]]:
    """Return the levels that are asked for: field, domain and chain, of stages too."""
    found = []
    for domain, name in recipe.data.levels.items():
        own = data["level_of"][domain] is not None
        found.append((f"data.level_of.{domain}" if own else "data.level", domain, name))
    for index, stage in enumerate(recipe.stages):
        field = f"curriculum.stages.{index}.level"
        found += [(field, domain, name) for domain, name in stage.levels.items()]
    return found


def _unwritten(source: str, missing: str, last: str, reached: tuple[str, ...]) -> str:
    """Say which level lacks a writer, and the way past it if there is one."""
    rule = f"data={source} cannot give {missing} by itself ({missing} needs a teacher: "
    rule += "data.teacher.kind=endpoint data.teacher.base_url=... data.teacher.model=...)"
    return rule + (f"; L3+{last} does without." if last in reached else ".")


def _check_labels(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return a problem where L3 is to learn from a teacher who is not there."""
    settings = recipe.data.level_settings
    asks = settings.classifier.kind == "trained" and settings.classifier.labels == "teacher"
    if not asks or settings.teacher.kind == "endpoint":
        return []
    rule = "needs an endpoint that labels documents: data.teacher.kind=endpoint."
    return [Problem(field="data.classifier.labels", value="teacher", rule=rule)]


def _check_domains(plain: dict[str, Any], recipe: Recipe) -> list[Problem]:
    """Return what a domain's source lacks at the level that the domain is asked for."""
    data = plain["data"]
    problems: list[Problem] = []
    wanted = {
        (domain, stage.levels.get(domain, recipe.data.levels[domain])): _weight_field(plain, index)
        for index, stage in reversed(list(enumerate(recipe.stages)))
        for domain in stage.weights
    }
    for (domain, level), field in wanted.items():
        source = narrowed(recipe.data.source, level)
        if told := _told(partial(check_source, source)):
            problems += told
        elif domain not in (available := available_domains(source)):
            rule = f"data={data['source']} has no documents of this domain for {level}; "
            rule += "give it weight 0."
            named = f"{field}.{domain}"
            problems.append(Problem(field=named, value="", rule=rule, allowed=available))
    return list(dict.fromkeys(problems))


def _weight_field(plain: dict[str, Any], index: int) -> str:
    own = plain["curriculum"]["stages"][index]["weights"] is not None
    return f"curriculum.stages.{index}.weights" if own else "mixture.weights"


def _check_items(data: dict[str, Any], recipe: Recipe) -> list[Problem]:
    if recipe.data.source.name in WITH_ITEMS:
        return []
    rule = f"data={data['source']} holds out text, but no items to rank or to answer."
    # benchmarks of the harness have items of their own
    others = {p for benchmark in recipe.evaluation.benchmarks for p in benchmark.protocols}
    asked = [
        (f"evaluation.{field}", protocol)
        for field in ("protocols", "trajectory")
        for protocol in getattr(recipe.evaluation, field)
        if protocol not in others
    ]
    if recipe.controller is not None:
        asked.append(("curriculum.controller.protocol", recipe.controller.protocol))
    return [
        Problem(field=field, value=protocol, rule=rule, allowed=("bpb",))
        for field, protocol in asked
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
