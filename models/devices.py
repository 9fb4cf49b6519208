"""Whether there is a GPU, told without importing torch (which takes seconds)."""

import sys
from pathlib import Path

GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Device files of NVIDIA and AMD drivers, and of both under Windows' Linux."""


def may_have_gpu() -> bool:
    """Return whether a GPU driver is there; torch may still find no usable device."""
    if sys.platform == "darwin":
        return True  # Metal has no device file; torch knows
    return any(Path(file).exists() for file in GPU_FILES)
