"""What a text asserts that can be counted: its numbers, its words and the names in it.

Legitimate repairs must not look like changes. So numbers are compared without their thousands
separators, words also when a line break or a scanner's space had split them, and a number also as
the parts that stood apart or the whole that was torn.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

MAX_WORD_CHARS = 60
"""What is longer is no word that could have been split."""

Number = str
"""Digits with an optional fraction, without sign or thousands separators: `1000`, `3.14`."""

_FUNCTION_WORD_LIST = """
the and that this with for from are was were has have had not but its his her their they them
then than which who whom whose when where while what how why will would can could may might
must shall should does did been being there here also because into onto over under such each
any all some both more most other another only very thus hence
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff"
_RUN = re.compile(rf"[^\W\d_{_IDEOGRAPHS}]+|[{_IDEOGRAPHS}]")
_BARE_FRACTION = re.compile(r"\.(?<![\w.]\.)(?=\d)")
_ONE_NUMBER = r"\d{1,3}(?:,\d{3})+(?![\d,]?\d)(?:\.\d+)?|\d+(?:\.\d+)*"
_NUMBER = re.compile(_ONE_NUMBER)
_NEGATIVE = re.compile(rf"-(?<![^\s(\[{{=<>,:*/+^]-)({_ONE_NUMBER})")
_MINUS = re.compile(rf"(?:-|[mM]inus|[nN]egative)\s?({_ONE_NUMBER})")
_TORN = (
    (re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,? |['\u2019])\d{3})+(?!\d)"), re.compile(r"\D+"), ""),
    (re.compile(r"(?<![\d.,])\d+(?: [.,] ?|[.,] |,)\d+(?!\d)"), re.compile(r"\D+"), "."),
    (re.compile(r"(?<!\d)\d+-\s*\n\s*\d+(?!\d)"), re.compile(r"\D+"), ""),
    (re.compile(r"(?<![\d.,])(?<![\d.,] )\d(?: \d){2,}(?! ?\d|[.,]\d)"), re.compile(" "), ""),
)
"""How numbers are torn (`1 000`, `3 . 14`, `12-` at the end of a line, `1 9 8 7`), at what to split
them, and what joins their parts. Two digits with a space between them are two numbers."""
_SPELLED_OUT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_SPELLED = {word: str(value) for value, word in enumerate(_SPELLED_OUT.split())}
_RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+|[\u2080-\u2089]+")
_RAISED_DIGITS = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
    "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089",
    "01234567890123456789",
)
_SIGNS = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f", " "),
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
}
_COMMAND = re.compile(r"\\[a-z]+")
_PLACE = re.compile(r"(?<=[\w,;)\]'\"%\u2019\u201d] )[A-Z][\w\u2019'-]*|\b[A-Z][A-Z\d]+\b")
_SENTENCE = re.compile(r"[.!?][)\"'\u201d\u2019]*\s+|\n")


class Words(NamedTuple):
    """The letter runs of a text in lower case, in order, and the set of them."""

    runs: list[str]
    known: frozenset[str]


@lru_cache(maxsize=8)
def plain_signs(text: str) -> str:
    """Return the text with plain digits, spaces and minus signs, and a digit before each point.

    Raised and lowered digits are set off by `^`.
    """
    text = _BARE_FRACTION.sub("0.", text)
    if text.isascii():
        return text
    text = _RAISED.sub(lambda match: "^" + match.group().translate(_RAISED_DIGITS), text)
    for sign in filter(text.__contains__, _SIGNS):
        text = text.replace(sign, _SIGNS[sign])
    return text


@lru_cache(maxsize=8)
def numbers(text: str) -> Counter[Number]:
    """Return how often each number stands in the text."""
    found = Counter(_NUMBER.findall(plain_signs(text)))
    for written in [number for number in found if "," in number]:
        found[_canonical(written)] += found.pop(written)
    return found


def new_numbers(before: str, after: str, *, repeats: bool) -> list[Number]:
    """Return the numbers that `after` holds more often than `before`, in order.

    A number with a sign is new where `before` has it, but never after a minus or a dash.

    Args:
        before: What the numbers must come from.
        after: What is held against it.
        repeats: Whether a number that stands once in `before` may stand twice in `after`.
    """
    held = numbers(before)
    missing = Counter(
        {
            number: count - held[number]
            for number, count in numbers(after).items()
            if count > held[number] and not (repeats and held[number])
        }
    )
    if missing:
        missing -= _spelled_out(before)
    if missing:
        missing -= Counter(whole for whole, _ in _joins(before))
    if missing:
        missing -= _torn(missing, held, after)
    return [*missing, *_new_negatives(before, after)]


