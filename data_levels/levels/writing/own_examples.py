"""Tasks without a model: a Python document whose own examples and assertions are its tests.

Examples are those of its docstrings, as `doctest` reads them, where what is wanted is a literal;
assertions are those that stand at its top level. Nothing is run here.
"""

import ast
import doctest
from collections.abc import Iterator

from davinci.data_levels.levels.writing.environments import Environment, ends_in_assert, parsed

_HAS_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_PLAIN = "Write Python code for which all of the tests pass."


def environment_of(text: str) -> Environment | None:
    """Return the task of a Python document, with as many tests as it has; None if it is no Python.

    The solution is the document without what runs when it is called as a program, and without the
    assertions that became tests.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tree = parsed(text)
    if tree is None or not tree.body:
        return None
    lines = text.split("\n")
    own = [_source(lines, node) for node in _whole_lines(tree) if isinstance(node, ast.Assert)]
    for node in reversed(_whole_lines(tree)):
        if isinstance(node, ast.Assert) or _is_main_guard(node):
            del lines[node.lineno - 1 : node.end_lineno]
    tests = tuple(dict.fromkeys(test for test in (*own, *_examples(tree)) if ends_in_assert(test)))
    return Environment(_statement(tree), "\n".join(lines), tests)


def _whole_lines(tree: ast.Module) -> list[ast.stmt]:
    """Return the top-level statements that share no line with another."""
    ends = [0, *(node.end_lineno or node.lineno for node in tree.body)]
    starts = [*(node.lineno for node in tree.body[1:]), 0]
    apart = zip(tree.body, ends, starts, strict=False)
    return [n for n, end, start in apart if end < n.lineno and n.end_lineno != start]


def _source(lines: list[str], node: ast.stmt) -> str:
    return "\n".join(lines[node.lineno - 1 : node.end_lineno])


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _statement(tree: ast.Module) -> str:
    """Return what is asked for: the first paragraph of the docstring, and the names to define."""
    about = (ast.get_docstring(tree) or "").split("\n\n")[0].strip()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    public = ", ".join(f"`{name}`" for name in names if not name.startswith("_"))
    asked = f"Write Python code that defines {public}; all of the tests pass." if public else _PLAIN
    return f"{about}\n\n{asked}" if about else asked


def _examples(tree: ast.Module) -> Iterator[str]:
    """Yield the examples of all docstrings as tests, in the order of the source."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, _HAS_DOCSTRING)]
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        yield from _tests_of(ast.get_docstring(node) or "")


def _tests_of(docstring: str) -> Iterator[str]:
    """Yield a docstring's examples as tests, each after whatever the docstring prepares for it."""
    try:
        examples = doctest.DocTestParser().get_examples(docstring)
    except ValueError:
        return
    prepared: list[str] = []
    for example in examples:
        if doctest.SKIP in example.options:
            continue
        if not example.want:
            prepared.append(example.source.rstrip("\n"))
        elif assertion := _assertion(example.source, example.want):
            yield "\n".join([*prepared, assertion])


def _assertion(source: str, want: str) -> str:
    """Return an example as an assertion, or "" where it prints, or what it wants is no literal."""
    shown, wanted = _expression(source), _expression(want.strip())
    if shown is None or wanted is None or "..." in want or _prints(shown):
        return ""
    try:
        ast.literal_eval(wanted)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    return f"assert ({ast.unparse(shown)}) == ({ast.unparse(wanted)})"


def _expression(source: str) -> ast.expr | None:
    tree = parsed(source)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    return tree.body[0].value


def _prints(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Name) and function.id == "print"
