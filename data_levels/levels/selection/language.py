"""Which language a text is in, by the n-gram model that py3langid brings along.

Source: Lui and Baldwin 2012 (langid.py): naive Bayes over byte n-grams.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]


class LanguageFound(NamedTuple):
    """The likeliest language of a text, and how probable it is that one of the wanted is meant."""

    likeliest: str
    probability: float


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def known_languages() -> tuple[str, ...]:
    """Return the codes that the identifier tells apart: ISO 639-1, and -3 for a few."""
    return tuple(_identifier().labels)


def language_probability(text: str, wanted: Sequence[str]) -> LanguageFound:
    """Return the likeliest language, and the probabilities of all that are wanted, added."""
    ranked: list[tuple[str, float]] = _identifier().rank(text)
    return LanguageFound(ranked[0][0], sum(p for code, p in ranked if code in wanted))
