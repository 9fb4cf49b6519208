"""How a written answer is judged: its final answer, its worked lines, its program."""

import ast
import re
import warnings
from collections.abc import Sequence

from davinci.data_levels.sources.source import Item

_CLOSING = " \t.!,;"


def final_answer_is(text: str, final: str, answer: str = "") -> bool:
    """Return whether the last line written gives `final` as its answer.

    The line is the bare answer, the last line of the expected `answer`, or states the answer after
    `=`, `:` or `is`: `The result is 7.` and `d=c-2=9-2=7.` answer 7; `17`, `-7`, `not 7` and
    `3, no 5, maybe 7` do not.
    """
    wanted = final.strip().rstrip(_CLOSING)
    lines = _lines(text)
    if not lines or not wanted:
        return False
    last = lines[-1].rstrip(_CLOSING)
    if last in {line.rstrip(_CLOSING) for line in _lines(answer)[-1:]}:
        return True
    return re.search(rf"(?:^|(?:=|:|\bis)\s*){re.escape(wanted)}$", last) is not None


def step_rate(text: str, answer: str) -> float:
    """Return the share of the expected answer's lines that `text` has, in their order.

    The longest common subsequence of lines, over the number of expected lines; a line counts only
    if it is right as a whole.

    Raises:
        ValueError: If there is no expected line.
    """
    expected, got = _lines(answer), _lines(text)
    if not expected:
        raise ValueError("An item checked by its steps needs an `answer`, but it is empty.")
    return _longest_common(expected, got) / len(expected)


def program_of(item: Item, text: str) -> str:
    """Return the program to test: the answer, after the prompt where that begins the program.

    Whether it does is read off the item's own answer: a signature goes on in its body, while a
    task in plain words is no part of the code.
    """
    whole = item.prompt + item.answer
    return item.prompt + text if _is_python(whole) else text


def _is_python(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            ast.parse(source)
        except (SyntaxError, ValueError):
            return False
    return True


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _longest_common(expected: Sequence[str], got: Sequence[str]) -> int:
    best = [0] * (len(got) + 1)
    for line in expected:
        previous = 0
        for index, other in enumerate(got, start=1):
            above = best[index]
            best[index] = previous + 1 if line == other else max(above, best[index - 1])
            previous = above
    return best[-1]
