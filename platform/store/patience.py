"""Waiting for a store that cannot be reached at the moment: restarted, busy, or its disk full."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE_S = 900.0
"""A quarter hour: a database server's restart, or somebody who makes room on a disk."""
FINAL = ("no such", "does not exist", "authentication failed", "no password")
"""In what a database says when waiting will not help."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0


def patiently(call: Callable[[], T], patience_s: float | None = None) -> T:
    """Return what `call` returns; where the store does not answer, try again for a while.

    `call` is one transaction, and doing it twice is the same as doing it once.

    Raises:
        sqlalchemy.exc.DBAPIError: If the store still does not answer, or for any other reason.
    """
    begun, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        try:
            return call()
        except DBAPIError as error:
            limit = PATIENCE_S if patience_s is None else patience_s
            if not _passes(error) or time.monotonic() - begun > limit:
                raise
            if pause > 1:
                log.warning("The store does not answer (%s); trying again.", _first_line(error))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _passes(error: DBAPIError) -> bool:
    """Return whether an error can go away by itself: not one of a statement or a constraint."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    told = str(error.orig).lower()
    return isinstance(error, OperationalError) and not any(words in told for words in FINAL)


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).splitlines() or ["no reason given"])[0]
