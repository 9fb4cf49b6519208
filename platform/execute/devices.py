"""What this machine can run at a time: cores that are ours, and GPUs, each given to one task."""

import os
from typing import NamedTuple

from davinci.models.devices import may_have_gpu
from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.ledger.task import Task

DEVICE_KINDS = ("segment", "evaluation")
"""The kinds of task that use the accelerator."""


class Need(NamedTuple):
    """What a task takes while it runs: slots for processes, and GPUs."""

    slots: int
    gpus: int


def num_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus(accelerator: str) -> tuple[str, ...]:
    """Return the names of the GPUs that tasks may use, none where none is asked for.

    Torch is asked only where the answer can be other than none, for it takes seconds to import.
    """
    if accelerator == "cpu" or not may_have_gpu():
        return ()
    import torch

    count = torch.cuda.device_count()
    listed = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return tuple(listed[:count]) if listed else tuple(str(number) for number in range(count))


def need_of(task: Task, training: TrainingRuntime, *, on_gpu: bool) -> Need:
    """Return what a task takes: training its devices, evaluation one, all else a process."""
    devices = training.devices if task.kind == "segment" else 1
    if on_gpu and task.kind in DEVICE_KINDS:
        return Need(slots=1, gpus=devices)
    return Need(slots=devices, gpus=0)


def allot(
    need: Need, *, free_slots: int, free_gpus: tuple[str, ...], alone: bool
) -> tuple[str, ...] | None:
    """Return the GPUs that a task gets, or None where there is no room for it now.

    What needs more slots than there are runs `alone`.
    """
    if len(free_gpus) < need.gpus or (free_slots < need.slots and not alone):
        return None
    return free_gpus[: need.gpus]
