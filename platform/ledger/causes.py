"""Why tasks fail, in the ledger's words, and which causes are worth another try."""

import errno
from collections.abc import Mapping

RETRIES: Mapping[str, int] = {
    "out of memory": 1,
    "diverged": 0,
    "time limit": 1000,
    "preempted": 1000,
    "lost": 1000,
    "disk full": 1000,
    "bad data": 0,
    "bad config": 0,
    "budget": 0,
    "infrastructure": 3,
    "bug": 0,
}
"""Cause -> further tries within one command. A later command tries everything again.

What was interrupted goes on from its draft, so it may be as often as it likes. Memory may have been
taken by a neighbour: the second try is alone on the machine. `lost` is an owner that fell silent.
"""

FIRST_PAUSE_S = 1.0

_BY_TYPE = {
    "TrainingDiverged": "diverged",
    "BudgetExhausted": "budget",
    "EndpointError": "infrastructure",
    "Preempted": "preempted",
    "MisconfigurationException": "bad config",
}


def name_cause(failure: BaseException) -> str:
    """Return the cause of a failure in the ledger's words."""
    if isinstance(failure, MemoryError) or "out of memory" in str(failure).lower():
        return "out of memory"
    if named := _BY_TYPE.get(type(failure).__name__):
        return named
    if isinstance(failure, BrokenPipeError | SystemExit | KeyboardInterrupt):
        return "preempted"
    if isinstance(failure, OSError):
        full = failure.errno in (errno.ENOSPC, errno.EDQUOT)
        return "disk full" if full else "infrastructure"
    if isinstance(failure, ValueError | UnicodeError):
        return "bad data"
    return "bug"


def pause_s(cause: str, number: int) -> float:
    """Return the seconds before try `number` (the second is 2): none for what was interrupted."""
    return FIRST_PAUSE_S * 2 ** (number - 2) if cause == "infrastructure" else 0.0
