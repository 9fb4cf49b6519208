"""What an attempt at a task used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an attempt used: seconds of wall clock and of processor, and bytes of memory."""

    wall_s: float
    cpu_s: float
    max_rss_bytes: int


NO_USAGE = Usage(wall_s=0.0, cpu_s=0.0, max_rss_bytes=0)
