"""Hostile programs: each is contained, the machine is unharmed, and the verdict is right.

Every program ends by setting `won = True` if what it tried worked; its one test asks for that. The
audit hook is tried out with all of them, and so is the sandbox without the hook: either fence must
hold by itself.
"""
# ruff: noqa: E501

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import davinci.data_levels.sandbox.run as sandbox
from davinci.data_levels.sandbox.run import SandboxLimits, run_tests

LIMITS = SandboxLimits(piece_s=1.0, cpu_s=2, wall_s=4.0)
MARK = 4_000_000_000 + os.getpid() % 100_000
"""Hash seed of the programs here, by which their processes are known."""
SECRET = "hunter2-of-the-host"
CTYPES = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"

PROGRAMS = {
    "fork bomb": "import os\nwhile True:\n    if os.fork() == 0: won = True",
    "fork once": "import os\npid = os.fork()\nwon = True",
    "posix spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})\nwon = True",
    "shell": "import os\nwon = os.system('true') == 0",
    "subprocess": "import subprocess\nsubprocess.run([{python!r}, '-c', ''], check=True)\nwon = True",
    "threads": "import threading\nfor _ in range(500):\n"
    "    threading.Thread(target=lambda: __import__('time').sleep(60)).start()\nwon = True",
    "memory bomb": "x = []\nwhile True: x.append(bytearray(2**24))\nwon = True",
    "memory at once": "x = bytearray(2**40)\nwon = True",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**9)\n"
    "def f(): return f()\nf()\nwon = True",
    "endless loop": "while True: pass\nwon = True",
    "endless loop that catches": "while True:\n    try:\n        while True: pass\n"
    "    except BaseException: pass\nwon = True",
    "sleep": "import time\ntime.sleep(10**6)\nwon = True",
    "endless output": "import os, sys\nfor _ in range(10**5):\n"
    "    for fd in range(16):\n        try: os.write(fd, b'x' * 2**16)\n        except OSError: pass\n"
    "won = False",
    "fill the disk": "import os\nf = open('big', 'wb')\nfor _ in range(2**14):\n"
    "    f.write(b'x' * 2**16); f.flush()\nwon = True",
    "many files": "for i in range(10**5): open(str(i), 'w').close()\nwon = True",
    "read a host file": "won = {secret!r} in open({file!r}).read()",
    "read passwd": "won = 'root' in open('/etc/passwd').read()",
    "read by symlink": "import os\nos.symlink({file!r}, 'link')\nwon = {secret!r} in open('link').read()",
    "read above the root": "import os\nwon = {secret!r} in open('../' * 20 + {file!r}[1:]).read()",
    "read by descriptor": "import os\nwon = False\nfor fd in range(3, 64):\n"
    "    try: won = won or bool(os.listdir(fd))\n    except OSError: pass",
    "list the root": "import os\nwon = bool(set(os.listdir('/')) - {roots})",
    "list home": "import os\nwon = bool(set(os.listdir({home!r})) - {skeleton})",
    "read the environment": "import os\nwon = {secret!r} in str(dict(os.environ))",
    "read another's environment": "won = {secret!r} in open('/proc/{pid}/environ').read()",
    "read one's own proc": "won = bool(open('/proc/self/maps').read())",
    "write to a host file": "open({file!r}, 'w').write('gone')\nwon = True",
    "delete a host file": "import os\nos.remove({file!r})\nwon = True",
    "write to the library": "import os\nopen(os.__file__, 'a').write('#')\nwon = True",
    "connect to the host": "import socket\n"
    "socket.create_connection(('127.0.0.1', {port}), timeout=1)\nwon = True",
    "resolve a name": "import socket\nsocket.getaddrinfo('example.com', 80)\nwon = True",
    "listen": "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 0))\ns.connect(s.getsockname())\n"
    "won = True",
    "unix socket": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({unix!r})\nwon = True",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)\nwon = os.getppid() != 0",
    "kill a process of the host": "import os\nos.kill({pid}, 9)\nwon = True",
    "kill everything": "import os\nos.kill(-1, 9)\nwon = True",
    "ptrace": CTYPES + "won = libc.ptrace(16, {pid}, 0, 0) == 0",
    "mount": CTYPES + "won = libc.mount(b'none', b'/work', b'tmpfs', 0, b'') == 0",
    "chroot": "import os\nos.chroot('/work')\nwon = True",
    "become root": "import os\nos.setuid(0)\nos.chown('/work', 0, 0)\nwon = bool(os.listdir('/root'))",
    "set the host name": "import socket\nsocket.sethostname('mine')\nwon = True",
    "load a module": CTYPES + "won = libc.syscall(175, b'', 0, b'') == 0",
    "raise the limits": "import resource\n"
    "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nwon = True",
    "make a device": "import os, stat\nos.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(8, 0))\nwon = True",
    "shared memory": "from multiprocessing import shared_memory\n"
    "shared_memory.SharedMemory(create=True, size=2**20)\nwon = True",
    "exit as if all were well": "import os\nos._exit(0)",
    "leave quietly": "raise SystemExit(0)",
    "print a verdict": "print('0 1')\nimport os\nos.write(1, b'0 1')",
}  # fmt: skip
HARMLESS_ALONE = {
    # without the hook these may work, inside the sandbox alone: nothing of the host is reached
    "listen", "many files", "read one's own proc",
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Return what a program could harm or read: a file, a secret, a process, open sockets."""
    folder = tmp_path_factory.mktemp("host")
    file = folder / "secret.txt"
    file.write_text(SECRET)
    file.chmod(0o666)
    listening = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(folder / "socket"))
    local.listen()
    victim = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={"SECRET": SECRET}
    )
    os.environ["DAVINCI_TEST_SECRET"] = SECRET
    yield {
        "file": str(file),
        "secret": SECRET,
        "python": sys.executable,
        "home": str(Path.home()),
        "skeleton": {
            Path(folder).relative_to(Path.home()).parts[0]
            for folder in sandbox._kept_folders()
            if Path(folder).is_relative_to(Path.home())
        }
        | {""},
        "pid": victim.pid,
        "port": listening.getsockname()[1],
        "unix": str(folder / "socket"),
        "roots": {name.split("/")[1] for name in sandbox._kept_folders()} | {"work"},
        "listening": listening,
        "local": local,
        "victim": victim,
    }
    del os.environ["DAVINCI_TEST_SECRET"]
    victim.kill()
    victim.wait()
    listening.close()
    local.close()


def unharmed(host: dict[str, object]) -> None:
    assert Path(str(host["file"])).read_text() == SECRET
    victim, listening = host["victim"], host["listening"]
    assert isinstance(victim, subprocess.Popen)
    assert victim.poll() is None
    assert isinstance(listening, socket.socket)
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.accept()
    assert not Path(os.__file__).read_text().endswith("#")


def left_behind() -> list[str]:
    """Return the commands of processes that the programs of this file have left.

    Those that are being killed are given a few seconds to be gone.
    """
    until = time.monotonic() + 5
    while (found := alive()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def alive() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PYTHONHASHSEED={MARK}".encode() in environment and command:
            found.append(command.decode(errors="replace")[:60])
    return found


def run(program: str, host: dict[str, object]) -> list[bool]:
    return run_tests(filled(program, host), ["assert won"], limits=LIMITS, hash_seed=MARK)


def filled(program: str, host: dict[str, object]) -> str:
    for name, value in host.items():
        program = program.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
    return program


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_hostile_program_is_contained(name: str, host: dict[str, object]) -> None:
    start_s = time.monotonic()
    assert run(PROGRAMS[name], host) == [False]
    assert time.monotonic() - start_s < LIMITS.wall_s + 3
    unharmed(host)
    assert left_behind() == []


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in HARMLESS_ALONE])
def test_it_is_contained_without_the_audit_hook_too(
    name: str, host: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = sandbox.CHILD.replace("    sys.addaudithook(fence)\n", "")
    assert bare != sandbox.CHILD
    monkeypatch.setattr(sandbox, "CHILD", bare)
    assert run(PROGRAMS[name], host) == [False]
    unharmed(host)
    assert left_behind() == []


def test_a_good_program_after_all_of_them_still_passes() -> None:
    assert run_tests("import math\ndef f(x): return math.sqrt(x)", ["assert f(4) == 2"]) == [True]


def test_nothing_is_run_where_the_machine_cannot_isolate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox.isolation.cache_clear()
    monkeypatch.setattr(sandbox, "UNSHARE", ("unshare", "--no-such-namespace"))
    with pytest.raises(sandbox.CannotIsolateError, match="allow user namespaces"):
        run_tests(f"open({str(tmp_path / 'x')!r}, 'w')", ["pass"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sandbox.CannotIsolateError, match="Linux"):
        run_tests("", ["pass"])
    sandbox.isolation.cache_clear()
