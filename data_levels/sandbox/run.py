"""Runs model-written code where it can do little harm, and tells which tests it passes.

Every program gets a Python process of its own: no site packages, an empty environment, limits on
processor time, memory, files and processes, and a wall-clock limit that kills its whole process
group. The process is alone in its user, mount, network, process, IPC and host-name namespaces: no
network at all, no files but the standard library and a scratch folder in memory (`isolate.py`),
and whatever it leaves behind dies with it; and it is an unprivileged user where we are root. Behind
that, an audit hook forbids sockets, processes and writing. Where Linux does not allow these
namespaces, nothing is run: `isolation` says why.

It protects the machine, not the verdict: tests run in the program's own process, and a program that
walks the interpreter's frames can forge what is reported of it.
"""

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

UNSHARE = ("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
AS_ROOT_OF_ITS_OWN = ("--user", "--map-root-user")
"""For who is not root: namespaces are made within a user namespace of one's own."""
PYTHON_FLAGS = ("-s", "-P", "-S", "-B")
"""Isolated mode, spelled out: `-I` would also ignore PYTHONHASHSEED, which keeps sets in order."""
HERE = Path(__file__).parent
CHILD = (HERE / "isolate.py").read_text("utf-8") + (HERE / "child.py").read_text("utf-8")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
"""Where shared libraries are that the standard library loads."""
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


class CannotIsolateError(RuntimeError):
    """This machine cannot keep a program apart, so that none is run."""


class Isolation(NamedTuple):
    """How programs are kept apart on this machine; `label` says it in words."""

    user: str | None
    label: str

    @property
    def command(self) -> tuple[str, ...]:
        """What a program is started with."""
        return (*UNSHARE, *(() if self.user else AS_ROOT_OF_ITS_OWN), "--")


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

    Raises:
        CannotIsolateError: If this machine cannot keep the program apart.
    """
    limits = limits or SandboxLimits()
    if not tests or any("\0" in text for text in (program, *tests)):
        return [False] * len(tests)
    token = secrets.token_hex(16)
    output = _run(isolation(), (token, program, *tests), limits, hash_seed)
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
    """Return how programs are isolated here, tried out once per process.

    Raises:
        CannotIsolateError: If this machine does not let a process have namespaces of its own.
    """
    if not sys.platform.startswith("linux") or shutil.which(UNSHARE[0]) is None:
        raise CannotIsolateError(
            "Programs that a model wrote run in Linux namespaces alone, made by `unshare`, which "
            "this machine does not have; evaluate without them, or on a Linux machine."
        )
    drops_root = os.geteuid() == 0 and _exists(NOBODY)
    for user in (NOBODY, None) if drops_root else (None,):
        parts = [f"user {user}"] if user else []
        parts += ["own namespaces", "empty root", "resource limits", "audit hook"]
        candidate = Isolation(user, ", ".join(parts))
        if _works(candidate):
            return candidate
    raise CannotIsolateError(
        "Programs that a model wrote run in Linux namespaces alone, which this machine does not "
        "allow: in a container, allow user namespaces and mounts (a seccomp profile that has "
        "`unshare` and `mount`); else see `sysctl user.max_user_namespaces` and "
        "`kernel.apparmor_restrict_unprivileged_userns`."
    )


def _works(candidate: Isolation) -> bool:
    try:
        return _run(candidate, ("probe", "", "pass"), SandboxLimits()) == b"probe 0 1\n"
    except OSError:
        return False


def _run(how: Isolation, pieces: Sequence[str], limits: SandboxLimits, hash_seed: int = 0) -> bytes:
    """Run the child over token, program and tests; return what it wrote.

    It writes to a file, whose size has a limit, through a descriptor that cannot read.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as room:
        path = Path(folder) / "results"
        entry = pwd.getpwnam(how.user) if how.user else None
        who = (str(entry.pw_uid), str(entry.pw_gid)) if entry else ("", "")
        places = ":".join((*who, os.path.realpath(room), *_kept_folders()))
        token, *rest = pieces
        task = "\0".join((token, str(limits.piece_s), _rlimits(limits), places, *rest))
        with path.open("wb") as results:
            process = subprocess.Popen(
                [*how.command, _interpreter(), *PYTHON_FLAGS, "-c", CHILD],
                stdin=subprocess.PIPE,
                stdout=results,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": str(hash_seed)},
                cwd="/",
                start_new_session=True,
            )
            _feed(process, task.encode(errors="replace"), limits.wall_s)
        return path.read_bytes()


@functools.cache
def _kept_folders() -> tuple[str, ...]:
    """Return the folders that a program sees: the standard library, and shared libraries."""
    base = Path(sys.base_prefix) / "lib"
    wanted = [sysconfig.get_path("stdlib"), str(base), *LIBRARIES]
    found = [folder for folder in dict.fromkeys(wanted) if os.path.isdir(folder)]
    inside = [f for f in found if any(f != o and f.startswith(o + "/") for o in found)]
    return tuple(folder for folder in found if folder not in inside)


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
