"""Settings of the process that trains or evaluates: they change speed, never results."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 2**28


def prepare_process(num_threads: int) -> None:
    """Use `num_threads` threads, and let the C library keep the memory that tensors give back.

    By default glibc returns every large tensor to the kernel and fetches it again one page fault
    at a time: a quarter of a small model's training step. Elsewhere than on glibc nothing is done.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    torch.set_num_threads(num_threads)
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


MAX_MATH_CONTEXT = 512
"""Longer contexts would hold too large a square of scores."""


@contextlib.contextmanager
def suitable_attention(*, on_cpu: bool, low: bool, context_length: int) -> Iterator[None]:
    """Within it, attention in bfloat16 on a CPU is computed by plain products if it is short.

    Torch's fused kernel for CPUs is slower there: 1.6 times at head dimension 16, 1.04 times at 32
    (torch 2.13, forward and backward); in float32 it is 1.1 times faster, and stays.
    """
    if on_cpu and low and context_length <= MAX_MATH_CONTEXT:
        with sdpa_kernel([SDPBackend.MATH]):
            yield
    else:
        yield
