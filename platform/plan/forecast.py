"""What a sweep's training will cost, before anything is started, and what sharing saves of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from davinci.models.memory import Memory, cpu_micro_batch, largest_micro_batch, training_memory
from davinci.models.size import num_parameters
from davinci.platform.config.identity import restore
from davinci.platform.config.recipe import Recipe
from davinci.platform.config.runtime import Runtime
from davinci.platform.ledger.task import Task
from davinci.platform.plan.cost import Known, flops_of, seconds_of
from davinci.platform.plan.graph import Plan
from davinci.platform.training.settings import SegmentSettings

CHECKPOINT_BYTES_PER_PARAMETER = 12
"""Weights and AdamW's two moments, in float32."""


class Work(NamedTuple):
    """Training: segments, their tokens, and the FLOPs of these."""

    num_segments: int
    tokens: int
    flops: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan's training needs.

    Attributes:
        alone: The work if every run trained all of its segments itself.
        shared: With every segment trained once; `todo` is what of it is not done yet.
        seconds: Processor seconds of `todo`, by the rates seen in the store; None where a model of
            this size was never trained there.
        other_seconds: Processor seconds of all other tasks that are not done yet.
        checkpoint_bytes: Disk for the checkpoints that stay.
        memory: Of one training process, for the largest model of the plan.
        micro_batch_size: Sequences of a forward pass that the memory is for.
    """

    alone: Work
    shared: Work
    todo: Work
    seconds: float | None
    other_seconds: float
    checkpoint_bytes: int
    memory: Memory
    micro_batch_size: int

    @property
    def saved_frac(self) -> float:
        """Share of the training FLOPs that sharing saves."""
        return 1.0 - self.shared.flops / self.alone.flops if self.alone.flops else 0.0


def forecast(
    plan: Plan,
    runtime: Runtime,
    *,
    done: Iterable[str] = (),
    known: Known | None = None,
) -> Forecast:
    """Return the forecast of a plan.

    Args:
        plan: With at least one run.
        runtime: How it will be trained.
        done: Tasks that are finished already.
        known: What tasks have taken before.
    """
    sizes = {d: _size(task) for d, task in plan.tasks.items() if task.kind == "segment"}
    finished = set(done)
    of_runs = [d for run in plan.runs for d in run.tasks.values() if d in sizes]
    todo = [digest for digest in sizes if digest not in finished]
    others = [t for d, t in plan.tasks.items() if d not in sizes and d not in finished]
    recipe = max((run.recipe for run in plan.runs), key=lambda r: num_parameters(r.model))
    size = _micro_batch_size(recipe, runtime)
    return Forecast(
        alone=_sum(sizes[digest] for digest in of_runs),
        shared=_sum(sizes.values()),
        todo=_sum(sizes[digest] for digest in todo),
        seconds=_seconds([plan.tasks[digest] for digest in todo], known or Known()),
        other_seconds=_seconds(others, known or Known()) or 0.0,
        checkpoint_bytes=_checkpoint_bytes(plan, runtime),
        memory=training_memory(
            recipe.model,
            precision=recipe.precision,
            micro_batch_size=size,
            recompute=runtime.training.recompute,
            num_shards=_num_shards(runtime),
        ),
        micro_batch_size=size,
    )


def _settings(task: Task) -> SegmentSettings:
    return restore(SegmentSettings, task.settings)


def _size(task: Task) -> Work:
    return Work(1, _settings(task).tokens, flops_of(task))


def _sum(works: Iterable[Work]) -> Work:
    every = list(works)
    return Work(
        sum(work.num_segments for work in every),
        sum(work.tokens for work in every),
        sum(work.flops for work in every),
    )


def _seconds(todo: Iterable[Task], known: Known) -> float | None:
    total = 0.0
    for task in todo:
        seconds = seconds_of(task, known)
        if seconds is None:
            return None
        total += seconds
    return total


def _checkpoint_bytes(plan: Plan, runtime: Runtime) -> int:
    """Return the bytes of all checkpoints, or of those that end a stage or a run."""
    segments = {d: task for d, task in plan.tasks.items() if task.kind == "segment"}
    children: dict[str, list[Task]] = {}
    for task in segments.values():
        if parent := task.inputs.get("parent"):
            children.setdefault(parent, []).append(task)
    total = 0
    for digest, task in segments.items():
        following = children.get(digest, [])
        stage = task.settings.get("stage_index", 0)
        inside = all(child.settings.get("stage_index", 0) == stage for child in following)
        goes = following and (runtime.keep == "last" or (runtime.keep == "stages" and inside))
        if not goes:
            total += CHECKPOINT_BYTES_PER_PARAMETER * num_parameters(_settings(task).model)
    return total


def _num_shards(runtime: Runtime) -> int:
    training = runtime.training
    return training.devices * training.num_nodes if training.strategy == "fsdp" else 1


def _micro_batch_size(recipe: Recipe, runtime: Runtime) -> int:
    """Return the micro-batch that is asked for, or that a process would choose.

    What it would choose on a GPU depends on its memory; a forecast takes one of 80 GiB.
    """
    training, context = runtime.training, recipe.model.context_length
    batch = min(part.batch_tokens for stage in recipe.stages for part in stage.batches)
    share = max(1, batch // context // (training.devices * training.num_nodes))
    if training.micro_batch_size:
        return training.micro_batch_size
    if training.accelerator == "gpu":
        fitting = largest_micro_batch(
            recipe.model,
            80 * 2**30,
            precision=recipe.precision,
            share=share,
            recompute=training.recompute,
            num_shards=_num_shards(runtime),
        )
        return max(1, fitting)
    return cpu_micro_batch(context, share=share)
