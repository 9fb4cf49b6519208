"""L4 and L5 on code: keep the functions that are whole, then one line for each operation.

Only the syntax tree is used; nothing is run, and names are not held against what functions do.
"""

import ast
import re
import warnings

MIN_NESTED = 3
"""An expression of fewer operations skips nothing worth spelling out."""
BUILT_IN = frozenset({"max", "min"})
"""The functions that the world's code calls."""
_MERGE = re.compile(r"^(<{7}|={7}|>{7}).*$", re.MULTILINE)
_TOP_LEVEL = re.compile(r"\n(?=def )")


def refine(text: str) -> str:
    """Return the whole functions of a file, plainly formatted; comments are left behind."""
    text = _MERGE.sub("", text.replace("\r\n", "\n").expandtabs(4))
    functions = (_whole_function(part) for part in _TOP_LEVEL.split("\n" + text))
    return "\n\n".join(function for function in functions if function)


def complete(text: str) -> str:
    """Return the file with the steps nested in one expression as lines, function by function."""
    tree = _parsed(text)
    if tree is None:
        return text
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.body = _worked(node)
    return "\n\n".join(ast.unparse(node) for node in tree.body)


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _whole_function(part: str) -> str | None:
    """Return the function that a part of a file holds; None if it is broken or has no end."""
    tree = _parsed(part)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    if len(functions) != 1 or not _returns_something(functions[0]):
        return None
    return ast.unparse(functions[0])


def _returns_something(function: ast.FunctionDef) -> bool:
    """Return whether the function ends by returning what it knows: cut off, it may not."""
    last = function.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return False
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    known = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    known |= {argument.arg for argument in function.args.args}
    used = {node.id for node in ast.walk(last.value) if isinstance(node, ast.Name)}
    return used <= known | BUILT_IN


def _worked(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the body with its returned expression taken apart, the innermost part first."""
    last = function.body[-1]
    if len(function.body) != 1 or not isinstance(last, ast.Return) or last.value is None:
        return function.body
    if len(function.args.args) != 1:
        return function.body
    argument = function.args.args[0].arg
    layers = _layers(last.value, argument)
    if layers is None or len(layers) < MIN_NESTED:
        return function.body
    lines = [f"{argument} = {layer}" for layer in layers]
    return [*ast.parse("\n".join(lines)).body, ast.Return(ast.Name(argument))]


def _layers(node: ast.expr, argument: str) -> list[str] | None:
    """Return each operation applied to the argument, or None for another shape of expression."""
    if isinstance(node, ast.Name):
        return [] if node.id == argument else None
    hole = ast.Name(argument)
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
        inner, outer = node.left, ast.unparse(ast.BinOp(hole, node.op, node.right))
    elif isinstance(node, ast.Call) and len(node.args) == 2 and not node.keywords:
        if not isinstance(node.args[1], ast.Constant):
            return None
        inner, outer = node.args[0], ast.unparse(ast.Call(node.func, [hole, node.args[1]], []))
    else:
        return None
    layers = _layers(inner, argument)
    return None if layers is None else [*layers, outer]
