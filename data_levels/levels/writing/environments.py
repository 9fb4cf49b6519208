"""Executable tasks: how one is written down, read again, and what is left of it without its ideas.

A task's text ends with two fenced blocks, its solution and its tests:

    Task: <statement>

    Solution:

    ```python
    <code>
    ```

    Tests:

    ```python
    <assertions>
    ```
"""

import ast
import json
import re
import threading
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

from davinci.data_levels.document import Document
from davinci.data_levels.levels.operator import with_text

LANGUAGE = "python"
_BLOCK = "{fence}python\n{code}\n{fence}\n"
_FENCE = re.compile(r"`{3,}")
_LAST_FENCE = re.compile(r"\n(`{3,})\n\Z")
_BINDERS = frozenset({"staticmethod", "classmethod", "property"})
_parsing = threading.Lock()


class Environment(NamedTuple):
    """A task, a program that solves it, and tests, each a piece of code that ends in `assert`."""

    task: str
    solution: str
    tests: tuple[str, ...]


def written(document: Document, environment: Environment) -> Document:
    """Return the document with the task as its text; the tests stand in its meta too, as JSON."""
    tests = "\n".join(environment.tests)
    parts = (environment.task, environment.solution, tests)
    longest = max((len(run) for part in parts for run in _FENCE.findall(part)), default=2)
    fence = "`" * (longest + 1)
    solution = _BLOCK.format(fence=fence, code=environment.solution.strip("\n"))
    told = _BLOCK.format(fence=fence, code=tests)
    text = f"Task: {environment.task.strip()}\n\nSolution:\n\n{solution}\nTests:\n\n{told}"
    return with_text(
        document,
        text,
        environment=LANGUAGE,
        num_tests=str(len(environment.tests)),
        tests=json.dumps(environment.tests),
    )


def read(document: Document) -> Environment | None:
    """Return the task that a document holds; None if it holds none, or its parts disagree."""
    fence = _LAST_FENCE.search(document.text)
    tests = _texts(_parsed_json(document.meta.get("tests", "")))
    if fence is None or tests is None or document.meta.get("environment") != LANGUAGE:
        return None
    parts = document.text.split(fence.group(1))
    if len(parts) != 5 or not parts[0].startswith("Task: "):
        return None
    task, solution, _, told, _ = parts
    if told != f"{LANGUAGE}\n" + "\n".join(tests) + "\n":
        return None
    task = task.removeprefix("Task: ").removesuffix("\n\nSolution:\n\n")
    return Environment(task, solution.removeprefix(f"{LANGUAGE}\n").removesuffix("\n"), tests)


def from_answer(answer: Any) -> Environment | None:
    """Return the task that a model proposes as JSON; None if anything of it is missing or unusable.

    Args:
        answer: What the JSON says: `task` and `solution` (texts), `tests` (list of assertions).
    """
    if not isinstance(answer, dict):
        return None
    texts = _texts([answer.get("task"), answer.get("solution")])
    tests = _texts(answer.get("tests"))
    if texts is None or tests is None:
        return None
    task, solution = texts
    if not task.strip() or not solution.strip() or parsed(solution) is None:
        return None
    usable = all(ends_in_assert(test) for test in tests)
    return Environment(task, solution, tests) if usable else None


def ends_in_assert(test: str) -> bool:
    """Return whether a test is Python whose last statement is an assertion."""
    tree = parsed(test)
    return tree is not None and bool(tree.body) and isinstance(tree.body[-1], ast.Assert)


def stub_of(solution: str) -> str:
    """Return a program with the solution's names: what it defines does nothing and returns None."""
    tree = parsed(solution)
    try:
        return "" if tree is None else ast.unparse(ast.Module(_outline(tree.body), []))
    except RecursionError:
        return ""


def parsed(source: str) -> ast.Module | None:
    """Return the syntax tree of a source, or None if it has none; nothing is run."""
    with _parsing, warnings.catch_warnings(action="ignore"):
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _outline(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    outline: list[ast.stmt] = []
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            outline.append(node)
        elif isinstance(node, ast.ClassDef):
            body = _outline(node.body) or [ast.Pass()]
            outline.append(ast.ClassDef(node.name, node.bases, [], body, []))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            outline.append(_empty_function(node))
    return outline


def _empty_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef:
    """Return a function of the same name that takes anything and returns None."""
    anything = ast.arguments([], [], ast.arg("args"), [], [], ast.arg("kwargs"), [])
    binders: list[ast.expr] = [
        d for d in node.decorator_list if isinstance(d, ast.Name) and d.id in _BINDERS
    ]
    return ast.FunctionDef(node.name, anything, [ast.Pass()], binders, lineno=0)


def _texts(values: Any) -> tuple[str, ...] | None:
    """Return a list's texts with plain line ends; None unless it is a list of nothing else."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return tuple(value.replace("\r\n", "\n").strip("\n") for value in values)


def _parsed_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
