"""What L5 may not lose, and where it must stop: checks of a completed document.

Each is given the document as it entered and as it leaves, and returns evidence of a violation.
"""

from collections.abc import Iterable, Iterator, Mapping

from davinci.data_levels.document import Document
from davinci.data_levels.levels.faithful import arithmetic, evidence, notation, residue

MAX_LOST_SENTENCE_FRAC = 0.66
MIN_LOST_SENTENCE_WORDS = 4
"""A sentence of the source is lost with at least so many of its content words, and a larger
share."""
MIN_EDGE_FRAC = 0.6
"""Share of the words and numbers of a source's first or last sentence that a completion begins or
ends with."""
EDGE_FACTOR = 2
EDGE_SLACK_CHARS = 40
"""They stand within so many times the length of that sentence, and so many more characters."""
EDGE_CHARS = 200
"""They stand so near the beginning or the end of the completion."""


def keeps_numbers(before: Document, after: Document) -> str:
    """Return a number of the source that is gone."""
    lost = evidence.new_numbers(after.text, before.text, repeats=True)
    return told("loses the number", next(iter(lost), None))


def keeps_formulas(before: Document, after: Document) -> str:
    """Return a formula of the source that is gone; code is not looked at."""
    lost = [] if is_code(before) else formulas_missing(notation.formulas(before.text), after)
    return told("loses the formula", next(iter(lost), None))


def keeps_code(before: Document, after: Document) -> str:
    """Return a line of code in prose that is gone; of code, a function or class that is gone."""
    if is_code(before):
        kept = set(notation.definitions(after.text))
        lost = [name for name in notation.definitions(before.text) if name not in kept]
    else:
        lost = code_missing(code_of(before), after)
    return told("loses the code", next(iter(lost), None))


def keeps_headings(before: Document, after: Document) -> str:
    """Return a heading of the source that no line of the output consists of."""
    if is_code(before):
        return ""
    headings = notation.headings(before.text)
    lines = set(notation.line_letters(after.text)) if headings else set()
    lost = (one for one in headings if notation.letters(one) not in lines)
    return told("loses the heading", next(lost, None))


def keeps_sentences(before: Document, after: Document) -> str:
    """Return a sentence of the source that hardly a content word is left of."""
    if is_code(before):
        return ""
    sentence = evidence.new_sentence(
        after.text,
        before.text,
        max_frac=MAX_LOST_SENTENCE_FRAC,
        min_words=MIN_LOST_SENTENCE_WORDS,
    )
    return told("loses the sentence", sentence)


def begins_where_source_begins(before: Document, after: Document) -> str:
    """Return how the source begins where the output does not."""
    return _edge(before.text, after.text, at_end=False)


def ends_where_source_ends(before: Document, after: Document) -> str:
    """Return how the source ends where the output stops before it or goes on beyond it."""
    return _edge(before.text, after.text, at_end=True)


def contradicts_no_equation(before: Document, after: Document) -> str:
    """Return an equation that is false or contradicts the source, and does not stand there."""
    stated = set(arithmetic.equations(before.text))
    for equation in arithmetic.equations(after.text):
        if equation not in stated and arithmetic.is_false(equation):
            return told("states the false", str(equation))
    return told("contradicts the source with", _contradiction(before.text, after.text))


def self_contained(before: Document, after: Document) -> str:
    """Return a mention of the text that the output was made from."""
    return told("points at", residue.new_pointer(before.text, after.text))


def _edge(source: str, output: str, *, at_end: bool) -> str:
    edge, reached = _outermost(source, at_end=at_end), _outermost(output, at_end=at_end)
    place = output.rfind(reached) + len(reached) if at_end else output.find(reached)
    text = output[:place] if at_end else output[place:]
    wanted = _said(edge)
    spans = _spans(text, EDGE_FACTOR * len(edge) + EDGE_SLACK_CHARS, at_end=at_end)
    if any(len(wanted & _said(span)) >= MIN_EDGE_FRAC * len(wanted) for span in spans):
        return ""
    return told("does not end with" if at_end else "does not begin with", edge)


def _outermost(text: str, *, at_end: bool) -> str:
    """Return the last or first sentence that says something; others are rules and brackets."""
    found = evidence.sentences(text)
    return next(filter(_said, reversed(found) if at_end else found), "")


def _spans(text: str, num_chars: int, *, at_end: bool) -> Iterator[str]:
    """Yield the spans that end, or begin, with a sentence near the end, or the beginning."""
    near = text[-EDGE_CHARS:] if at_end else text[:EDGE_CHARS]
    shift = len(text) - len(near) if at_end else 0
    for place in (0, *evidence.sentence_bounds(near), len(near)):
        place += shift
        yield text[max(0, place - num_chars) : place] if at_end else text[place : place + num_chars]


def _said(text: str) -> set[str]:
    """Return the content words and numbers of a text."""
    return {*evidence.content_words(text), *evidence.numbers(text)}


def _contradiction(source: str, output: str) -> str | None:
    """Return an equation whose left side has only other values than in the source, or None."""
    stated: dict[str, set[str]] = {}
    for expression, value in arithmetic.evaluations(source):
        stated.setdefault(expression, set()).add(value)
    given: dict[str, set[str]] = {}
    for expression, value in arithmetic.evaluations(output):
        given.setdefault(expression, set()).add(value)
    for expression, values in given.items():
        if expression in stated and values.isdisjoint(stated[expression]):
            return f"{expression} = {min(values)}"
    return None


def told(what: str, found: str | None) -> str:
    """Return evidence in words, "" where nothing was found."""
    return "" if found is None else f"{what} {shortened(found)}"


def shortened(text: str) -> str:
    """Return at most 60 characters of a text, white space made one space."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_code(document: Document) -> bool:
    """Return whether a document is program code as a whole."""
    return document.domain == "code" or document.meta.get("format") == "code"


def code_of(document: Document) -> tuple[str, ...]:
    """Return a document's lines of code."""
    return notation.code_lines(document.text, is_code=is_code(document))


def formulas_missing(formulas: Mapping[str, str], holder: Document) -> list[str]:
    """Return those of the formulas, given by their skeletons, that the document lacks."""
    return [one for key, one in formulas.items() if not notation.holds_formula(holder.text, key)]


def code_missing(lines: Iterable[str], holder: Document) -> list[str]:
    """Return those of the lines of code that the document lacks."""
    return [line for line in lines if not notation.holds_code(holder.text, line)]
