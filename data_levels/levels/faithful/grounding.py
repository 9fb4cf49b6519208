"""Checks of questions and answers that L5 made of a document (`qa`)."""

from collections.abc import Container

from davinci.data_levels.document import Document
from davinci.data_levels.levels.faithful import arithmetic, evidence, notation, residue
from davinci.data_levels.levels.faithful.completeness import told
from davinci.data_levels.tokens.pairs import split_pairs


def has_pairs(before: Document, after: Document) -> str:
    """Return a complaint where the output holds no question with its answer."""
    return "" if _pairs(after) else "holds no question with its answer"


def answers_grounded(before: Document, after: Document) -> str:
    """Return a number or a name in a pair that is neither in the source nor worked out from it.

    Worked out is what stands in a true equation with a number that is in the source, or was worked
    out before.
    """
    for question, answer in _pairs(after):
        pair = f"{question}\n{notation.without_labels(answer)}"
        new = evidence.new_numbers(before.text, pair, repeats=True)
        worked = _worked_out(evidence.numbers(before.text), pair) if new else frozenset()
        number = next((one for one in new if one.removeprefix("-") not in worked), None)
        foreign = number or evidence.new_name(before.text, pair)
        if foreign:
            return told("speaks of", foreign)
    return ""


def questions_stand_alone(before: Document, after: Document) -> str:
    """Return what a question points at that its reader cannot see."""
    pointers = (residue.pointer_in(question) for question, _ in _pairs(after))
    return told("asks about", next(filter(None, pointers), None))


def _pairs(document: Document) -> list[tuple[str, str]]:
    return split_pairs(document.text)


def _worked_out(known: Container[str], text: str) -> frozenset[str]:
    """Return the numbers in true equations of the text that follow from known ones."""
    worked: set[str] = set()
    for equation in filter(arithmetic.is_true, arithmetic.equations(text)):
        stated = evidence.numbers(f"{equation.left} {equation.right}")
        if any(number in known or number in worked for number in stated):
            worked.update(stated)
    return frozenset(worked)
