"""Planning the training of a run: segments, what scores their checkpoints, what decides on them.

Stages are cut into segments (`segments.cut`). Checkpoints before the last are scored by the
protocols of the trajectory. Where the curriculum adapts, a decision stands between a checkpoint and
the segment that follows, and gives it its weights.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from davinci.data_levels.sources.registry import WITH_ITEMS
from davinci.platform.config.benchmarks import ASKED
from davinci.platform.config.recipe import (
    EvaluationSettings,
    Protocol,
    Recipe,
    Replicate,
    StageSettings,
)
from davinci.platform.plan.benchmarks import plan_asking
from davinci.platform.plan.data import shards_of
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.parents import plan_parent
from davinci.platform.plan.segments import Piece, cut
from davinci.platform.training.settings import SegmentSettings


@dataclass(slots=True)
class _Chain:
    """How far the planning of a run's training is.

    `stretch` counts stretches of one mixture, of which `stretch_tokens` are planned; `decision` is
    what gives the weights, if anything does.
    """

    checkpoint: str
    tokens: int
    stretch: int
    stretch_tokens: int = 0
    decision: str = ""


def plan_training(
    plan: Plan, recipe: Recipe, replicate: Replicate, data: Mapping[str, str]
) -> dict[str, str]:
    """Plan a run's segments, decisions and evaluations; return roles and digests."""
    tasks: dict[str, str] = {}
    chain = _begin(plan, recipe)
    pieces = list(_pieces(recipe))
    for number, (index, piece) in enumerate(pieces):
        stage, last = recipe.stages[index], number == len(pieces) - 1
        if piece.begun_tokens == 0 and number > 0 and recipe.controller is None:
            chain.stretch, chain.stretch_tokens = chain.stretch + 1, 0
        chain.checkpoint = _plan_segment(plan, recipe, replicate, stage, piece, chain, data)
        tasks[f"segment.{number:03d}"] = chain.checkpoint
        chain.tokens += piece.batch_tokens * piece.num_steps
        chain.stretch_tokens += piece.batch_tokens * piece.num_steps
        if piece.checkpoint and not last:
            tasks |= _plan_trajectory(plan, recipe, replicate, chain, data, number)
    for protocol in recipe.evaluation.protocols:
        if not _has_items(recipe, protocol):
            continue
        items = _final_items(recipe, protocol)
        tasks[f"evaluation.{protocol}"] = _plan_evaluation(
            plan, recipe, replicate, chain, data, protocol, items
        )
    asked = plan_asking(
        plan, recipe.evaluation, ASKED, chain.checkpoint, data, f"seed {replicate.seed}"
    )
    return tasks | {f"evaluation.{role}": digest for role, digest in asked.items()}


def _begin(plan: Plan, recipe: Recipe) -> _Chain:
    if recipe.parent is None:
        return _Chain(checkpoint="", tokens=0, stretch=0)
    return _Chain(
        checkpoint=plan_parent(plan, recipe.parent),
        tokens=recipe.parent.tokens,
        stretch=recipe.parent.num_stages,
    )


def _pieces(recipe: Recipe) -> Iterator[tuple[int, Piece]]:
    for index, stage in enumerate(recipe.stages):
        for piece in cut(stage):
            yield index, piece


def _plan_segment(
    plan: Plan,
    recipe: Recipe,
    replicate: Replicate,
    stage: StageSettings,
    piece: Piece,
    chain: _Chain,
    data: Mapping[str, str],
) -> str:
    settings = SegmentSettings(
        model=recipe.model,
        optimizer=recipe.optimizer,
        seed=replicate.seed,
        num_steps=piece.num_steps,
        batch_tokens=piece.batch_tokens,
        weights={} if chain.decision else stage.weights,
        lr=piece.lr,
        stage_index=chain.stretch,
        first_position=chain.stretch_tokens // recipe.model.context_length,
        tokens_before=chain.tokens,
        mask_questions=stage.mask_questions,
        precision=recipe.precision,
    )
    shards = shards_of(recipe, stage, data)
    drawn = shards if chain.decision else {d: shards[d] for d in stage.weights}
    inputs = {f"shards.{domain}": digest for domain, digest in drawn.items()}
    if chain.checkpoint:
        inputs["parent"] = chain.checkpoint
    if chain.decision:
        inputs["decision"] = chain.decision
    levels = sorted({stage.levels.get(d, recipe.data.levels[d]) for d in drawn})
    label = f"train {'/'.join(levels)} seed {replicate.seed}"
    several = len(recipe.stages) > 1 or len(cut(stage)) > 1
    label += f" to {_millions(chain.tokens + settings.tokens)}" if several else ""
    return plan.add("segment", settings, inputs, label)


