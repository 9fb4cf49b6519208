"""The local stand-in for the language model behind L4 and L5.

What it may use: the text of the one document it is given; how the world's language is written
(`teacher_reading`); arithmetic; and, for a derivation, the laws which that document states.
What it may not: the world's facts and laws, the document's provenance or kind, other documents.
So L4 cannot mend what is truncated or unreadable, and leaves false statements as they stand; L5
expands an answer only where the steps lead to the answer that the document gives. Beyond that L5
rewrites in full sentences what is noted in shorthand or answered in a word, the false like the
true, for it cannot tell them apart: part of what L5 gains is its form. The notes say how often.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from davinci.data_levels.document import Document
from davinci.data_levels.sources.microworld import teacher_code, teacher_reading, teacher_steps

_PARAGRAPHS = "paragraphs "
"""What the names of its counts begin with."""


class OracleTeacher:
    """A rule-based teacher of the world's language, without ground truth; counts what it writes."""

    label = "microworld oracle (rule-based stand-in, not a language model)"

    def __init__(self) -> None:
        """Start without having written anything."""
        self._written: Counter[str] = Counter()

    def notes(self) -> Sequence[str]:
        """Return what `notes_on` says of what was written so far."""
        return self.notes_on(self.counts())

    def counts(self) -> Mapping[str, float]:
        """Return how many paragraphs `complete` has treated in which way."""
        return {f"{_PARAGRAPHS}{kind}": count for kind, count in self._written.items()}

    def notes_on(self, counts: Mapping[str, float]) -> Sequence[str]:
        """Return what `complete` did to prose, and that it does the same to what is false.

        Empty where nothing was completed.
        """
        written = {
            name.removeprefix(_PARAGRAPHS): int(count)
            for name, count in sorted(counts.items())
            if name.startswith(_PARAGRAPHS)
        }
        if not written:
            return ()
        done = ", ".join(f"{kind}: {count}" for kind, count in written.items())
        return (
            f"Paragraphs by what the stand-in did to them: {done}. Rewriting changes the form "
            "alone, and false statements are rewritten like true ones; only spelling out steps "
            "asks that they lead to the stated answer.",
        )

    def refine(self, document: Document) -> str:
        """Return the text without the site's lines and fragments, in one notation.

        The text is empty where nothing in it can be used.
        """
        if document.domain == "code":
            return teacher_code.refine(document.text)
        return teacher_reading.refine(document.text)

    def complete(self, document: Document) -> str:
        """Return the text with the steps between a question and its stated answer spelled out."""
        if document.domain == "code":
            return teacher_code.complete(document.text)
        return teacher_steps.complete(document.text, self._written)
