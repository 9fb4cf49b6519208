"""How the world's authors write: the layouts that the crawl, the exams and the teacher share.

A paragraph is a tuple of lines. Worked paragraphs spell the steps out; terse ones jump from the
question to the answer, as experts do.
"""

from collections.abc import Iterable

from davinci.data_levels.sources.microworld.exercises import Exercise
from davinci.data_levels.sources.microworld.world import Fact

Paragraph = tuple[str, ...]
LAWS_OPENING = "The laws are"


def sentence(fact: Fact) -> str:
    """Return a fact as a full sentence."""
    return f"The {fact.attribute} of {fact.town} is {fact.value}."


def prose(facts: Iterable[Fact]) -> Paragraph:
    """Return facts as sentences, one line each."""
    return tuple(sentence(fact) for fact in facts)


def shorthand(facts: Iterable[Fact]) -> Paragraph:
    """Return facts about one town as an expert notes them, such as `Dolton: tree oak.` for one."""
    facts = tuple(facts)
    notes = ", ".join(f"{fact.attribute} {fact.value}" for fact in facts)
    return (f"{facts[0].town}: {notes}.",)


def rival_note(chain: Exercise, *, worked: bool) -> Paragraph:
    """Return what follows from a rival: its two facts and the conclusion, or an expert's note."""
    return (*chain.steps, chain.conclusion) if worked else (f"{noted(chain)} {chain.answer}.",)


def noted(exercise: Exercise) -> str:
    """Return how an expert notes an exercise about a town, up to its answer.

    `Dolton: tree` for a fact, `Dolton: rival tree` for a fact of its rival.
    """
    what, _, town = exercise.key.rpartition(" of ")
    return f"{town}: {'rival ' if what.endswith(' of the rival') else ''}{what.split()[0]}"


def exercise(exercise: Exercise, *, worked: bool) -> Paragraph:
    """Return an exercise with its conclusion, and its steps where `worked`."""
    steps = exercise.steps if worked else ()
    return (exercise.question, *steps, exercise.conclusion)


def question_and_answer(exercise: Exercise, *, worked: bool) -> Paragraph:
    """Return an exercise as a question page has it: `Question: ...`, `Answer: ...`."""
    question = f"Question: {exercise.question}"
    if not worked:
        return (question, f"Answer: {exercise.answer}.")
    if not exercise.steps:
        return (question, f"Answer: {exercise.conclusion}")
    return (question, f"Answer: {exercise.steps[0]}", *exercise.steps[1:], exercise.conclusion)


def statement_of_laws(laws: Iterable[str]) -> Paragraph:
    """Return laws as one sentence."""
    return (f"{LAWS_OPENING} {', '.join(dict.fromkeys(laws))}.",)


def text_of(paragraphs: Iterable[Paragraph]) -> str:
    """Return paragraphs as plain text: lines, and an empty line between paragraphs."""
    return "\n\n".join("\n".join(lines) for lines in paragraphs)
