"""The rules of L2, by which a document is judged alone: each names why a document goes.

Rules fit the format: prose is judged by its language and its repetitions, code by its lines, and
both by length, garbling and what their provenance tells.

Source: Gopher (Rae et al. 2021, Table A1) for stop words and the repetition limits, though repeated
runs of words are sought within paragraphs here; StarCoder (Li et al. 2023, Section 3.2) for long
lines and alphabetic share of code; Data Darwinism I for the garbled share and the size of PDFs;
daVinci-LLM for the stars of repositories.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from davinci.data_levels.corpus import utf8
from davinci.data_levels.document import Document
from davinci.data_levels.settings import RuleSettings, check_choice

MAX_CODE_LINE_CHARS = 1000
MIN_CODE_LETTER_FRAC = 0.25
MIN_LINE_CHARS_IN_CODE = 20
"""Shorter lines of code (`else:`, `)`) repeat in good code too."""
MIN_SYMBOL_NOISE_CHARS = 6
MAX_WORD_CHARS = 200
MIN_CODED_CHARS = 24
"""Longer runs are noise when a letter meets a digit in every eighth place or more often."""
MIN_NGRAM_REPEATS = 5
"""A run of words must stand so often before its share counts: short texts repeat by nature."""
MAX_NON_ASCII_WORD_FRAC = 0.2
"""More words than that with letters beyond a-z: another language, or another script."""
MIN_WORDS_FOR_STOP_WORDS = 12
"""Shorter texts are not judged by how many English stop words they hold."""

_ENGLISH_LIST = "the be to of and that have with is are it this for not from which by as at or"
ENGLISH = frozenset(_ENGLISH_LIST.split())
# Common words that English lacks: German, French, Spanish, Italian, Dutch, Portuguese, Polish.
_FOREIGN_LIST = """
der das und ist nicht ein eine auf mit den dem wird sich auch les des une est dans pour que
qui sur pas avec du el la los las una por con para del y il che di non sono della het een van
niet zijn voor met os uma em com não é são e się na przez nie jest od oraz że
"""
FOREIGN = frozenset(_FOREIGN_LIST.split())
_MARKS = ".,;:!?\"'()[]*_«»“”"
_COMMENT = re.compile(r"\s*(#(?!include|define|if)|//|--|/\*|\*)")
_SWITCH = re.compile(r"(?<=[a-zA-Z])(?=\d)|(?<=\d)(?=[a-zA-Z])")
_TOKEN = re.compile(r"\S+")
_BROKEN_CATEGORIES = frozenset({"Cc", "Cn", "Co", "Cs"})


class Broken(NamedTuple):
    """The first rule that a document broke, and the value that decided."""

    reason: str
    detail: str = ""


def check_rules(rules: RuleSettings) -> None:
    """Raise unless every language and every published set of rules is known.

    Raises:
        ValueError: It names the field, the value and the known ones.
    """
    if rules.published:
        from davinci.data_levels.levels.selection.published_rules import PUBLISHED

        for name in rules.published:
            check_choice("data.rules.published", name, PUBLISHED)
    if rules.languages:
        from davinci.data_levels.levels.selection.language import known_languages

        for code in rules.languages:
            check_choice("data.rules.languages", code, known_languages())


def rule_broken(document: Document, *, rules: RuleSettings) -> Broken | None:
    """Return the first rule that the document breaks, or None if it is fit."""
    text = document.text
    num_chars = len(text.strip())
    if num_chars < rules.min_chars:
        return Broken("too_short", f"{num_chars} characters")
    if len(text) > rules.max_chars:
        return Broken("too_long", f"{len(text)} characters")
    broken = _provenance_rule_broken(document, rules)
    if broken is not None:
        return broken
    garbled = garbled_frac(text)
    if garbled > rules.max_garbled_frac:
        return Broken("garbled", f"{garbled:.2f}")
    if document.meta.get("format") == "code":
        return _code_rule_broken(text, rules)
    return _prose_rule_broken(text, rules)


def _provenance_rule_broken(document: Document, rules: RuleSettings) -> Broken | None:
    """Judge PDFs by their size, and code by the stars of its repository where they are known.

    A PDF's size is that of the file if its reader noted it (`raw_bytes`), else that of its text.
    """
    meta = document.meta
    if "pdf" in (meta.get("extracted_from"), meta.get("format")):
        raw = meta.get("raw_bytes", "")
        size = int(raw) if raw.isdecimal() else len(utf8(document.text))
        if size < rules.min_pdf_bytes:
            return Broken("pdf_below_min_bytes", f"{size} bytes")
    stars = meta.get("stars", "")
    if stars.isdecimal() and int(stars) < rules.min_stars:
        return Broken("too_few_stars", f"{stars} stars")
    return None


def _code_rule_broken(text: str, rules: RuleSettings) -> Broken | None:
    lines = text.splitlines()
    if all(not line.strip() or _COMMENT.match(line) for line in lines):
        return Broken("only_comments")
    longest = max(map(len, lines))
    if longest > MAX_CODE_LINE_CHARS:
        return Broken("long_lines", f"{longest} characters")
    num_letters, num_chars = sum(map(str.isalpha, text)), len(text.replace(" ", ""))
    if num_letters < MIN_CODE_LETTER_FRAC * num_chars:
        return Broken("few_letters", f"{num_letters / num_chars:.2f}")
    repeated = duplicate_frac(lines, MIN_LINE_CHARS_IN_CODE)
    if repeated > rules.max_duplicate_line_frac:
        return Broken("repeated_lines", f"{repeated:.2f}")
    return None


def _prose_rule_broken(text: str, rules: RuleSettings) -> Broken | None:
    broken = _language_rule_broken(text, rules)
    if broken is not None:
        return broken
    repeated = duplicate_frac(text.splitlines(), 1)
    if repeated > rules.max_duplicate_line_frac:
        return Broken("repeated_lines", f"{repeated:.2f}")
    repeated = repetition_frac(text)
    if repeated > rules.max_top_ngram_frac:
        return Broken("repeated_ngrams", f"{repeated:.2f}")
    if rules.published:
        from davinci.data_levels.levels.selection.published_rules import published_rule_broken

        reasons = (published_rule_broken(text, name) for name in rules.published)
        return next((Broken(reason) for reason in reasons if reason), None)
    return None


def _language_rule_broken(text: str, rules: RuleSettings) -> Broken | None:
    if rules.languages:
        from davinci.data_levels.levels.selection.language import language_probability

        found = language_probability(text, rules.languages)
        if found.probability < rules.min_language_probability:
            return Broken("other_language", f"{found.likeliest}, wanted {found.probability:.2f}")
        return None
    words = [word for token in text.lower().split() if (word := token.strip(_MARKS)).isalpha()]
    if not is_english(words, rules.min_english_stop_words):
        return Broken("not_english")
    return None


def garbled_frac(text: str) -> float:
    """Return the share of the non-space characters that no reader could make sense of.

    Garbled are broken characters (U+FFFD, control, private, unassigned), and tokens that are long
    and mostly neither letters nor digits, or very long with letters and digits in wild alternation
    (encoded data, hashes), or longer than any word.
    """
    tokens = _TOKEN.findall(text)
    total = sum(map(len, tokens))
    return sum(map(_num_garbled, tokens)) / total if total else 0.0


def _num_garbled(token: str) -> int:
    if len(token) < MIN_SYMBOL_NOISE_CHARS and token.isalnum():
        return 0
    if len(token) > MAX_WORD_CHARS:
        return len(token)
    if len(token) >= MIN_CODED_CHARS and 8 * len(_SWITCH.findall(token)) >= len(token):
        return len(token)
    is_long = len(token) >= MIN_SYMBOL_NOISE_CHARS and len(set(token)) > 3
    if is_long and 2 * sum(map(str.isalnum, token)) < len(token):
        return len(token)
    return 0 if token.isascii() and token.isprintable() else sum(map(_is_broken, token))


def _is_broken(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in _BROKEN_CATEGORIES


def is_english(words: Sequence[str], min_stop_words: int) -> bool:
    """Return whether lower-case words look English: enough of its stop words, few foreign ones."""
    if not words:
        return True
    num_accented = sum(not word.isascii() for word in words)
    if num_accented > MAX_NON_ASCII_WORD_FRAC * len(words):
        return False
    num_english = sum(word in ENGLISH for word in words)
    num_foreign = sum(word in FOREIGN for word in words)
    if num_foreign > num_english + 1:
        return False
    return num_english >= min_stop_words or len(words) < MIN_WORDS_FOR_STOP_WORDS


def duplicate_frac(lines: Sequence[str], min_chars: int) -> float:
    """Return the share of the lines of at least `min_chars` characters that stood before."""
    stripped = [line.strip() for line in lines]
    counted = [line for line in stripped if len(line) >= min_chars]
    return 1 - len(set(counted)) / len(counted) if counted else 0.0


def repetition_frac(text: str) -> float:
    """Return how much the paragraphs repeat themselves: a mean share of characters.

    The share is that of the top run of 2 to 4 words within a paragraph, averaged over the
    paragraphs by length. Exercises that are worded alike repeat across paragraphs by intent, spam
    repeats within them.
    """
    paragraphs = text.split("\n\n")
    repeated = sum(len(part) * top_ngram_frac(part.split(), (2, 3, 4)) for part in paragraphs)
    return repeated / max(1, sum(map(len, paragraphs)))


def top_ngram_frac(words: Sequence[str], sizes: Sequence[int]) -> float:
    """Return the largest share of the characters that one repeated run of words makes up."""
    total = sum(map(len, words))
    top = 0.0
    for size in sizes:
        if len(words) < size * MIN_NGRAM_REPEATS:
            continue
        runs = Counter(zip(*(words[start:] for start in range(size)), strict=False))
        run, count = runs.most_common(1)[0]
        if count >= MIN_NGRAM_REPEATS:
            top = max(top, count * sum(map(len, run)) / total)
    return min(top, 1.0)
