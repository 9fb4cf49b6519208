"""Runs model-written code where it can do little harm, and tells which tests it passes.

Every program gets a Python process of its own: no site packages, an empty environment, a scratch
folder, limits on processor time, memory, files and processes, and a wall-clock limit that kills
its whole process group. Where Linux allows it, the process is alone in its user, network and
process namespaces (no network at all; whatever it leaves behind dies with it), and an unprivileged
user where we are root. Behind that, an audit hook forbids sockets, processes and writing.

It protects the machine, not the verdict: tests run in the program's own process, and a program that
walks the interpreter's frames can forge what is reported of it.
"""

import contextlib
import functools
import os
import pwd
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

UNSHARE = ("unshare", "--user", "--net", "--pid", "--fork", "--kill-child", "--")
PYTHON_FLAGS = ("-s", "-P", "-S", "-B")
"""Isolated mode, spelled out: `-I` would also ignore PYTHONHASHSEED, which keeps sets in order."""
CHILD = Path(__file__).with_name("child.py")
NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one program with all its tests may use. `piece_s` bounds the program and each test."""

    piece_s: float = 1.0
    cpu_s: int = 5
    wall_s: float = 10.0
    memory_bytes: int = 2**29
    file_bytes: int = 2**20
    num_processes: int = 0
    num_open_files: int = 16


class Isolation(NamedTuple):
    """How programs are kept apart on this machine; `label` says it in words."""

    command: tuple[str, ...]
    user: str | None
    label: str


class Job(NamedTuple):
    """One program and the assertions to run after it."""

    program: str
    tests: tuple[str, ...]


def run_tests(
    program: str,
    tests: Sequence[str],
    *,
    limits: SandboxLimits | None = None,
    hash_seed: int = 0,
) -> list[bool]:
    """Return which tests pass after `program`, each run by itself in the program's names.

    A program that does not run to its end passes none. Tests decided before a kill still count.
    Another `hash_seed` gives sets of strings another order.
    """
    limits = limits or SandboxLimits()
    if not tests or any("\0" in text for text in (program, *tests)):
        return [False] * len(tests)
    token = secrets.token_hex(16)
    task = "\0".join((token, str(limits.piece_s), _rlimits(limits), program, *tests))
    output = _run(isolation(), task.encode(errors="replace"), limits, hash_seed)
    lines = set(output.decode(errors="replace").splitlines())
    return [f"{token} {index} 1" in lines for index in range(len(tests))]


def run_many(
    jobs: Sequence[Job], *, num_workers: int, limits: SandboxLimits | None = None
) -> list[list[bool]]:
    """Return `run_tests` of every job, in their order; equal jobs run once."""
    distinct = list(dict.fromkeys(jobs))
    with ThreadPoolExecutor(max_workers=num_workers) as pool:
        verdicts = list(pool.map(lambda job: run_tests(*job, limits=limits), distinct))
    verdict_of = dict(zip(distinct, verdicts, strict=True))
    return [verdict_of[job] for job in jobs]


@functools.cache
def isolation() -> Isolation:
    """Return the strongest isolation that works here, tried out once per process."""
    drops_root = os.geteuid() == 0 and _exists(NOBODY)
    for command in (UNSHARE, ()):
        for user in (NOBODY, None) if drops_root else (None,):
            parts = [f"user {user}"] if user else []
            parts += ["user, network and process namespaces"] if command else []
            label = ", ".join([*parts, "resource limits", "audit hook"])
            candidate = Isolation(command, user, label)
            if _works(candidate):
                return candidate
    raise RuntimeError("No sandbox works here: a Python process could not be started.")


def _works(candidate: Isolation) -> bool:
    task = "\0".join(("probe", "1", _rlimits(SandboxLimits()), "", "pass"))
    try:
        return _run(candidate, task.encode(), SandboxLimits()) == b"probe 0 1\n"
    except OSError:
        return False


def _run(how: Isolation, task: bytes, limits: SandboxLimits, hash_seed: int = 0) -> bytes:
    """Run the child and return what it wrote.

    It writes to a file, whose size has a limit, through a descriptor that cannot read.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        path = Path(folder) / "results"
        command = [*how.command, _interpreter(), *PYTHON_FLAGS, "-c", CHILD.read_text("utf-8")]
        if how.user:
            os.chown(scratch, pwd.getpwnam(how.user).pw_uid, -1)
        with path.open("wb") as results:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=results,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": str(hash_seed)},
                cwd=scratch,
                user=how.user,
                group=pwd.getpwnam(how.user).pw_gid if how.user else None,
                extra_groups=[] if how.user else None,
                start_new_session=True,
            )
            _feed(process, task, limits.wall_s)
        return path.read_bytes()


def _feed(process: subprocess.Popen[bytes], task: bytes, wall_s: float) -> None:
    """Give the child its task and see it end, by itself or not."""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            process.communicate(task, timeout=wall_s)
    finally:
        # Also when it ended by itself: whatever it started in its group goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _interpreter() -> str:
    """Return the real interpreter, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


def _rlimits(limits: SandboxLimits) -> str:
    values = {
        "RLIMIT_CPU": limits.cpu_s,
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NPROC": limits.num_processes,
        "RLIMIT_NOFILE": limits.num_open_files,
        "RLIMIT_CORE": 0,
    }
    return ",".join(f"{name}={value}" for name, value in values.items())


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
