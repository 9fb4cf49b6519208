"""L5 on prose: spell out what an expert skipped, from the document and rules of inference alone.

Rules: arithmetic of `+ - *`; the laws that the document states; reading notes about a town as
sentences; answering in a full sentence by turning the question around.
"""

import ast
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from davinci.data_levels.sources.microworld.phrases import LAWS_OPENING, Paragraph, text_of
from davinci.data_levels.sources.microworld.teacher_reading import paragraphs_of
from davinci.data_levels.sources.microworld.world import apply

_CHAIN = re.compile(r"Let (\w)=(\d)((?:, \w=\w[-+*]\d)+)\. What is (\w)\?$")
_CLAUSE = re.compile(r"(\w)=(\w)([-+*])(\d)")
_EXPRESSION = re.compile(r"What is the value of ([-+*()\d]+) in code\?$")
_DERIVATION = re.compile(r"Given ((?:\w+=\d(?:, )?)+) by the laws, what is the (\w+)\?$")
_RECALL = re.compile(r"What is the (\w+ of (?:the \w+ of )?\w+)\?$")
_LAW = re.compile(r"(\w+)=(\w+)([-+*])(\w+)")
_NOTES = re.compile(r"(\w+): ((?:rival )?\w+ \w+(?:, \w+ \w+)*)\.$")
_SYMBOL: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
NOTES_REWRITTEN = "shorthand rewritten as sentences"
ANSWERS_REWRITTEN = "bare answers rewritten as sentences"
STEPS_SPELLED_OUT = "steps spelled out"
Laws = Mapping[str, tuple[str, str, str]]


class Solution(NamedTuple):
    """The worked lines that lead to an answer, and the claim that states it."""

    steps: tuple[str, ...]
    claim: str
    answer: str


def complete(text: str, written: Counter[str]) -> str:
    """Return the text with every paragraph that allows it spelled out.

    Args:
        text: What the teacher may use.
        written: Counts, by what was done, the paragraphs that were changed.
    """
    paragraphs = paragraphs_of(text)
    laws = _stated_laws(paragraphs)
    return text_of(_spelled_out(lines, laws, written) for lines in paragraphs)


def _spelled_out(lines: Paragraph, laws: Laws, written: Counter[str]) -> Paragraph:
    notes = _NOTES.match(lines[0]) if len(lines) == 1 else None
    if notes:
        written[NOTES_REWRITTEN] += 1
        pairs = (note.rsplit(" ", 1) for note in notes.group(2).split(", "))
        return tuple(_sentence(name, notes.group(1), value) for name, value in pairs)
    if len(lines) != 2:
        return lines
    question, answer = lines
    label = "Answer: " if question.startswith("Question: ") else ""
    solution = _solve(question.removeprefix("Question: "), laws, answer)
    stated = answer.removeprefix(label)
    if solution is None or not stated.endswith(f"{solution.answer}."):
        return lines
    written[STEPS_SPELLED_OUT if solution.steps else ANSWERS_REWRITTEN] += 1
    first, *others = (*solution.steps, f"{solution.claim} {solution.answer}.")
    return (question, f"{label}{first}", *others)


def _sentence(name: str, town: str, value: str) -> str:
    """Return a noted fact in full; `rival tree` is the tree of the town's rival."""
    *rival, attribute = name.split(" ")
    return f"The {attribute} of {'the rival of ' if rival else ''}{town} is {value}."


def _solve(question: str, laws: Laws, answer: str) -> Solution | None:
    """Return how the question is answered, or None where its steps do not follow."""
    if chain := _CHAIN.match(question):
        name, value, clauses, asked = chain.groups()
        return _chained({name: int(value)}, clauses, asked)
    if expression := _EXPRESSION.match(question):
        return _evaluated(expression.group(1))
    if derivation := _DERIVATION.match(question):
        pairs = (pair.split("=") for pair in derivation.group(1).split(", "))
        known = {name: int(value) for name, value in pairs}
        return _derived(derivation.group(2), known, laws)
    if (recall := _RECALL.match(question)) and re.fullmatch(r"Answer: \w+\.", answer):
        return Solution((), f"The {recall.group(1)} is", answer[len("Answer: ") : -1])
    return None


def _chained(known: dict[str, int], clauses: str, asked: str) -> Solution | None:
    """Return each clause worked out, or None where a name is asked for that has no value."""
    steps = []
    for name, before, op, right in _CLAUSE.findall(clauses):
        if before not in known:
            return None
        known[name] = apply(op, known[before], int(right))
        steps.append(f"{name}={before}{op}{right}={known[before]}{op}{right}={known[name]}.")
    if asked not in known:
        return None
    return Solution(tuple(steps), "The result is", str(known[asked]))


def _worked(value: int, moves: list[tuple[str, int]]) -> tuple[tuple[str, ...], int]:
    steps = []
    for op, right in moves:
        result = apply(op, value, right)
        steps.append(f"{value}{op}{right}={result}.")
        value = result
    return tuple(steps), value


def _evaluated(expression: str) -> Solution | None:
    """Return a left-nested expression worked from the inside, or None for any other."""
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        return None
    moves: list[tuple[str, int]] = []
    while isinstance(node, ast.BinOp) and type(node.op) in _SYMBOL:
        right = _number(node.right)
        if right is None:
            return None
        moves.insert(0, (_SYMBOL[type(node.op)], right))
        node = node.left
    start = _number(node)
    if start is None:
        return None
    steps, result = _worked(start, moves)
    return Solution(steps, "The value is", str(result))


def _number(node: ast.expr) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    return None


def _stated_laws(paragraphs: list[Paragraph]) -> Laws:
    lines = [line for lines in paragraphs for line in lines if line.startswith(LAWS_OPENING)]
    found = [match.groups() for line in lines for match in _LAW.finditer(line)]
    return {quantity: (left, op, right) for quantity, left, op, right in found}


def _derived(target: str, known: dict[str, int], laws: Laws) -> Solution | None:
    """Return the derivation of `target`, each law where it is first needed."""
    steps: list[str] = []

    def derive(name: str) -> bool:
        if name in known:
            return True
        if name not in laws:
            return False
        left, op, right = laws[name]
        if not (derive(left) and derive(right)):
            return False
        known[name] = apply(op, known[left], known[right])
        worked = f"{known[left]}{op}{known[right]}={known[name]}"
        steps.append(f"{name}={left}{op}{right}={worked}.")
        return True

    if not derive(target):
        return None
    return Solution(tuple(steps), f"The {target} is", str(known[target]))
