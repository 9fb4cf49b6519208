"""How often a sweep will see its data, as far as the corpora are there to be counted."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from davinci.platform.config.recipe import Recipe
from davinci.platform.execute.layout import Layout
from davinci.platform.plan.data import shards_of
from davinci.platform.plan.sweep import PlannedSweep

MANY = 4.0
"""Passes over the same text that still teach about as much as fresh text (Muennighoff et al.,
Scaling Data-Constrained Language Models, 2023)."""


class Epochs(NamedTuple):
    """An arm that sees a domain's tokens `epochs` times."""

    arm: str
    domain: str
    epochs: float


def expected_epochs(planned: PlannedSweep, layout: Layout) -> Iterator[Epochs]:
    """Yield how often arms see each domain whose shards are there, by the tokens drawn of it."""
    for label, runs in planned.runs.items():
        run = runs[0]
        drawn = _tokens_drawn(run.recipe, dict(run.tasks))
        for digest, (domain, tokens) in drawn.items():
            file = layout.artifact(planned.plan.tasks[digest]) / "manifest.json"
            if file.exists():
                there = json.loads(file.read_text())["num_tokens"]
                yield Epochs(label, domain, tokens / max(1, there))


def _tokens_drawn(recipe: Recipe, tasks: dict[str, str]) -> dict[str, tuple[str, float]]:
    """Return shards -> domain, and the tokens that all stages draw from them."""
    found: dict[str, tuple[str, float]] = {}
    if recipe.controller is not None:
        return found  # it decides while it trains
    for stage in recipe.stages:
        for domain, digest in shards_of(recipe, stage, tasks).items():
            before = found.get(digest, (domain, 0.0))[1]
            found[digest] = domain, before + stage.tokens * stage.weights[domain]
    return found
