"""Words and sentences of English prose by regular expressions, for datatrove's filters.

datatrove's own English tokenizer needs spaCy. The same conventions hold here: a mark is a word of
its own, three dots are one mark, an address or a decimal number is one word, and an apostrophe
within a word does not end it.
"""

import re

from datatrove.utils.word_tokenizers import WordTokenizer

_WORD = re.compile(r"https?://\S+|\d+(?:[.,:]\d+)+|\w+(?:['’]\w+)*|\.{2,}|-{2,}|[^\w\s]")
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bvs\.)(?<!\bMrs\.)(?<!\bProf\.)"
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])"
)


class EnglishTokenizer(WordTokenizer):  # type: ignore[misc]  # datatrove has no types
    """Cuts prose into words and sentences; sentences end at `.!?` before a capital or a digit."""

    def word_tokenize(self, text: str) -> list[str]:
        """Return the words and marks of a text, in order."""
        return _WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """Return the sentences of a text, stripped."""
        return [text[start:end].strip() for start, end in self.span_tokenize(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Return where every sentence starts and ends; together they make up the text."""
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        bounds = [0, *ends, len(text)]
        spans = zip(bounds, bounds[1:], strict=False)
        return [(start, end) for start, end in spans if text[start:end].strip()]


ENGLISH = EnglishTokenizer()
"""The one instance: datatrove caches by it."""
