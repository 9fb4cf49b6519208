"""L7: a task is kept only if it runs, runs again, and tests something."""

import json
from dataclasses import replace

import pytest

from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.levels.writing import environments
from davinci.data_levels.levels.writing.environments import Environment, from_answer, read, stub_of
from davinci.data_levels.levels.writing.execution import Execute, Verdict, failing_tests, judge
from davinci.data_levels.levels.writing.own_examples import environment_of
from davinci.data_levels.sandbox.run import SandboxLimits, run_tests

HASTY = SandboxLimits(piece_s=0.5, wall_s=5.0)
DOUBLE = "def double(x):\n    return 2 * x"
GOOD = Environment(
    "Write `double`, which doubles a number.",
    DOUBLE,
    ("assert double(2) == 4", "assert double(-1) == -2", "assert double('a') == 'aa'"),
)


def document(text: str = "", domain: str = "code", **meta: str) -> Document:
    return Document(id="d", domain=domain, text=text, meta=meta)  # type: ignore[arg-type]


def judged(solution: str, *tests: str) -> Verdict:
    return judge(Environment("Do it.", solution, tests), min_tests=2, limits=HASTY)


def test_a_good_task_is_kept_with_all_of_its_tests() -> None:
    assert judge(GOOD, min_tests=2, limits=HASTY) == Verdict(tests=GOOD.tests)


def test_a_solution_that_fails_one_test_goes() -> None:
    verdict = judged(DOUBLE, "assert double(2) == 4", "assert double(2) == 5")
    assert verdict == Verdict("solution_fails_tests", "1 of 2 tests fail")


def test_a_task_with_a_single_test_goes_without_being_run() -> None:
    verdict = judged("while True: pass", "assert double(2) == 4")
    assert verdict == Verdict("too_few_tests", "1, at least 2 are needed")


@pytest.mark.parametrize(
    "tests",
    [
        ("assert True", "assert 1 + 1 == 2", "assert double"),
        ("assert callable(double)", "assert double(3) is not 7", "assert double(2) == 4"),
        ("assert double(1) or True", "assert not (double(0) or 0)", "assert double != 2"),
    ],
)
def test_tests_that_a_program_passes_which_does_nothing_are_vacuous(tests: tuple[str, ...]) -> None:
    assert all(run_tests(DOUBLE, tests))
    assert judged(DOUBLE, *tests).reason == "vacuous_tests"


def test_behind_a_stub_that_breaks_idle_tests_are_still_vacuous() -> None:
    solution = "def base():\n    return object\nclass Thing(base()):\n    pass"
    assert run_tests(stub_of(solution), ["pass"]) == [False]
    assert judged(solution, "assert True", "assert 1 + 1 == 2").reason == "vacuous_tests"


def test_a_test_that_needs_no_solution_is_taken_out() -> None:
    idle = "assert sorted([2, 1]) == [1, 2]"
    verdict = judged(DOUBLE, "assert double(2) == 4", idle, "assert double(3) == 6")
    assert verdict == Verdict(tests=("assert double(2) == 4", "assert double(3) == 6"))


def test_one_test_that_a_stub_passes_may_stay_beside_two_that_it_fails() -> None:
    halve = "def half(x):\n    return x // 2 if x % 2 == 0 else None"
    tests = ("assert half(4) == 2", "assert half(0) == 0", "assert half(3) is None")
    assert judged(halve, *tests) == Verdict(tests=tests)


def test_what_depends_on_the_order_of_a_set_is_not_reproducible() -> None:
    order = "def first():\n    return list({'ash', 'elm', 'oak', 'fir', 'yew', 'box', 'bay'})[0]"
    names = ("ash", "elm", "oak", "fir", "yew", "box", "bay")
    (name,) = [n for n in names if run_tests(order, [f"assert first() == {n!r}"]) == [True]]
    verdict = judged(order, f"assert first() == {name!r}", f"assert first()[0] == {name[0]!r}")
    assert verdict.reason == "not_reproducible"


@pytest.mark.parametrize(
    "solution",
    [
        "import random\ndef f(x):\n    return random.randrange(10**6) * x",
        "import time\ndef f(x):\n    return time.perf_counter_ns() * x",
        "import os\ndef f(x):\n    return int.from_bytes(os.urandom(4)) * x",
    ],
)
def test_what_depends_on_chance_or_time_goes(solution: str) -> None:
    verdict = judged(solution, *("assert f(1) % 64 < 32" for _ in range(20)))
    assert verdict.reason in ("solution_fails_tests", "not_reproducible")


