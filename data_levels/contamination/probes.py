"""What a corpus is searched for: the questions, answers and texts that models are scored by.

Of every item two texts are sought: its question, and the question with the answer after it. A
question is the prompt up to its last `?`; the whole prompt of an item that executes code; and any
other prompt that is long enough to be known again. A short prompt without a question mark (`The
tree of Dolton is`) is not sought: what it asks for may stand in the documents, or nobody could know
it. Held-out texts are sought as they are.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.held_out import text_id, texts_name
from davinci.data_levels.sources.source import HeldOut, Item
from davinci.data_levels.words import Hashes, word_hashes

MAX_PIECE_CHARS = 2**20

_LABEL = re.compile(r"\s*Question:\s*")
_PLAIN = (
    ("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
    ("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"'),
    ("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}", "-"),
    ("\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}", ""),
)
"""Characters that typesetting puts in place of plain ones."""


class Sought(NamedTuple):
    """The words of one item, marks among them; an empty array where there is nothing to seek.

    `text` is the question with its answer, or the held-out text.
    """

    question: Hashes
    text: Hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """All items of one benchmark, or all held-out texts of one domain, under their scores' names.

    `min_words` words make an item checkable.
    """

    benchmark: str
    domain: str
    item_ids: tuple[str, ...]
    sought: tuple[Sought, ...]


def probes_of(held_out: HeldOut, *, min_words: int, long_words: int) -> tuple[Probes, ...]:
    """Return what is sought of every held-out text and every item.

    Args:
        held_out: Texts and benchmarks; their order gives the items' ids.
        min_words: Of an item with a shorter question, the question alone is sought.
        long_words: Prompts of so many words are sought even if they ask nothing.
    """
    texts = [_of_texts(domain, known) for domain, known in held_out.texts.items()]
    benchmarks = [
        Probes(
            benchmark=benchmark.name,
            domain=benchmark.domain,
            item_ids=tuple(item.id for item in benchmark.items),
            sought=tuple(_of_item(item, min_words, long_words) for item in benchmark.items),
        )
        for benchmark in held_out.benchmarks
    ]
    return (*texts, *benchmarks)


def question_of(item: Item, long_words: int) -> str:
    """Return what the item asks, without a label before it; "" where it asks nothing to seek."""
    if item.check == "execute":
        return item.prompt
    asked = _LABEL.sub("", item.prompt[: item.prompt.rfind("?") + 1], count=1)
    if asked or len(words_of(item.prompt)) < long_words:
        return asked
    return item.prompt


def words_of(text: str) -> Hashes:
    """Return the hashes of a text's words and marks, whatever their case and typography.

    Texts without end are read in pieces, so that only their hashes grow with them.
    """
    pieces = [word_hashes(folded(piece), with_marks=True) for piece in _pieces(text)]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def folded(text: str) -> str:
    """Return the text with one form for each character: NFKC, plain quotes and dashes."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    for typeset, plain in _PLAIN:
        for char in typeset:
            text = text.replace(char, plain)
    return text


def _of_texts(domain: Domain, texts: Iterable[str]) -> Probes:
    sought = tuple(Sought(words_of(""), words_of(text)) for text in texts)
    return Probes(
        benchmark=texts_name(domain),
        domain=domain,
        item_ids=tuple(text_id(domain, number) for number in range(len(sought))),
        sought=sought,
    )


def _of_item(item: Item, min_words: int, long_words: int) -> Sought:
    question = question_of(item, long_words)
    words = words_of(question)
    is_long_enough = len(words) >= min_words
    answer = item.answer or "".join(item.options[item.gold : item.gold + 1])
    return Sought(words, words_of(f"{question} {answer}" if is_long_enough else ""))


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces cut at white space; one without any is cut anywhere."""
    start = 0
    while len(text) - start > MAX_PIECE_CHARS:
        end = start + MAX_PIECE_CHARS
        cut = max(text.rfind(space, start, end) for space in " \n")
        end = cut if cut > start else end
        yield text[start:end]
        start = end
    yield text[start:]
