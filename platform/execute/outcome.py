"""What an executor says of a plan when it is through with it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a plan: digests by state. `reused` were done before, or by somebody else.

    `left` are on a cluster, which works on without us.
    """

    reused: frozenset[str]
    done: frozenset[str]
    failed: Mapping[str, str]
    skipped: frozenset[str]
    left: frozenset[str] = frozenset()


class Stopped(Exception):
    """An executor was asked to stop, for the cause that this names; its tasks are given back."""
