"""Violations for `invariants.py` to plant: each takes a faithful pair and breaks one rule.

A planter returns the text as an unfaithful teacher would leave it, or None where the pair has
nothing to break. What no check claims to catch is planted as well, so that the misses are known.
"""

import re
from collections.abc import Callable, Iterable
from random import Random

from faithful_pairs import Pair
from planted_phrases import NAMES, NEW_WORDS, POINTERS, POINTING

from davinci.data_levels.document import Document
from davinci.data_levels.levels.faithful import evidence, notation
from davinci.data_levels.levels.faithful.completeness import code_of, is_code
from davinci.data_levels.tokens.pairs import format_pairs, split_pairs

Plant = Callable[[Pair, Random], str | None]

PARTS: dict[str, Callable[[Pair], Iterable[str]]] = {
    "LaTeX": lambda pair: notation.latex_formulas(pair.before.text).values(),
    "formulas": lambda pair: _formulas(pair.before),
    "code": lambda pair: () if is_code(pair.before) else code_of(pair.before),
    "functions": lambda pair: pair.after.text.split("\n\n")[1:] if is_code(pair.before) else (),
    "table rows": lambda pair: notation.table_rows(pair.before.text),
    "headings": lambda pair: notation.headings(pair.before.text),
}
"""What a document has that can be left out; functions are those of the microworld's code."""
A_NUMBER = re.compile(r"(?<![\w.,-])\d+(?![\w.,]|\s?[-+*/=^])")
A_SUM = re.compile(r"(?<![\w+*/=-])(\d{1,3})\s?\+\s?(\d{1,3})\s?=\s?(\d{1,4})(?!\w|\s?[-+*/=])")
CONTENT = re.compile(r"(?<![\w.`_])[a-z]{5,}(?![\w`_(.=])")
A_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}(?![\w.])")
A_NEGATION = re.compile(r"(?<=[a-z]) (?:not|never)(?= [a-z])")
A_VERB = re.compile(r"(?<=[a-z] )(is|are|was|were|can|will|should|does)(?= [a-z])")


def in_text(change: Callable[[str, Random], str | None]) -> Plant:
    """Return a planter that looks at nothing but the text as the teacher left it."""
    return lambda pair, rng: change(pair.after.text, rng)


def replaced(pattern: re.Pattern[str], new: str | Callable[[re.Match[str], Random], str]) -> Plant:
    """Return a planter that replaces one match of a pattern.

    Args:
        pattern: What is replaced.
        new: By what, `{0}` and `{name}` filled in; or what returns it.
    """

    def plant(text: str, rng: Random) -> str | None:
        found = list(pattern.finditer(text))
        if not found:
            return None
        match = rng.choice(found)
        if isinstance(new, str):
            put = new.format(match[0], name=rng.choice(NAMES))
        else:
            put = new(match, rng)
        return text[: match.start()] + put + text[match.end() :]

    return in_text(plant)


def inserted(write: str | Callable[[str, Random], str | None], gap: str = " ") -> Plant:
    """Return a planter that puts something in after a sentence.

    Args:
        write: What is put in, `{name}` and `{number}` filled in; or what returns it.
        gap: What stands before and after it.
    """

    def plant(text: str, rng: Random) -> str | None:
        if isinstance(write, str):
            new: str | None = write.format(name=rng.choice(NAMES), number=rng.randint(5000, 9999))
        else:
            new = write(text, rng)
        ends = [match.end() for match in re.finditer(r"[a-z\d]\.(?=\s)", text)]
        if new is None or not ends:
            return None
        place = rng.choice(ends)
        return text[:place] + gap + new + gap + text[place:].lstrip(" ")

    return in_text(plant)


def appended(addition: str) -> Plant:
    """Return a planter that goes on beyond the end."""
    return in_text(lambda text, rng: f"{text}\n\n{addition}")


def repeated(times: int) -> Plant:
    """Return a planter that says everything so many times."""
    return in_text(lambda text, rng: "\n\n".join([text] * times))


