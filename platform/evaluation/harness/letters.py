"""Multiple choice as a question that is answered by a letter."""

import re
from collections.abc import Sequence
from string import ascii_uppercase

MAX_OPTIONS = len(ascii_uppercase)


def lettered(question: str, options: Sequence[str]) -> str:
    """Return a prompt: the question, its options under letters, and `Answer:`."""
    question = re.sub(r"\s*Answer:\s*$", "", question).rstrip()
    lines = [f"{letter}. {option.strip()}" for letter, option in zip(ascii_uppercase, options)]  # noqa: B905
    return "\n".join([question, *lines, "Answer:"]) if question else "\n".join([*lines, "Answer:"])


def letter_of(text: str, num_options: int) -> str:
    """Return the letter that an answer gives, "" where it gives none of the options'.

    A letter that begins the answer counts (`B`, `(B)`, `B. because`), else the last one after
    `answer is`.
    """
    known = ascii_uppercase[:num_options]
    first = re.match(rf"\s*\(?([{known}])(?![a-zA-Z])\)?", text)
    if first:
        return first[1]
    stated = re.findall(rf"answer is:?\s*\(?([{known}])(?![a-zA-Z])\)?", text)
    return str(stated[-1]) if stated else ""


def letters_of_choices(choices: Sequence[str]) -> bool:
    """Return whether the options of a task are already letters, or begin with theirs in brackets.

    Such a task's prompt has the options itself: `A`, `(A)`, `(A)some text`.
    """
    return all(
        re.match(rf"{letter}$|\({letter}\)", choice.strip()) is not None
        for letter, choice in zip(ascii_uppercase, choices)  # noqa: B905
    )
