"""Planning the data of a run: held-out items, corpora level by level, tokenizer, shards.

Unless one is named, the tokenizer is trained on L1 text of every domain, whatever the arm's levels:
bits per byte and token budgets stay comparable between arms. Every corpus that is trained on is
compared with the held-out texts and items (contamination); nothing waits for that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from davinci.data_levels.chain import chain_of, name_of
from davinci.data_levels.contamination.settings import DEFAULT_RULE
from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.identity import level_identity
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.registry import available_domains, narrowed, source_identity
from davinci.data_levels.sources.source import SourceSettings
from davinci.data_levels.tokens.tokenizer import tokenizer_identity
from davinci.platform.config.identity import digest
from davinci.platform.config.recipe import Recipe, Replicate, StageSettings
from davinci.platform.plan.graph import Plan

TOKENIZER_LEVEL = "L1"


def plan_data(plan: Plan, recipe: Recipe, replicate: Replicate) -> dict[str, str]:
    """Plan all data that a run trains on and is scored on; return roles and digests.

    A domain that some stage takes from another level has a role of its own there:
    `shards.math@L5`.
    """
    source = replace(recipe.data.source, world_seed=replicate.world_seed)
    identity = {"source": source_identity(source)}
    held_out = plan.add(
        "held_out", identity, {}, f"{source.name} held-out items", {"source": source}
    )
    tokenizer = _plan_tokenizer(plan, recipe, source, held_out)
    tasks = {"held_out": held_out, "tokenizer": tokenizer}
    for domain, level in dict.fromkeys(_wanted(recipe, source)):
        corpus = _plan_corpus(
            plan, recipe.data.level_settings, narrowed(source, level), domain, level, held_out
        )
        inputs = {"corpus": corpus, "tokenizer": tokenizer}
        name = _name(recipe, domain, level)
        tasks[f"corpus.{name}"] = corpus
        tasks[f"shards.{name}"] = plan.add("shards", {}, inputs, f"{domain} {level} tokens")
    return tasks


def data_key(recipe: Recipe, replicate: Replicate) -> tuple[object, ...]:
    """Return what `plan_data` depends on: equal where its tasks are."""
    wanted = tuple(dict.fromkeys(_wanted(recipe, recipe.data.source)))
    return digest(recipe.data), wanted, replicate.world_seed


def shards_of(recipe: Recipe, stage: StageSettings, tasks: Mapping[str, str]) -> dict[Domain, str]:
    """Return the shards that a stage may draw from: those it weighs, or all if it adapts."""
    found = {}
    for domain in DOMAINS:
        level = stage.levels.get(domain, recipe.data.levels[domain])
        digest = tasks.get(f"shards.{_name(recipe, domain, level)}")
        if digest and (recipe.controller is not None or domain in stage.weights):
            found[domain] = digest
    return found


def _wanted(recipe: Recipe, source: SourceSettings) -> Iterator[tuple[Domain, str]]:
    for domain in DOMAINS:
        for stage in recipe.stages:
            level = stage.levels.get(domain, recipe.data.levels[domain])
            adapts = recipe.controller is not None
            if domain in stage.weights or (
                adapts and domain in available_domains(narrowed(source, level))
            ):
                yield domain, level


def _name(recipe: Recipe, domain: Domain, level: str) -> str:
    return domain if level == recipe.data.levels[domain] else f"{domain}@{level}"


def _plan_tokenizer(plan: Plan, recipe: Recipe, source: SourceSettings, held_out: str) -> str:
    named = recipe.data.tokenizer
    if named:
        identity = {"tokenizer": tokenizer_identity(named)}
        return plan.add("tokenizer", identity, {}, f"tokenizer {named}", {"tokenizer": named})
    inputs: dict[str, str] = {
        domain: _plan_corpus(plan, LevelSettings(), source, domain, TOKENIZER_LEVEL, held_out)
        for domain in available_domains(source)
    }
    settings = {"vocab_size": recipe.data.tokenizer_vocab_size}
    return plan.add("tokenizer", settings, inputs, f"{source.name} tokenizer")


def _plan_corpus(
    plan: Plan,
    settings: LevelSettings,
    source: SourceSettings,
    domain: Domain,
    name: str,
    held_out: str,
) -> str:
    parent = ""
    known = {"source": source_identity(source, domain)}
    chain = chain_of(name)
    for position, level in enumerate(chain):
        so_far = name_of(chain[: position + 1])
        carried = {"source": source, "level_settings": settings, "chain": so_far}
        identity = {**known, "domain": domain, **level_identity(level, settings)}
        inputs = {"parent": parent} if parent else {"held_out": held_out}
        parent = plan.add("corpus", identity, inputs, f"{domain} {so_far}", carried)
    return parent


def plan_contamination(plan: Plan, tasks: Mapping[str, str]) -> dict[str, str]:
    """Plan the check of every corpus that a run trains on; return roles and digests."""
    found = {}
    for role, corpus in tasks.items():
        kind, _, domain = role.partition(".")
        if kind == "corpus":
            inputs = {"corpus": corpus, "held_out": tasks["held_out"]}
            label = f"{plan.tasks[corpus].label} contamination"
            settings = {"rule": asdict(DEFAULT_RULE)}
            found[f"contamination.{domain}"] = plan.add("contamination", settings, inputs, label)
    return found
