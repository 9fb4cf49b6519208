"""Equations between numbers, read out of prose and worked out, without ever running any of it."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from davinci.data_levels.levels.faithful.evidence import plain_signs

MAX_EXPRESSION_CHARS = 200
MAX_EXPONENT = 64
MAX_DIGITS = 30
ROUNDING_FRAC = 0.01
"""Two values that differ by no more are the same value, rounded, unless both are whole."""

_SPOKEN = re.compile(r"\s(plus|minus|times|equals|divided by)\s")
_SIGN = {"plus": "+", "minus": "-", "times": "*", "equals": "=", "divided by": "/"}
_MARKS = str.maketrans({"\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u00f7": "/"})
_LATEX = re.compile(r"\\(?:times|cdot)(?![A-Za-z])\s?")
_TERM = r"\(*-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?\)*"
_CLOSED = rf"{_TERM}(?:\s?[-+*/^]\s?{_TERM}){{0,20}}"
_CHAIN = re.compile(
    rf"(?<![\w.,)\]}}^*/+%-])(?<![=<>!:]=)(?<![=<>!:]=\s)(?<![-+*/^]\s)(?<!\b\w\s)"
    rf"({_CLOSED}(?:\s?=\s?{_CLOSED}){{1,10}})"
    r"(?!\s?[-+*/^=%(\[{!]|[\w\\]|[.,]\d|:\d|\s?\(?(?:mod|base)\b)"
)
_ASSIGNED = re.compile(
    rf"(?<![\w.,)\]}}^*/+-])((?=[^\s=]*[A-Za-z])[\w()]+(?:\s?[-+*/^]\s?[\w()]+){{1,20}})\s?=\s?({_TERM})"
    r"(?!\s?[-+*/^(]|[\w\\]|[.,]\d)"
)
_OPERATION = re.compile(r"[\d)][-+*/^]")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[-+*/^()]")


class Equation(NamedTuple):
    """One side equal to the other, as they are written, without spaces."""

    left: str
    right: str

    def __str__(self) -> str:
        """Return the equation as a reader writes it."""
        return f"{self.left} = {self.right}"


@lru_cache(maxsize=8)
def equations(text: str) -> tuple[Equation, ...]:
    """Return the equations between numbers that state an operation.

    A chain, such as `2+3 = 5 = 4+1`, is an equation for each of its signs.
    """
    return tuple(_chained(_near_equal_signs(text)))


@lru_cache(maxsize=8)
def evaluations(text: str) -> tuple[Equation, ...]:
    """Return the equations that give an expression with letters the value of a number."""
    found = _ASSIGNED.finditer(_near_equal_signs(text))
    return tuple(Equation(_bare(match[1]), _bare(match[2])) for match in found)


def value_of(expression: str) -> Fraction | None:
    """Return the value of an expression in numbers, or None where it has none that we trust."""
    if len(expression) > MAX_EXPRESSION_CHARS:
        return None
    tokens = _TOKEN.findall(expression.replace(",", ""))
    if any(len(token) > MAX_DIGITS for token in tokens):
        return None
    try:
        value = _sum(tokens)
    except (IndexError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return None if tokens else value


def same_value(one: Fraction, other: Fraction) -> bool:
    """Return whether two values are equal, or differ only as roundings of one value do."""
    if one.denominator == 1 and other.denominator == 1:
        return one == other
    return abs(one - other) <= Fraction(ROUNDING_FRAC) * max(abs(one), abs(other))


def is_false(equation: Equation) -> bool:
    """Return whether both sides have a value, and not the same."""
    left, right = value_of(equation.left), value_of(equation.right)
    return left is not None and right is not None and not same_value(left, right)


def is_true(equation: Equation) -> bool:
    """Return whether both sides have a value, and the same."""
    left, right = value_of(equation.left), value_of(equation.right)
    return left is not None and right is not None and same_value(left, right)


def _chained(text: str) -> Iterator[Equation]:
    for match in _CHAIN.finditer(text):
        sides = [_bare(side) for side in match[1].split("=")]
        pairs = (Equation(left, right) for left, right in pairwise(sides))
        yield from (pair for pair in pairs if _OPERATION.search(f"{pair.left}={pair.right}"))


@lru_cache(maxsize=4)
def _near_equal_signs(text: str) -> str:
    """Return the lines with an equal sign and their neighbours, in plain signs."""
    text = plain_signs(text)
    if any(word in text for word in _SIGN):
        text = _SPOKEN.sub(lambda match: f" {_SIGN[match[1]]} ", text)
    lines = text.split("\n")
    places = [place for place, line in enumerate(lines) if "=" in line]
    near = sorted({place + step for place in places for step in (-1, 0, 1)})
    plain = "\n".join(lines[place] for place in near if 0 <= place < len(lines))
    plain = plain.translate(_MARKS)
    return _LATEX.sub("*", plain) if "\\" in plain else plain


def _bare(side: str) -> str:
    return re.sub(r"\s+", "", side)


def _sum(tokens: list[str]) -> Fraction:
    value = _product(tokens)
    while tokens and tokens[0] in "+-":
        sign = 1 if tokens.pop(0) == "+" else -1
        value += sign * _product(tokens)
    return value


def _product(tokens: list[str]) -> Fraction:
    value = _power(tokens)
    while tokens and tokens[0] in "*/":
        value = value * _power(tokens) if tokens.pop(0) == "*" else value / _power(tokens)
    return value


def _power(tokens: list[str]) -> Fraction:
    if tokens[0] == "-":
        tokens.pop(0)
        return -_power(tokens)
    base = _atom(tokens)
    if not tokens or tokens[0] != "^":
        return base
    tokens.pop(0)
    exponent = _power(tokens)
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise ValueError("No such power.")
    return base ** int(exponent)


def _atom(tokens: list[str]) -> Fraction:
    token = tokens.pop(0)
    if token != "(":
        return Fraction(token)
    value = _sum(tokens)
    if tokens.pop(0) != ")":
        raise ValueError("A bracket is not closed.")
    return value
