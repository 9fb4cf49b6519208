"""L2, rules: deterministic selection. What survives is unchanged, what falls has a named reason.

Rules fit the format: prose is judged by its language and its repetitions, code by its lines, and
both by length and garbling. Then exact duplicates go, then near-duplicates; of each group the first
stays.

Source: Gopher (Rae et al. 2021, Table A1) for stop words and the repetition limits, though repeated
runs of words are sought within paragraphs here; StarCoder (Li et al. 2023,
Section 3.2) for long lines and alphabetic share of code; Data Darwinism I for the garbled share.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial

from davinci.data_levels.corpus import Progress, silent, utf8
from davinci.data_levels.document import Document, Dropped, StepResult
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.near_duplicates import drop_near_duplicates
from davinci.data_levels.levels.step import StepRun, select, timed
from davinci.data_levels.settings import RuleSettings

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


def run(
    documents: Sequence[Document], rules: RuleSettings, progress: Progress = silent
) -> list[StepRun]:
    """Return the three steps of L2: rules, exact duplicates, near-duplicates."""
    version = LEVEL_VERSIONS["L2"]
    rule = partial(rule_broken, rules=rules)
    ruled = timed("rules", version, lambda: select(documents, rule))
    exact = timed("exact_duplicates", version, lambda: drop_exact_duplicates(ruled.result.kept))
    near = timed(
        "near_duplicates", version, lambda: drop_near_duplicates(exact.result.kept, rules, progress)
    )
    return [ruled, exact, near]


def rule_broken(document: Document, *, rules: RuleSettings) -> str | None:
    """Return the name of the first rule that the document breaks, or None."""
    text = document.text
    if len(text.strip()) < rules.min_chars:
        return "too_short"
    if len(text) > rules.max_chars:
        return "too_long"
    if garbled_frac(text) > rules.max_garbled_frac:
        return "garbled"
    if document.meta.get("format") == "code":
        return _code_rule_broken(text, rules)
    return _prose_rule_broken(text, rules)


def _code_rule_broken(text: str, rules: RuleSettings) -> str | None:
    lines = text.splitlines()
    if all(not line.strip() or _COMMENT.match(line) for line in lines):
        return "only_comments"
    if max(map(len, lines)) > MAX_CODE_LINE_CHARS:
        return "long_lines"
    if sum(map(str.isalpha, text)) < MIN_CODE_LETTER_FRAC * len(text.replace(" ", "")):
        return "few_letters"
    if duplicate_frac(lines, MIN_LINE_CHARS_IN_CODE) > rules.max_duplicate_line_frac:
        return "repeated_lines"
    return None


def _prose_rule_broken(text: str, rules: RuleSettings) -> str | None:
    words = [word for token in text.lower().split() if (word := token.strip(_MARKS)).isalpha()]
    if not is_english(words, rules.min_english_stop_words):
        return "not_english"
    if duplicate_frac(text.splitlines(), 1) > rules.max_duplicate_line_frac:
        return "repeated_lines"
    if repetition_frac(text) > rules.max_top_ngram_frac:
        return "repeated_ngrams"
    return None


def drop_exact_duplicates(documents: Sequence[Document]) -> StepResult:
    """Keep the first of all documents with the same text."""
    seen: set[bytes] = set()
    kept: list[Document] = []
    dropped: list[Dropped] = []
    for document in documents:
        key = hashlib.sha256(utf8(document.text)).digest()
        if key in seen:
            dropped.append(Dropped(document, "exact_duplicate"))
        else:
            seen.add(key)
            kept.append(document)
    return StepResult(kept, dropped, 0)


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
