import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from davinci.data_levels.sandbox.run import (
    Isolation,
    Job,
    SandboxLimits,
    isolation,
    run_many,
    run_tests,
)

HASTY = SandboxLimits(piece_s=0.5, wall_s=3.0)
DOUBLE = "def double(x):\n    return 2 * x"


def test_each_test_is_judged_by_itself() -> None:
    tests = ["assert double(2) == 4", "assert double(2) == 5", "nonsense(", "assert double(0) == 0"]
    assert run_tests(DOUBLE, tests) == [True, False, False, True]


def test_a_program_that_breaks_passes_nothing() -> None:
    for program in ("def f(:", "1 / 0", "raise SystemExit", "import os; os._exit(0)", "x\0y"):
        assert run_tests(program, ["pass"]) == [False]


def test_no_tests_give_no_verdicts() -> None:
    assert run_tests(DOUBLE, []) == []


def test_one_test_cannot_spoil_the_names_of_the_next() -> None:
    assert run_tests(DOUBLE, ["double = None", "assert double(1) == 2"]) == [True, True]


def test_an_endless_test_fails_alone() -> None:
    tests = ["assert double(1) == 2", "while True: pass", "assert double(1) == 2"]
    assert run_tests(DOUBLE, tests, limits=HASTY) == [True, False, True]


def test_a_program_that_turns_its_alarm_off_is_killed_by_the_wall_clock() -> None:
    stubborn = "import signal; signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass"
    start_s = time.perf_counter()
    assert run_tests(stubborn, ["pass"], limits=replace(HASTY, wall_s=1.5)) == [False]
    assert 1.4 < time.perf_counter() - start_s < 10


def test_verdicts_before_a_kill_still_count() -> None:
    tests = ["assert double(1) == 2", "import os; os._exit(1)", "assert double(1) == 2"]
    assert run_tests(DOUBLE, tests) == [True, False, False]


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import os; os.fork()",
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.kill(os.getppid(), 9)",
        "import ctypes; ctypes.CDLL(None)",
        "open('note', 'w').write('x')",
        "import os; os.remove('/etc/hostname')",
        "import os; os.mkdir('folder')",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (999, 999))",
        "x = bytearray(10**10)",
    ],
)
def test_what_no_answer_needs_is_forbidden(program: str) -> None:
    assert run_tests(program, ["pass"], limits=HASTY) == [False]


def test_the_environment_is_empty_and_the_folder_a_scratch_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    tests = [
        "import os; assert 'SECRET' not in os.environ",
        f"import os; assert os.getcwd() != {os.getcwd()!r} and os.listdir('.') == []",
        "import sys; assert not any('site-packages' in path for path in sys.path)",
    ]
    assert run_tests("", tests) == [True, True, True]


def test_printing_cannot_forge_a_verdict() -> None:
    forger = (
        "import os\n"
        "for fd in range(8):\n"
        "    try:\n        os.write(fd, b'0 1\\nprobe 0 1\\n')\n    except OSError: pass\n"
        "print('0 1')"
    )
    assert run_tests(forger, ["assert False"]) == [False]


def test_written_verdicts_cannot_be_read_back() -> None:
    spy = (
        "import os\n"
        "def read():\n"
        "    found = b''\n"
        "    for fd in range(8):\n"
        "        try:\n            found += os.pread(fd, 99, 0)\n        except OSError: pass\n"
        "    return found"
    )
    assert run_tests(spy, ["pass", "assert read() == b''"]) == [True, True]


def test_a_flood_of_output_is_cut_off() -> None:
    flood = (
        "import os\nwhile True:\n    for fd in range(8):\n        try: os.write(fd, b'x' * 65536)\n"
    )
    flood += "        except OSError: pass"
    assert run_tests(flood, ["pass"], limits=HASTY) == [False]


def test_sets_are_ordered_alike_in_every_run() -> None:
    order = "names = list({'ash', 'elm', 'oak', 'fir', 'yew'})"
    tests = [f"assert names[0] == {name!r}" for name in ("ash", "elm", "oak", "fir", "yew")]
    assert run_tests(order, tests) == run_tests(order, tests)


def test_many_jobs_keep_their_order_and_equal_ones_run_once() -> None:
    good, bad = Job(DOUBLE, ("assert double(1) == 2",)), Job("", ("assert double(1) == 2",))
    assert run_many([good, bad, good], num_workers=2) == [[True], [False], [True]]


def test_the_isolation_is_named() -> None:
    found = isolation()
    assert isinstance(found, Isolation)
    assert "audit hook" in found.label
    assert "namespaces" in found.label


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_tests(DOUBLE, ["assert double(1) == 2"])
    assert list(tmp_path.iterdir()) == []
