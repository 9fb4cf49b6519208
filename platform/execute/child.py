"""The inside of a task's process: the work, and honest words about how it ended.

The process reports through a pipe and never writes a status itself: the supervisor at the other end
does, also when nothing more comes through.
"""

import contextlib
import os
import resource
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from davinci.platform.children import die_with_parent
from davinci.platform.execute.drafts import alone_in_draft
from davinci.platform.execute.work import perform
from davinci.platform.ledger.causes import name_cause
from davinci.platform.ledger.usage import Usage

MIN_REPORT_INTERVAL_S = 0.25


class Report(NamedTuple):
    """How far a task is."""

    done: int
    total: int
    note: str


class Ended(NamedTuple):
    """How a task ended; `cause` is empty when it went well."""

    cause: str
    error: str
    usage: Usage


def main(frozen: Path, pipe: Connection, gpus: tuple[str, ...] = ()) -> None:
    """Do one task, reporting through `pipe`; it sees the given GPUs alone, if there are any."""
    die_with_parent()
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    started = time.perf_counter()
    cause = error = ""
    try:
        with alone_in_draft(frozen):
            perform(frozen, _Reporter(pipe))
    except BaseException as failure:
        cause, error = name_cause(failure), traceback.format_exc()
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        pipe.send(Ended(cause, error, _usage(started)))
    pipe.close()


class _Reporter:
    """Sends progress no more often than people can read it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last_s = 0.0

    def __call__(self, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if now - self._last_s >= MIN_REPORT_INTERVAL_S:
            self._last_s = now
            self._pipe.send(Report(done, total, note))


def _usage(started: float) -> Usage:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    rss_unit = 1 if sys.platform == "darwin" else 1024
    return Usage(
        wall_s=time.perf_counter() - started,
        cpu_s=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        max_rss_bytes=own.ru_maxrss * rss_unit,
    )