def wrapped(frames: tuple[str, ...]) -> Plant:
    """Return a planter that puts the text into one of the frames."""
    return in_text(lambda text, rng: rng.choice(frames).format(text))


def other_digit(match: re.Match[str], rng: Random) -> str:
    """Return the number with one digit changed, so that it is new more often than not."""
    digits = list(match.group())
    place = rng.randrange(len(digits))
    digits[place] = rng.choice([one for one in "123456789" if one != digits[place]])
    return "".join(digits)


def changed_digit(pair: Pair, rng: Random) -> str | None:
    """Return the text with a number that the document before did not have in place of another."""
    plant = replaced(A_NUMBER, other_digit)
    held = evidence.numbers(pair.before.text)
    for _ in range(20):
        text = plant(pair, rng)
        if text and any(number not in held for number in evidence.numbers(text)):
            return text
    return None


def swapped(pattern: re.Pattern[str]) -> Plant:
    """Return a planter that lets two different matches of a pattern change places."""

    def plant(text: str, rng: Random) -> str | None:
        found = list(pattern.finditer(text))
        pairs = [(a, b) for a in found for b in found if a.start() < b.start() and a[0] != b[0]]
        if not pairs:
            return None
        one, other = rng.choice(pairs[:200])
        middle = text[one.end() : other.start()]
        return text[: one.start()] + other[0] + middle + one[0] + text[other.end() :]

    return in_text(plant)


def altered_formula(pair: Pair, rng: Random) -> str | None:
    """Return the text with another sign in one of the formulas that both texts hold."""
    text, held = pair.after.text, notation.formulas(pair.before.text)
    found = [one for one in _formulas(pair.after) if text.count(one) == 1]
    found = [one for one in found if notation.skeleton(one) in held]
    found = [one for one in found if re.search(r"\w\s?[-+*]\s?\w", one)]
    if not found:
        return None
    formula = rng.choice(found)
    signs = list(re.finditer(r"(?<=\w)\s?([-+*])\s?(?=\w)", formula))
    sign = rng.choice(signs)
    new = rng.choice([one for one in "+-*" if one != sign[1]])
    altered = formula[: sign.start(1)] + new + formula[sign.end(1) :]
    if notation.holds_formula(pair.before.text, notation.skeleton(altered)):
        return None
    return text.replace(formula, altered)


def altered_code(pair: Pair, rng: Random) -> str | None:
    """Return the text with another name in one of its lines of code."""
    text = pair.after.text
    lines = [line for line in code_of(pair.after) if text.count(line) == 1]
    lines = [line for line in lines if re.search(r"[a-z_]{3,}", line)]
    if not lines:
        return None
    line = rng.choice(lines)
    return text.replace(line, re.sub(r"[a-z_]{3,}", "qux_fnord", line, count=1))


def without(parts: str, *, all_of_them: bool = False) -> Plant:
    """Return a planter that deletes one of `PARTS`, or all where there are at least four."""

    def plant(pair: Pair, rng: Random) -> str | None:
        text = pair.after.text
        found = [part for part in dict.fromkeys(PARTS[parts](pair)) if text.count(part) == 1]
        if not found or (all_of_them and len(found) < 4):
            return None
        for part in found if all_of_them else [rng.choice(found)]:
            text = text.replace(part, "")
        return text

    return plant


def without_sentence(where: str) -> Plant:
    """Return a planter that deletes the first, the last or a middle sentence of prose."""

    def plant(pair: Pair, rng: Random) -> str | None:
        source = evidence.sentences(pair.before.text)
        if len(source) < 3:
            return None
        edges = {"first": source[0], "last": source[-1]}
        long = [one for one in source[1:-1] if len(evidence.content_words(one)) >= 6]
        part = edges.get(where) or (rng.choice(long) if long else "")
        text = pair.after.text
        return text.replace(part, "") if part and text.count(part) == 1 else None

    return plant