@pytest.mark.parametrize(
    "solution",
    [
        "while True: pass",
        "def double(x):\n    while True: pass",
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass",
        "waste = bytearray(10**10)\n" + DOUBLE,
        "def double(x):\n    return len([bytearray(10**8) for _ in range(99)])",
        "def double(x):\n    return double(x)",
        "import socket\nsocket.create_connection(('127.0.0.1', 80))\n" + DOUBLE,
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')\n" + DOUBLE,
        "open('stolen', 'w').write('x')\n" + DOUBLE,
        "import os\nos.remove('/etc/hostname')\n" + DOUBLE,
        "import subprocess\nsubprocess.run(['true'])\n" + DOUBLE,
        "import os\nos.fork()\n" + DOUBLE,
        "import sys\nsys.exit(0)\n" + DOUBLE,
        "import os\nos._exit(0)\n" + DOUBLE,
        "import nosuchmodule\n" + DOUBLE,
        "import numpy\n" + DOUBLE,
    ],
)
def test_what_hangs_or_wastes_or_escapes_is_never_kept(solution: str) -> None:
    verdict = judged(solution, *GOOD.tests)
    assert verdict.reason == "solution_fails_tests"


def test_a_test_that_escapes_takes_its_task_along() -> None:
    spying = "assert double(open('/tmp/note', 'w').write('x')) == 2"
    assert judged(DOUBLE, *GOOD.tests, spying).reason == "solution_fails_tests"


def test_the_stub_keeps_names_and_forgets_what_they_do() -> None:
    solution = (
        "import math\nfrom dataclasses import dataclass\nLIMIT = f(3)\n"
        "@dataclass\nclass Pair(tuple):\n    '''Two.'''\n    left: int = 0\n"
        "    @property\n    def sum(self):\n        return self.left\n"
        "class Empty: pass\n"
        "async def area(r, *, k=LIMIT):\n    return math.pi * r\n"
        "raise SystemExit\n"
    )
    assert stub_of(solution) == (
        "import math\nfrom dataclasses import dataclass\n\n"
        "class Pair(tuple):\n\n    @property\n    def sum(*args, **kwargs):\n        pass\n\n"
        "class Empty:\n    pass\n\n"
        "def area(*args, **kwargs):\n    pass"
    )
    assert stub_of("answer = 6 * 7") == stub_of("def f(:") == ""


def test_a_program_without_functions_is_told_from_an_empty_one() -> None:
    tests = ("assert answer == 42", "assert answer % 5 == 2")
    assert judged("answer = 6 * 7", *tests) == Verdict(tests=tests)


@pytest.mark.parametrize(
    "environment",
    [
        GOOD,
        GOOD._replace(task="Mind this:\n\n```python\nx\n```\n\nSolution:\n\nnone"),
        GOOD._replace(solution=f'"""Doc.\n\n````\nTests:\n````\n"""\n{DOUBLE}'),
        GOOD._replace(tests=("x = 3\nassert double(x) == 6", "assert '`````' == double('')")),
        GOOD._replace(tests=()),
        GOOD._replace(task="Tést \u2028 \x0c.", solution="s = '\x0c\u2028'"),
    ],
)
def test_a_written_task_is_read_again_as_it_was(environment: Environment) -> None:
    page = environments.written(document("source", source="s"), environment)
    assert read(page) == environment
    assert page.id == "d"
    assert page.meta["source"] == "s"
    assert page.meta["num_tests"] == str(len(environment.tests))
    assert json.loads(page.meta["tests"]) == list(environment.tests)


def test_the_written_task_can_be_read_by_people() -> None:
    text = environments.written(document(), GOOD._replace(tests=GOOD.tests[:2])).text
    assert text == (
        "Task: Write `double`, which doubles a number.\n\n"
        "Solution:\n\n```python\ndef double(x):\n    return 2 * x\n```\n\n"
        "Tests:\n\n```python\nassert double(2) == 4\nassert double(-1) == -2\n```\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("2 * x", "3 * x", "3 of 3 tests fail"),
        ("2 * x", "2 * x if x != -1 else 0", "1 of 3 tests fail"),
        ("double(2) == 4", "double(2) == 5", "its parts cannot be told apart"),
        ("```\n\nTests", "Tests", "its parts cannot be told apart"),
        ("Task: ", "", "its parts cannot be told apart"),
    ],
)
def test_a_tampered_task_is_found_by_running_it_again(old: str, new: str, says: str) -> None:
    page = environments.written(document(), GOOD)
    assert failing_tests(HASTY, document(), page) == ""
    tampered = replace(page, text=page.text.replace(old, new, 1))
    assert failing_tests(HASTY, document(), tampered) == says


