"""How a text is worded: sentences and negations that a cleaned text has and its source has not.

Cleaning leaves most words where they stood. So of a sentence that it kept, some three words in a
row stand in the source as well, letter by letter, whatever lay between them.
"""

import re
from collections import Counter
from functools import lru_cache

from davinci.data_levels.levels.faithful import evidence

WINDOW_WORDS = 3
MIN_WORDS = 6
"""Of fewer words, repairing two may leave no three in a row."""
_SIGNS = frozenset({"plus", "minus", "times", "equals"})
"""Words that may have become signs."""
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|nothing|nobody|without)\b|cannot\b|n't\b"
)
_NOT = ("cannot", "n't", "not")


def added_sentence(before: str, after: str) -> str | None:
    """Return a sentence of `after` of which no three words in a row stand in `before`, or None."""
    held = frozenset(evidence.sentences(before))
    for sentence in evidence.sentences(after):
        if sentence not in held and not _is_held(_words(sentence), before):
            return sentence
    return None


def added_negation(before: str, after: str) -> str | None:
    """Return a negation that `after` has more often than `before`; all forms of `not` are one."""
    new = negations(after)
    return next(iter(new - negations(before)), None) if new else None


@lru_cache(maxsize=4)
def negations(text: str) -> Counter[str]:
    """Return how often each negation stands in the text; `cannot` and `isn't` count as `not`."""
    found = Counter(_NEGATION.findall(text.lower().replace("\u2019", "'")))
    forms = sum(found.pop(form, 0) for form in _NOT)
    return found + Counter({"not": forms})


def _is_held(words: list[str], text: str) -> bool:
    if len(words) < MIN_WORDS:
        return True
    windows = [tuple(words[i : i + WINDOW_WORDS]) for i in range(len(words) - WINDOW_WORDS + 1)]
    if any(window in _windows(text) for window in windows):
        return True
    return any("".join(window) in _letters(text) for window in windows)


def _words(text: str) -> list[str]:
    return [run for run in evidence.words(text).runs if run not in _SIGNS]


@lru_cache(maxsize=2)
def _windows(text: str) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset(zip(words, words[1:], words[2:], strict=False))


@lru_cache(maxsize=2)
def _letters(text: str) -> str:
    return "".join(_words(text))
