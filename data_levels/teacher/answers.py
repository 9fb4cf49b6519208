"""What a model answered, and how structured answers are read; malformed ones are None."""

import json
import re
from typing import Any, NamedTuple

THINKING_STARTS, THINKING_ENDS = "<think>", "</think>"
MIN_LOOP_CHARS = 200
"""A repeated end shorter than this is no sign of a model that got stuck."""
MIN_LOOPS = 4

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL)
_SORRY = r"(?:(?:i am|i['\u2019]m) (?:very |so )?sorry|sorry|unfortunately|as an ai)\b[^\n]{0,40}?"
_CANNOT = (
    r"(?:i (?:cannot|can not|can['\u2019]t|won['\u2019]t|will not)"
    r"|(?:i am|i['\u2019]m) (?:unable|not able) to)"
)
_HELP = (
    r"(?:help|assist|comply|fulfil|provide|process|continue|complete|rewrite|clean"
    r"|do (?:that|this))"
)
_REFUSAL = re.compile(rf"\s*(?:{_SORRY})?\b{_CANNOT} {_HELP}", re.IGNORECASE)


class Answer(NamedTuple):
    """A chat completion.

    Attributes:
        text: What the model wrote; "" where it declined to write anything.
        finished: The model ended it; it was neither cut off nor stopped by a content filter.
        prompt_tokens: Paid for the question; estimated where the endpoint does not tell.
        answer_tokens: Paid for the answer; likewise.
        cached: It was paid before, and cost nothing now.
    """

    text: str
    finished: bool
    prompt_tokens: int
    answer_tokens: int
    cached: bool


def without_thinking(answer: str) -> str:
    """Return an answer without what the model thought aloud before it."""
    if answer.lstrip().startswith(THINKING_STARTS):
        return answer.partition(THINKING_ENDS)[2]
    before, end, after = answer.partition(THINKING_ENDS)
    # Some servers swallow the opening tag.
    return after if end and THINKING_STARTS not in before else answer


def between_tags(answer: str, tag: str) -> str | None:
    """Return what stands between the tags; None unless they stand there once.

    Line breaks next to the tags, and white space before the closing one, are left out.
    """
    answer = without_thinking(answer)
    opening, closing = f"<{tag}>", f"</{tag}>"
    if answer.count(opening) != 1 or answer.count(closing) != 1:
        return None
    start, end = answer.index(opening) + len(opening), answer.index(closing)
    return answer[start:end].strip("\n").rstrip() if start <= end else None


def parse_json_answer(answer: str) -> Any | None:
    """Return the JSON object or list of an answer, which may stand in a fence or after words."""
    answer = without_thinking(answer)
    fenced = _FENCED.search(answer)
    for text in (fenced[1], answer) if fenced else (answer,):
        starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
        if starts:
            try:
                return _DECODER.raw_decode(text, min(starts))[0]
            except (ValueError, RecursionError):
                continue
    return None


def is_refusal(text: str) -> bool:
    """Return whether a text begins with a model declining to help, in words we know."""
    return _REFUSAL.match(text) is not None


def is_stuck(text: str, passage: str = "") -> bool:
    """Return whether a text ends in a loop, as models do that got stuck.

    A loop is the same characters `MIN_LOOPS` times or more, over at least `MIN_LOOP_CHARS`
    characters, where the passage that it is about does not hold them as well.
    """
    text = text.rstrip()
    for period in range(1, len(text) // MIN_LOOPS + 1):
        loops = max(MIN_LOOPS, -(-MIN_LOOP_CHARS // period))
        if period * loops > len(text) or text[-1] != text[-1 - period]:
            continue
        unit = text[-period:]
        if text.endswith(unit * loops) and unit * loops not in passage:
            return True
    return False


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON knows no {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