@lru_cache(maxsize=8)
def words(text: str) -> Words:
    """Return the letter runs of a text; an ideograph is a run of its own.

    `isn't` is read as `is not`, and the names of LaTeX's commands are no words.
    """
    text = text.lower().replace("\u2019", "'").replace("n't", " not")
    runs = _RUN.findall(_COMMAND.sub(" ", text) if "\\" in text else text)
    return Words(runs, frozenset(runs))


def content_words(text: str) -> list[str]:
    """Return the words of three letters or more that are no function words, in lower case."""
    return [run for run in words(text).runs if _is_content(run)]


@lru_cache(maxsize=4)
def novel_words(before: str, after: str) -> frozenset[str]:
    """Return the words of `after` that `before` does not hold.

    A word counts as held when `before` has it in pieces that follow each other, as a line break
    leaves them, and when it is such a piece of a word that `before` ran together.
    """
    held, written = words(before), words(after)
    novel = written.known - held.known
    if novel:
        novel -= {word for word, value in _SPELLED.items() if value in numbers(before)}
    if novel:
        novel -= _joined(held.runs, novel)[0]
    if novel:
        novel -= _joined(written.runs, held.known - written.known)[1]
    return novel


def novel_frac(before: str, after: str) -> float:
    """Return the share of the content words of `after` that `before` does not hold."""
    novel = novel_words(before, after)
    if not novel:
        return 0.0
    content = content_words(after)
    return sum(word in novel for word in content) / max(1, len(content))


def new_sentence(before: str, after: str, *, max_frac: float, min_words: int) -> str | None:
    """Return a sentence of `after` with at least so many novel words, and a larger share."""
    novel = novel_words(before, after)
    if sum(map(_is_content, novel)) < min_words:
        return None
    for sentence in sentences(after):
        content = [word for word in _RUN.findall(sentence.lower()) if _is_content(word)]
        found = sum(word in novel for word in content)
        if found >= min_words and found > max_frac * len(content):
            return sentence
    return None


def new_name(before: str, after: str) -> str | None:
    """Return a name in `after` that `before` lacks, or None.

    Names are capitalised words that no sentence or line begins with, and acronyms.
    """
    novel = novel_words(before, after)
    if not novel:
        return None
    for match in _PLACE.finditer(after):
        runs = _RUN.findall(match.group().lower())
        if any(run in novel and run not in FUNCTION_WORDS for run in runs):
            return match.group()
    return None


@lru_cache(maxsize=8)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences and lines of a text, without the white space around them."""
    return tuple(part.strip() for part in _SENTENCE.split(text) if part.strip())


def sentence_bounds(text: str) -> list[int]:
    """Return where sentences and lines end, white space included."""
    return [match.end() for match in _SENTENCE.finditer(text)]


def _is_content(run: str) -> bool:
    return (len(run) >= 3 or run >= "\u3040") and run not in FUNCTION_WORDS


def _canonical(number: str) -> Number:
    return number.replace(",", "")


def _spelled_out(text: str) -> Counter[Number]:
    return Counter(_SPELLED[run] for run in words(text).runs if run in _SPELLED)


def _torn(missing: Counter[Number], held: Counter[Number], after: str) -> Counter[Number]:
    """Return those missing numbers that are the parts in which `after` has a held number."""
    torn: Counter[Number] = Counter()
    for whole, parts in _joins(after):
        if whole in held and all(part in missing for part in parts):
            torn.update(parts)
    return torn


def _joins(text: str) -> Iterator[tuple[Number, tuple[Number, ...]]]:
    """Yield the numbers that neighbouring numbers may be the torn parts of, with the parts."""
    text = plain_signs(text)
    for torn, between, joint in _TORN:
        for match in torn.finditer(text):
            parts = tuple(map(_canonical, _NUMBER.findall(match.group())))
            yield joint.join(between.split(match.group())), parts


@lru_cache(maxsize=8)
def _with_minus(text: str) -> frozenset[Number]:
    """Return the numbers that stand after a minus, a dash, or the word, whatever was meant."""
    return frozenset(map(_canonical, _MINUS.findall(plain_signs(text))))


def _new_negatives(before: str, after: str) -> list[Number]:
    """Return the numbers with a sign that `before` never puts after one."""
    negative = dict.fromkeys(map(_canonical, _NEGATIVE.findall(plain_signs(after))))
    held = _with_minus(before) if negative else ()
    return [f"-{number}" for number in negative if number not in held]


def _joined(runs: Sequence[str], wanted: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the wanted words that runs in a row make up, and the runs that they are made of."""
    words_only = (word for word in wanted if len(word) <= MAX_WORD_CHARS)
    beginnings = {word[:end] for word in words_only for end in range(1, len(word))}
    found: set[str] = set()
    pieces: set[str] = set()
    for start, run in enumerate(runs):
        end = start + 1
        while run in beginnings and end < len(runs):
            run += runs[end]
            end += 1
            if run in wanted:
                found.add(run)
                pieces.update(runs[start:end])
    return frozenset(found), frozenset(pieces)