def replaced_words(frac: float) -> Plant:
    """Return a planter that replaces a share of the content words, at least one, by new ones."""

    def plant(text: str, rng: Random) -> str | None:
        found = [m for m in CONTENT.finditer(text) if m.group() not in evidence.FUNCTION_WORDS]
        num_content = len(evidence.content_words(text))
        wanted = max(1, int(frac * num_content))
        if len(found) < wanted:
            return None
        for match in sorted(rng.sample(found, wanted), key=lambda m: -m.start()):
            text = text[: match.start()] + rng.choice(NEW_WORDS) + text[match.end() :]
        return text

    return in_text(plant)


def shuffled_sentence(text: str, rng: Random) -> str | None:
    """Return a sentence that the text does not hold, made of the text's own words."""
    found = [match.group() for match in CONTENT.finditer(text)]
    return None if len(found) < 8 else f"{' '.join(rng.sample(found, 6))}.".capitalize()


def new_sentence(text: str, rng: Random) -> str:
    """Return a sentence of words that no text of ours holds."""
    return f"The {' '.join(rng.sample(NEW_WORDS, 6))}."


def first_part(frac: float) -> Plant:
    """Return a planter that keeps so much of the beginning."""
    return in_text(lambda text, rng: text[: int(frac * len(text))] if len(text) > 400 else None)


def false_sum(text: str, rng: Random) -> str:
    """Return a sum of two numbers that is wrong."""
    left, right = rng.randint(2, 99), rng.randint(2, 99)
    return f"We get {left} + {right} = {left + right + rng.choice((-10, -1, 1, 10))} by adding."


def lost_number(pair: Pair, rng: Random) -> str | None:
    """Return the text without a number that stands in it once."""
    once = [number for number, count in evidence.numbers(pair.after.text).items() if count == 1]
    once = [number for number in once if number in evidence.numbers(pair.before.text)]
    patterns = [rf"(?<![\w.,-]){re.escape(number)}(?![\w.,])" for number in once]
    text = pair.after.text
    found = [pattern for pattern in patterns if len(re.findall(pattern, text)) == 1]
    return re.sub(rng.choice(found), "some", text) if found else None


def in_pair(question: str = "{q}", answer: str = "{a}") -> Plant:
    """Return a planter that writes one question and its answer anew, with these fields.

    Args:
        question: With `{q}` for the question, `{pointing}` for a pointer at a text.
        answer: With `{a}` for the answer, `{name}`, `{number}` and `{false_sum}` for what is new.
    """

    def plant(text: str, rng: Random) -> str | None:
        pairs = split_pairs(text)
        index = rng.randrange(len(pairs))
        asked, answered = pairs[index]
        fields = {
            "pointing": rng.choice(POINTING),
            "name": rng.choice(NAMES),
            "number": rng.randint(5000, 9999),
            "false_sum": false_sum(text, rng),
        }
        pairs[index] = (question.format(q=asked, **fields), answer.format(a=answered, **fields))
        return format_pairs(pairs)

    return in_text(plant)


def repeated_number(text: str, rng: Random) -> str | None:
    """Return a sentence with a number that the text holds."""
    found = A_NUMBER.findall(text)
    return f"Again {rng.choice(found)}." if found else None


def wrong_sum(match: re.Match[str], rng: Random) -> str:
    """Return a sum that the text gives with another result."""
    return f"{match[1]}+{match[2]}={int(match[3]) + rng.randint(1, 9)}"


def pointer(text: str, rng: Random) -> str:
    """Return a sentence that points at the source."""
    return rng.choice(POINTERS)


def unlabelled(pair: Pair, rng: Random) -> str:
    """Return questions and answers without the labels that tell them apart."""
    return pair.after.text.replace("Question:", "").replace("Answer:", "")


def _formulas(document: Document) -> list[str]:
    """Return the formulas of a document; code has none."""
    return [] if is_code(document) else list(notation.formulas(document.text).values())
