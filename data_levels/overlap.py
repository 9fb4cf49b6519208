"""Counts the documents of a corpus that repeat held-out text or pose a benchmark's question.

The words are compared with their marks: in formulas the marks are the content. A document repeats
a held-out text when it holds half of its 13-word runs, as in `separation`, or consists of the same
words; it poses a question when it holds it word for word. Questions are prompts up to their last
`?`, and the whole prompts of items that execute code. Other prompts, such as sentences to finish,
are not looked for: what they ask for may stand in the documents, or nobody could know it.
"""

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from davinci.data_levels.document import Document
from davinci.data_levels.held_out import load_held_out
from davinci.data_levels.manifest import Invariant
from davinci.data_levels.separation import HeldOutRuns
from davinci.data_levels.source import HeldOut, Item
from davinci.data_levels.words import Hashes, run_hashes, word_hashes

NAME = "held_out_overlap"
MAX_START_WORDS = 8
"""Questions are sought by so many first words, then compared in full."""

_TAG = re.compile(r"<[^<>]*>")
_LABEL = re.compile(r"\s*Question:\s*")


def held_out_overlap(documents: Sequence[Document], held_out: Path) -> Invariant:
    """Return how many of the documents repeat what a held-out folder holds.

    Raises:
        ValueError: If the folder holds no held-out data.
    """
    known = load_held_out(held_out)
    texts = HeldOutRuns((t for texts in known.texts.values() for t in texts), with_marks=True)
    questions = Questions(questions_of(known))
    violations = 0
    for document in documents:
        text = _words_of(document)
        violations += texts.is_held_in(text) or questions.any_in(text)
    return Invariant(name=NAME, checked=len(documents), violations=violations)


def questions_of(held_out: HeldOut) -> tuple[str, ...]:
    """Return the questions of all benchmarks."""
    asked = (_question(item) for bench in held_out.benchmarks for item in bench.items)
    return tuple(dict.fromkeys(question for question in asked if question))


class Questions:
    """Questions to look for in texts, whatever their case and spacing."""

    def __init__(self, questions: Iterable[str]) -> None:
        """Index the questions by their first words."""
        self._starts: dict[int, dict[int, list[Hashes]]] = defaultdict(lambda: defaultdict(list))
        for question in questions:
            words = word_hashes(question, with_marks=True)
            size = min(len(words), MAX_START_WORDS)
            if size:
                self._starts[size][int(run_hashes(words[:size], size)[0])].append(words)

    def any_in(self, text: str) -> bool:
        """Return whether the text holds one of the questions."""
        words = word_hashes(text, with_marks=True)
        return any(self._stands_in(words, size) for size in self._starts)

    def _stands_in(self, words: Hashes, size: int) -> bool:
        starts, runs = self._starts[size], run_hashes(words, size).tolist()
        if starts.keys().isdisjoint(runs):
            return False
        return any(
            np.array_equal(words[place : place + len(question)], question)
            for place, run in enumerate(runs)
            for question in starts.get(run, ())
        )


def _question(item: Item) -> str:
    if item.check == "execute":
        return item.prompt
    return _LABEL.sub("", item.prompt[: item.prompt.rfind("?") + 1], count=1)


def _words_of(document: Document) -> str:
    """Return the text; of a page, without its tags: enough to compare words by, and cheap."""
    if document.meta.get("format") != "html":
        return document.text
    return html.unescape(_TAG.sub(" ", document.text))
