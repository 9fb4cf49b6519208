"""What this machine can run at a time: cores that are ours, and GPUs."""

import os

from davinci.models.devices import may_have_gpu

DEVICE_KINDS = ("segment", "evaluation")
"""The kinds of task that use the accelerator; one at a time on each."""


def num_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_device_slots(accelerator: str) -> int:
    """Return how many tasks may use a GPU at a time, 0 where none is used.

    Torch is asked only where the answer can be other than none, for it takes seconds to import.
    """
    if accelerator == "cpu" or not may_have_gpu():
        return 0
    import torch

    return torch.cuda.device_count()
