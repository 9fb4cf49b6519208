"""Questions and answers as text: one format to write, three to read.

Written by L5 (`qa`) and by the microworld's authors::

    Question: How long does the pulse last?
    Answer: It covers 3 m at 6 m/s, so it lasts 3 / 6 = 0.5 s.

Written by pylib: `Question 1: ...` with `Answer 1:` on a line of its own, below a heading. A pair
begins at a line that starts with `Question:` or `Question N:` and ends at the next such line, or at
the end of the text; its answer begins after the first line that starts with `Answer:`, for a
numbered question with `Answer N:`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_QUESTION = re.compile(r"^Question(?: (\d+))?:", re.MULTILINE)
_ANY_LABEL = re.compile(r"^(?:Question|Answer)(?: \d+)?:", re.MULTILINE)


class PairSpan(NamedTuple):
    """Where a pair stands in a text, in characters.

    The question is `[start, answer_start)`, both labels and the white space after them included, so
    that what is left when it is masked is the answer alone: `[answer_start, end)`. White space
    between an answer and the next question belongs to neither.
    """

    start: int
    answer_start: int
    end: int


def pair_spans(text: str) -> Iterator[PairSpan]:
    """Yield where the pairs of a text stand, in order; a question without an answer is no pair."""
    questions = list(_QUESTION.finditer(text))
    ends = [question.start() for question in questions[1:]] + [len(text)]
    for question, end in zip(questions, ends, strict=False):
        label = f"Answer {question[1]}:" if question[1] else "Answer:"
        answer = re.compile(f"^{label}", re.MULTILINE).search(text, question.end(), end)
        if answer is None:
            continue
        said = text[answer.end() : end]
        if said.strip():
            start = answer.end() + len(said) - len(said.lstrip())
            yield PairSpan(question.start(), start, start + len(said.strip()))


def split_pairs(text: str) -> list[tuple[str, str]]:
    """Return the questions and answers of a text, without labels; other text is left out.

    `split_pairs(format_pairs(pairs)) == pairs` for stripped pairs that `is_writable`.
    """
    pairs = []
    for span in pair_spans(text):
        asked = text[span.start : span.answer_start].rstrip().rpartition("\nAnswer")[0]
        pairs.append((asked.partition(":")[2].strip(), text[span.answer_start : span.end]))
    return pairs


def is_writable(question: str, answer: str) -> bool:
    """Return whether the pair can be written and read again: two texts without a label of ours."""
    return all(part.strip() and not _ANY_LABEL.search(part.strip()) for part in (question, answer))


def format_pairs(pairs: Iterable[Sequence[str]]) -> str:
    """Return pairs of question and answer as a text, a blank line between them.

    Raises:
        ValueError: If a pair is not `is_writable`.
    """
    blocks = []
    for question, answer in pairs:
        if not is_writable(question, answer):
            raise ValueError(
                "Question and answer must hold text and no line that starts with `Question:` or "
                f"`Answer:`, but got {question[:80]!r} and {answer[:80]!r}."
            )
        blocks.append(f"Question: {question.strip()}\nAnswer: {answer.strip()}")
    return "\n\n".join(blocks)
