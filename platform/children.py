"""Processes that must not outlive the one that started them."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it ends; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
