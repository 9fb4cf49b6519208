"""One running task, as its supervisor sees it: a process, a pipe, and how it ended."""

import re
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from davinci.platform.execute import child
from davinci.platform.execute.devices import Need
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import Usage


def num_oom_kills(file: Path = Path("/proc/vmstat")) -> int:
    """Return how often Linux has killed a process for want of memory; 0 where it does not tell."""
    try:
        rows = [row.split() for row in file.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(row[1]) for row in rows if row[0] == "oom_kill"), 0)


@dataclass(slots=True)
class Job:
    """One running task."""

    task: Task
    process: ForkServerProcess
    pipe: Connection
    need: Need
    gpus: tuple[str, ...]
    started: float = field(default_factory=time.monotonic)
    oom_kills: int = field(default_factory=num_oom_kills)
    report: child.Report | None = None
    ended: child.Ended | None = None

    @property
    def progress(self) -> tuple[int, int, str]:
        """How far the task is: done, of how much, and a note."""
        report = self.report or child.Report(0, 0, "")
        return report.done, report.total, report.note

    def hear(self) -> bool:
        """Take in one message; False when there will be none any more."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return False
        if isinstance(message, child.Report):
            self.report = message
        else:
            self.ended = message
        return True

    def kill(self) -> None:
        """End the process, if it is still there, and the pipe."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def how_it_ended(job: Job) -> child.Ended:
    """Return how the task of a process ended that is gone: as it said, or as its exit code says."""
    job.process.join()
    job.pipe.close()
    if job.ended is not None:
        return job.ended
    code = job.process.exitcode
    usage = Usage(wall_s=time.monotonic() - job.started, cpu_s=0.0, max_rss_bytes=0)
    error = f"the process ended with code {code} and without a word"
    if code == -9 and num_oom_kills() > job.oom_kills:
        return child.Ended("out of memory", f"{error}; the kernel was out of memory", usage)
    if code in (-9, -15):
        return child.Ended("preempted", f"{error}; something killed it", usage)
    return child.Ended("infrastructure", error, usage)


def last_line(text: str) -> str:
    """Return the last line of a traceback that says something."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return lines[-1] if lines else ""
