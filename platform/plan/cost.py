"""What a task costs: FLOPs of training, processor seconds as the store has seen them, money."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from davinci.models.size import flops_per_token, num_parameters
from davinci.platform.config.identity import restore
from davinci.platform.ledger.task import Task
from davinci.platform.store.read_rates import Rate
from davinci.platform.training.settings import SegmentSettings

USUAL_SECONDS: Mapping[str, float] = {
    "held_out": 1.0,
    "corpus": 1.0,
    "tokenizer": 2.0,
    "shards": 0.5,
    "checkpoint": 1.0,
    "decision": 0.1,
    "benchmark": 10.0,
    "evaluation": 5.0,
    "contamination": 1.0,
}
"""Processor seconds of the demo's tasks (two cores), where the store knows no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What finished tasks of a store tell of the cost of others.

    Attributes:
        rates: Parameters of a model -> how fast such models were trained.
        seconds: Kind of task -> mean processor seconds.
    """

    rates: Mapping[int, Rate] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def flops_of(task: Task) -> float:
    """Return the training FLOPs of a task; 0 where it does not train."""
    if task.kind != "segment":
        return 0.0
    settings = restore(SegmentSettings, task.settings)
    return flops_per_token(settings.model, settings.model.context_length) * settings.tokens


def seconds_of(task: Task, known: Known) -> float | None:
    """Return the processor seconds that a task will take.

    None for training of a size that was never trained in this store.
    """
    if task.kind != "segment":
        return known.seconds.get(task.kind, USUAL_SECONDS.get(task.kind, 1.0))
    rate = known.rates.get(num_parameters(restore(SegmentSettings, task.settings).model))
    return None if rate is None else flops_of(task) / rate.flops_per_s
