"""Settings of the process that trains or evaluates: they change speed, never results."""

import ctypes
import sys

import torch

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
