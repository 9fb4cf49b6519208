"""Measures of whether a teacher stayed with the document: numbers, words, length, chat residue."""

import re
from collections import Counter

MAX_NOVEL_WORD_FRAC = 0.10
MAX_LENGTH_RATIO = 1.2
MIN_LENGTH_RATIO = 0.05
MAX_EXTRA_CHARS = 40
"""A short text may grow by so much beyond the ratio: a full stop, a line break."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LETTER = re.compile(r"[^\W\d_]")
_CHAT = re.compile(
    r"\b(as an ai\b|as a language model|i cannot (?:help|assist)|i can't (?:help|assist)|"
    r"here(?: is|'s) the (?:cleaned|refined|rewritten|completed))",
    re.IGNORECASE,
)
_FUNCTION_WORD_LIST = """
the and that this with for from are was were has have had not but its his her their they them
then than which who whom whose when where while what how why will would can could may might
must shall should does did been being there here also because into onto over under such each
any all some both more most other another only very thus hence
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())


def numbers(text: str) -> Counter[str]:
    """Return how often each number stands in the text."""
    return Counter(_NUMBER.findall(text))


def adds_numbers(before: str, after: str) -> bool:
    """Return whether some number stands more often in `after` than in `before`."""
    return bool(numbers(after) - numbers(before))


def loses_numbers(before: str, after: str) -> bool:
    """Return whether some number of `before` is missing from `after`."""
    return bool(set(numbers(before)) - set(numbers(after)))


def novel_word_frac(before: str, after: str) -> float:
    """Return the share of the content words of `after` that `before` does not hold.

    A word counts as held when its letters stand in a row in `before`, whatever lies between them:
    joining a word that a line break had split adds nothing.
    """
    words = [word for word in _WORD.findall(after.lower()) if word not in _FUNCTION_WORDS]
    if not words:
        return 0.0
    known = set(_WORD.findall(before.lower()))
    letters = "".join(_LETTER.findall(before.lower()))
    novel = sum(word not in known and word not in letters for word in words)
    return novel / len(words)


def adds_words(before: str, after: str) -> bool:
    """Return whether more of the content words are novel than the limit allows."""
    return novel_word_frac(before, after) > MAX_NOVEL_WORD_FRAC


def leaves_length(before: str, after: str) -> bool:
    """Return whether the text grew or shrank beyond what cleaning does."""
    longest = MAX_LENGTH_RATIO * len(before) + MAX_EXTRA_CHARS
    return not MIN_LENGTH_RATIO * len(before) <= len(after) <= longest


def has_chat_residue(before: str, after: str) -> bool:
    """Return whether the teacher talks about its task, where the document did not."""
    return bool(_CHAT.search(after)) and not _CHAT.search(before)