def test_a_task_without_tests_or_meta_does_not_execute() -> None:
    page = environments.written(document(), GOOD._replace(tests=()))
    assert failing_tests(HASTY, document(), page) == "it has no tests"
    assert failing_tests(HASTY, document(), replace(page, meta={}))
    assert failing_tests(HASTY, document(), document("def f(): pass"))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "x",
        {},
        {"task": "t", "solution": DOUBLE},
        {"task": "t", "solution": DOUBLE, "tests": "assert double(2) == 4"},
        {"task": "t", "solution": DOUBLE, "tests": [1, 2]},
        {"task": "t", "solution": DOUBLE, "tests": ["double(2) == 4"]},
        {"task": "t", "solution": DOUBLE, "tests": ["assert double(2 == 4"]},
        {"task": "t", "solution": DOUBLE, "tests": [""]},
        {"task": "t", "solution": "def f(:", "tests": ["assert f"]},
        {"task": "t", "solution": "x = '\0'", "tests": ["assert x"]},
        {"task": "t", "solution": "(" * 9999, "tests": ["assert x"]},
        {"task": "t", "solution": "x = '\ud800'", "tests": ["assert x"]},
        {"task": "t", "solution": " ", "tests": ["assert x"]},
        {"task": "", "solution": "", "tests": []},
        {"task": 3, "solution": DOUBLE, "tests": ["assert double"]},
    ],
)
def test_an_answer_that_is_no_task_is_none(answer: object) -> None:
    assert from_answer(answer) is None


def test_an_answer_is_a_task_with_plain_line_ends() -> None:
    answer = {"task": "t", "solution": "x = 1\r\ny = '\\d'\n", "tests": ["\nassert x\n"], "why": 1}
    assert from_answer(answer) == Environment("t", "x = 1\ny = '\\d'", ("assert x",))


MODULE = '''"""Small numbers.

More about them.

>>> double(1)
2
"""
from math import floor


def double(x):
    """Double it.

    >>> y = 5
    >>> double(y)  # a comment
    10
    >>> double('a')
    'aa'
    >>> print(double(3))
    6
    >>> double(None)
    Traceback (most recent call last):
    TypeError: unsupported
    >>> object()
    <object object at 0x1>
    >>> list(range(99))
    [0, 1, ...]
    >>> double(9)  # doctest: +SKIP
    0
    """
    return 2 * x


def _hidden(): return 1


assert double(floor(2.5)) == 4, "said so"
assert (
    double(3) == 6
)
TWO = double(1); assert TWO == 2

if __name__ == "__main__":
    raise SystemExit
'''


def test_the_examples_and_assertions_of_a_module_become_its_tests() -> None:
    environment = environment_of(MODULE)
    assert environment is not None
    assert environment.tests == (
        'assert double(floor(2.5)) == 4, "said so"',
        "assert (\n    double(3) == 6\n)",
        "assert (double(1)) == (2)",
        "y = 5\nassert (double(y)) == (10)",
        "y = 5\nassert (double('a')) == ('aa')",
    )
    assert environment.task == (
        "Small numbers.\n\nWrite Python code that defines `double`; all of the tests pass."
    )
    assert "TWO = double(1); assert TWO == 2\n" in environment.solution
    assert "__main__" not in environment.solution
    assert "floor(2.5)) == 4" not in environment.solution
    assert judge(environment, min_tests=2, limits=HASTY) == Verdict(tests=environment.tests)


@pytest.mark.parametrize("text", ["", "# nothing", "A page of prose, no program.", "x = '\0'"])
def test_what_is_no_program_has_no_examples(text: str) -> None:
    assert environment_of(text) is None


def test_a_broken_docstring_is_passed_over() -> None:
    text = (
        'def f():\n    """\n    >>> f()\n   1\n    >>>f()\n    """\n    return 1\nassert f() == 1\n'
    )
    environment = environment_of(text)
    assert environment is not None
    assert environment.tests == ("assert f() == 1",)


def test_tasks_are_executed_in_order_and_none_is_lost() -> None:
    bad = GOOD._replace(tests=(*GOOD.tests, "assert double(1) == 1"))
    idle = GOOD._replace(tests=(*GOOD.tests, "assert True"))
    proposals = [GOOD, bad, idle, GOOD._replace(tests=()), bad, GOOD]
    pages = [environments.written(document(), environment) for environment in proposals]
    counts: dict[str, float] = {}
    operator = Execute(min_tests=2, workers=3, limits=HASTY)
    outcomes = list(operator.run([*pages, document("none")], counts))
    assert [outcome.reason if isinstance(outcome, Dropped) else "" for outcome in outcomes] == [
        "", "solution_fails_tests", "", "too_few_tests", "solution_fails_tests", "",
        "malformed_answer",
    ]  # fmt: skip
    assert outcomes[0] == outcomes[2] == outcomes[5] == pages[0]
    assert counts == {"tests_taken_out": 1, "tests_kept": 9}