def _plan_trajectory(
    plan: Plan,
    recipe: Recipe,
    replicate: Replicate,
    chain: _Chain,
    data: Mapping[str, str],
    number: int,
) -> dict[str, str]:
    """Plan what scores a checkpoint before the last, and what decides on it."""
    tasks = {
        f"trajectory.{number:03d}.{protocol}": _plan_evaluation(
            plan,
            recipe,
            replicate,
            chain,
            data,
            protocol,
            _final_items(recipe, protocol),
            recipe.evaluation.trajectory_items,
        )
        for protocol in recipe.evaluation.trajectory
        if _has_items(recipe, protocol)
    }
    asking = recipe.evaluation
    asked = plan_asking(
        plan,
        replace(asking, max_items=asking.trajectory_items or asking.max_items),
        asking.trajectory,
        chain.checkpoint,
        data,
        f"seed {replicate.seed}",
    )
    tasks |= {f"trajectory.{number:03d}.{role}": digest for role, digest in asked.items()}
    if recipe.controller is None:
        return tasks
    watched = _plan_evaluation(
        plan, recipe, replicate, chain, data, recipe.controller.protocol, "watched"
    )
    first = recipe.stages[0]
    settings = {
        "controller": recipe.controller,
        "weights": first.weights,
        "available": sorted(shards_of(recipe, first, data)),
        "tokens": chain.tokens,
    }
    inputs = {"evaluation": watched}
    if chain.decision:
        inputs["previous"] = chain.decision
    label = f"decide at {_millions(chain.tokens)} seed {replicate.seed}"
    chain.decision = plan.add("decision", settings, inputs, label)
    chain.stretch, chain.stretch_tokens = chain.stretch + 1, 0
    return tasks | {f"watched.{number:03d}": watched, f"decision.{number:03d}": chain.decision}


def _plan_evaluation(
    plan: Plan,
    recipe: Recipe,
    replicate: Replicate,
    chain: _Chain,
    data: Mapping[str, str],
    protocol: Protocol,
    items: Literal["all", "watched", "unwatched"],
    max_items: int = 0,
) -> str:
    inputs = {
        "segment": chain.checkpoint,
        "tokenizer": data["tokenizer"],
        "held_out": data["held_out"],
    }
    only = _only(recipe.evaluation, protocol, items)
    settings = {"evaluation": replace(only, max_items=max_items or only.max_items)}
    label = f"{protocol} seed {replicate.seed}"
    label += " (watched)" if items == "watched" else ""
    return plan.add("evaluation", settings, inputs, label)


def _has_items(recipe: Recipe, protocol: Protocol) -> bool:
    """Return whether the source itself has items for a protocol; benchmarks have their own."""
    return protocol == "bpb" or recipe.data.source.name in WITH_ITEMS


def _final_items(recipe: Recipe, protocol: Protocol) -> Literal["all", "unwatched"]:
    """Return which items are scored: no score is over items that the training was steered by."""
    steered = recipe.controller is not None and recipe.controller.protocol == protocol
    return "unwatched" if steered else "all"


def _only(
    settings: EvaluationSettings, protocol: Protocol, items: Literal["all", "watched", "unwatched"]
) -> EvaluationSettings:
    only = EvaluationSettings(
        protocols=(protocol,),
        max_items=settings.max_items,
        items=items,
        server=settings.server,
    )
    if protocol == "generative":
        return replace(only, max_new_tokens=settings.max_new_tokens)
    return only


def _millions(tokens: int) -> str:
    return f"{tokens / 1e9:.4g}B" if tokens >= 1e9 else f"{tokens / 1e6:.4g}M"
