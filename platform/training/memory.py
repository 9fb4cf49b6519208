"""How many sequences go into a forward pass, and what to say when they do not fit."""

import contextlib
import os
from collections.abc import Iterator

import torch

from davinci.models.memory import cpu_micro_batch, largest_micro_batch, training_memory
from davinci.platform.training.guards import OutOfMemory
from davinci.platform.training.settings import SegmentSettings, TrainingRuntime


def micro_batch_size(settings: SegmentSettings, runtime: TrainingRuntime) -> int:
    """Return the sequences of a forward pass: as asked, or the most that fit and divide evenly.

    Raises:
        ValueError: If the processes cannot share a batch, or micro-batches do not divide a share.
    """
    share, rest = divmod(settings.batch_size, _num_processes(runtime))
    if rest:
        raise ValueError(
            f"`devices` x `num_nodes` must divide the {settings.batch_size} sequences of a step, "
            f"but got {runtime.devices} x {runtime.num_nodes}."
        )
    if runtime.micro_batch_size:
        if runtime.micro_batch_size < 0 or share % runtime.micro_batch_size:
            raise ValueError(
                f"`micro_batch_size` must divide the {share} sequences of a step, but got "
                f"{runtime.micro_batch_size}."
            )
        return runtime.micro_batch_size
    if runtime.accelerator != "cpu" and torch.cuda.is_available():
        return max(1, _fitting(settings, runtime, share))
    return cpu_micro_batch(settings.model.context_length, share=share)


@contextlib.contextmanager
def with_advice(settings: SegmentSettings, runtime: TrainingRuntime, size: int) -> Iterator[None]:
    """Turn a lack of memory into an error that says what would fit.

    Raises:
        OutOfMemory: In place of torch's or Python's own.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        full = isinstance(error, torch.OutOfMemoryError | MemoryError)
        # torch has no class of its own for a machine that is full
        if not full and "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(_advice(settings, runtime, size)) from error


def memory_bytes() -> int:
    """Return the memory of the device, or of the machine where there is no GPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _num_processes(runtime: TrainingRuntime) -> int:
    return runtime.devices * runtime.num_nodes


def _num_shards(runtime: TrainingRuntime) -> int:
    return _num_processes(runtime) if runtime.strategy == "fsdp" else 1


def _fitting(
    settings: SegmentSettings,
    runtime: TrainingRuntime,
    share: int,
    *,
    recompute: bool | None = None,
) -> int:
    return largest_micro_batch(
        settings.model,
        memory_bytes(),
        precision=settings.precision,
        share=share,
        recompute=runtime.recompute if recompute is None else recompute,
        num_shards=_num_shards(runtime),
    )


def _advice(settings: SegmentSettings, runtime: TrainingRuntime, size: int) -> str:
    needed = training_memory(
        settings.model,
        precision=settings.precision,
        micro_batch_size=size,
        recompute=runtime.recompute,
        num_shards=_num_shards(runtime),
    ).total
    text = f"Out of memory: a step with micro_batch_size {size} takes about {needed / 2**30:.1f} "
    text += f"GiB of {memory_bytes() / 2**30:.1f} GiB. "
    share = settings.batch_size // _num_processes(runtime)
    smaller = [n for n in range(1, size) if share % n == 0]
    if fitting := min(_fitting(settings, runtime, share), max(smaller, default=0)):
        return f"{text}Set trainer.micro_batch_size={fitting}."
    if not runtime.recompute and _fitting(settings, runtime, share, recompute=True):
        return f"{text}Set trainer.recompute=true."
    return f"{text}Use a smaller scale, or more devices with trainer.strategy=fsdp."
