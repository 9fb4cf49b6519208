"""What this machine can run at a time: cores and memory that are ours, GPUs, each for one task."""

import os
from pathlib import Path
from typing import NamedTuple

from davinci.models.devices import may_have_gpu
from davinci.models.memory import cpu_micro_batch, training_memory
from davinci.platform.config.identity import restore
from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.ledger.task import Task
from davinci.platform.training.settings import SegmentSettings

DEVICE_KINDS = ("segment", "evaluation")
"""The kinds of task that use the accelerator."""


class Need(NamedTuple):
    """What a task takes while it runs: slots for processes, GPUs, and bytes of main memory."""

    slots: int
    gpus: int
    memory: int = 0


class Free(NamedTuple):
    """What a machine has left of each."""

    slots: int
    gpus: tuple[str, ...]
    memory: int


MEMORY_OF_A_PROCESS = 2**29
"""Half a GiB: what torch and the libraries take, before any model (measured: 0.4 GiB)."""


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


def num_bytes_of_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the main memory that new processes can have; within a container, at most its limit.

    A huge number where the system does not tell.
    """
    limits = [2**62]
    for file in (Path("/sys/fs/cgroup/memory.max"), meminfo):
        try:
            text = file.read_text()
        except OSError:
            continue
        if file == meminfo:
            rows = [row.split() for row in text.splitlines()]
            limits += [int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:"]
        elif text.strip().isdigit():
            limits.append(int(text))
    return min(limits)


def need_of(task: Task, training: TrainingRuntime, *, on_gpu: bool) -> Need:
    """Return what a task takes: training its devices, evaluation one, all else a process."""
    devices = training.devices if task.kind == "segment" else 1
    if on_gpu and task.kind in DEVICE_KINDS:
        return Need(slots=1, gpus=devices, memory=MEMORY_OF_A_PROCESS * devices)
    return Need(slots=devices, gpus=0, memory=_memory(task, training) + MEMORY_OF_A_PROCESS)


def _memory(task: Task, training: TrainingRuntime) -> int:
    """Return the bytes of all processes that train a segment on a CPU; 0 for all else."""
    if task.kind != "segment" or not task.settings:
        return 0
    settings = restore(SegmentSettings, task.settings)
    context = settings.model.context_length
    share = max(1, settings.batch_tokens // context // training.devices)
    each = training_memory(
        settings.model,
        precision=settings.precision,
        micro_batch_size=training.micro_batch_size or cpu_micro_batch(context, share=share),
        recompute=training.recompute,
        num_shards=training.devices if training.strategy == "fsdp" else 1,
    )
    return each.total * training.devices


def allot(need: Need, free: Free, *, alone: bool) -> tuple[str, ...] | None:
    """Return the GPUs that a task gets, or None where there is no room for it now.

    What needs more slots or memory than there are runs `alone`.
    """
    fits = free.slots >= need.slots and free.memory >= need.memory
    if len(free.gpus) < need.gpus or not (fits or alone):
        return None
    return free.gpus[: need.gpus]
