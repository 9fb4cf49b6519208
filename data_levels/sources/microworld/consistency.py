"""Checks a page of the world against its ground truth, from the text alone.

Every line must be one that the world's authors write, and say what holds: facts and laws are looked
up, and the lines of an exercise are derived anew from its question. Nothing is taken from whoever
wrote the page.
"""

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.microworld.functions import Operation, make_function
from davinci.data_levels.sources.microworld.lexicon import OPENINGS, TITLES
from davinci.data_levels.sources.microworld.phrases import LAWS_OPENING, Paragraph
from davinci.data_levels.sources.microworld.world import RIVAL, World, apply

_FACT = re.compile(r"The (\w+) of (\w+) is (\w+)\.")
_RIVAL_FACT = re.compile(r"The (\w+) of the rival of (\w+) is (\w+)\.")
_CHAIN = re.compile(r"Let (\w)=(\d)((?:, \w=\w[-+*]\d)+)\. What is (\w)\?")
_CLAUSE = re.compile(r"(\w)=(\w)([-+*])(\d)")
_EXPRESSION = re.compile(r"What is the value of \(?(\d)([-+*]\d)\)?([-+*]\d)? in code\?")
_DERIVATION = re.compile(r"Given ((?:\w+=\d(?:, )?)+) by the laws, what is the (\w+)\?")
_RECALL = re.compile(r"What is the (\w+) of (\w+)\?")
_RIVAL_RECALL = re.compile(r"What is the (\w+) of the rival of (\w+)\?")
_TITLE = re.compile(r"(.+) \d{1,2}")
_NAME = re.compile(r"def (\w+)\(")
_QUESTION, _ANSWER = "Question: ", "Answer: "


class _Nonsense(ValueError):
    """Something that this world has no truth about."""


def find_falsehood(world: World, domain: Domain, text: str) -> str:
    """Return what is wrong with a page: the line and what should stand there; "" if nothing is."""
    blocks = [tuple(block.split("\n")) for block in text.split("\n\n")]
    judge = _judge_function if domain == "code" else _judge_paragraph
    for lines in blocks:
        try:
            expected = judge(world, domain, lines)
        except (_Nonsense, KeyError) as error:
            return f"{lines[0]!r} is not of this world: {error}"
        for line, truth in zip_longest(lines, expected, fillvalue=""):
            if line != truth:
                return f"{line!r} should be {truth!r}"
    return ""


def _judge_function(world: World, domain: Domain, lines: Paragraph) -> Paragraph:
    """Return the function that its name promises, line by line."""
    named = _NAME.match(lines[0])
    if named is None:
        raise _Nonsense("no function")
    op_of = {verb: op for op, verb in world.verbs.items()}
    operations: list[Operation] = []
    for part in named.group(1).split("_then_"):
        verb, _, operand = part.rpartition("_")
        if not operand.isdecimal():
            raise _Nonsense(f"no operation {part!r}")
        operations.append((op_of[verb], int(operand)))
    return tuple(make_function(world, tuple(operations)).worked().split("\n"))


def _judge_paragraph(world: World, domain: Domain, lines: Paragraph) -> Paragraph:
    """Return the paragraph as it should be."""
    first = lines[0]
    if len(lines) == 1 and (first in OPENINGS[domain] or _is_title(first, domain)):
        return lines
    if first.startswith(LAWS_OPENING):
        return (_true_laws(world, first),)
    if first.startswith(_QUESTION):
        question, label = first.removeprefix(_QUESTION), _ANSWER
    elif first.endswith("?"):
        question, label = first, ""
    else:
        return tuple(_true_sentence(world, line) for line in lines)
    answer, *others = _derive(world, question)
    return (first, label + answer, *others)


def _is_title(line: str, domain: Domain) -> bool:
    match = _TITLE.fullmatch(line)
    return match is not None and match.group(1) in TITLES[domain]


def _true_sentence(world: World, line: str) -> str:
    if match := _RIVAL_FACT.fullmatch(line):
        return _rival_fact(world, match.group(1), match.group(2))[-1]
    if match := _FACT.fullmatch(line):
        return _fact(world, match.group(1), match.group(2))
    raise _Nonsense(line)


def _true_laws(world: World, line: str) -> str:
    """Return the stated laws as they are in this world."""
    stated = line.removeprefix(f"{LAWS_OPENING} ").removesuffix(".").split(", ")
    laws = [str(world.laws[law.partition("=")[0]]) for law in stated]
    return f"{LAWS_OPENING} {', '.join(laws)}."


def _fact(world: World, attribute: str, town: str) -> str:
    return f"The {attribute} of {town} is {world.facts[town, attribute]}."


def _rival_fact(world: World, attribute: str, town: str) -> list[str]:
    rival = world.facts[town, RIVAL]
    value = world.facts[rival, attribute]
    conclusion = f"The {attribute} of the rival of {town} is {value}."
    return [_fact(world, RIVAL, town), _fact(world, attribute, rival), conclusion]


def _derive(world: World, question: str) -> list[str]:
    """Return the worked lines and the conclusion that answer a question in this world.

    Raises:
        _Nonsense: If the question is none of the world's.
        KeyError: If it asks about what the world does not have.
    """
    for pattern, derive in _DERIVATIONS.items():
        if match := pattern.fullmatch(question):
            return list(derive(world, *match.groups("")))
    raise _Nonsense("no question that can be derived")


def _digit(value: int) -> int:
    if not 0 <= value <= 9:
        raise _Nonsense(f"a value of {value}, where all are one digit")
    return value


def _derive_fact(world: World, attribute: str, town: str) -> Iterator[str]:
    yield _fact(world, attribute, town)


def _derive_rival_fact(world: World, attribute: str, town: str) -> Iterator[str]:
    yield from _rival_fact(world, attribute, town)


def _derive_chain(world: World, name: str, value: str, clauses: str, asked: str) -> Iterator[str]:
    known = {name: int(value)}
    for new, before, op, right in _CLAUSE.findall(clauses):
        known[new] = _digit(apply(op, known[before], int(right)))
        yield f"{new}={before}{op}{right}={known[before]}{op}{right}={known[new]}."
    yield f"The result is {known[asked]}."


def _derive_expression(world: World, start: str, *moves: str) -> Iterator[str]:
    value = int(start)
    for move in filter(None, moves):
        result = _digit(apply(move[0], value, int(move[1])))
        yield f"{value}{move}={result}."
        value = result
    yield f"The value is {value}."


def _derive_by_laws(world: World, given: str, asked: str) -> Iterator[str]:
    known = {name: int(value) for name, value in (pair.split("=") for pair in given.split(", "))}
    path = [world.laws[asked]]
    while path[0].left in world.laws:
        path.insert(0, world.laws[path[0].left])
    for law in path:
        left, right = known[law.left], known[law.right]
        known[law.quantity] = _digit(apply(law.op, left, right))
        yield f"{law}={left}{law.op}{right}={known[law.quantity]}."
    yield f"The {asked} is {known[asked]}."


_DERIVATIONS: dict[re.Pattern[str], Callable[..., Iterator[str]]] = {
    _CHAIN: _derive_chain,
    _EXPRESSION: _derive_expression,
    _DERIVATION: _derive_by_laws,
    _RIVAL_RECALL: _derive_rival_fact,
    _RECALL: _derive_fact,
}
