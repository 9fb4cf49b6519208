r"""Cuts a document into chunks that are read and written one by one.

A cut is made at the end of a paragraph, else of a line, a sentence, a word, and where it can be
helped not inside of a fenced code block, a LaTeX environment or a displayed formula.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain

_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})", re.MULTILINE)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([^{}\n]{1,40})\}")
_DISPLAY = re.compile(r"\\([\[\]])")
_ENDS = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n"),
    re.compile(r"[.!?][\"')\]]?\s+"),
    re.compile(r"\s+"),
)
"""What ends a paragraph, a line, a sentence, a word: best first."""

Span = tuple[int, int]


def chunks(text: str, max_chars: int) -> list[str]:
    """Return pieces of at most `max_chars` characters; joined, they are the text again."""
    blocks = _Blocks(text, max_chars)
    pieces, start = [], 0
    while start < len(text):
        end = _cut(text, start, start + max_chars, blocks)
        pieces.append(text[start:end])
        start = end
    return pieces


def _cut(text: str, start: int, limit: int, blocks: "_Blocks") -> int:
    """Return where the chunk that begins at `start` ends."""
    if limit >= len(text):
        return len(text)
    half = start + (limit - start) // 2
    # A late cut makes few chunks; a cut in a block is worse than an early one.
    for low, high in ((half, limit), (start, half)):
        for ends in _ENDS:
            for place in reversed(_places(text, low, high, ends)):
                if place > start and not blocks.hold(place):
                    return place
    inside = (_places(text, half, limit, ends) for ends in _ENDS)
    return next((places[-1] for places in inside if places), limit)


def _places(text: str, low: int, high: int, ends: "re.Pattern[str]") -> list[int]:
    """Return the places in (low, high] at which something ends."""
    found = (match.end() for match in ends.finditer(text, low, high))
    return [place for place in found if low < place <= high]


class _Blocks:
    """The blocks of a text that can stay whole, as merged spans."""

    def __init__(self, text: str, max_chars: int) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(chain(_fenced(text), _environments(text), _displays(text))):
            if end - start > max_chars:
                continue
            if self._ends and start < self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def hold(self, place: int) -> bool:
        """Return whether a cut here would cut a block."""
        index = bisect_right(self._starts, place) - 1
        return index >= 0 and self._starts[index] < place < self._ends[index]


def _fenced(text: str) -> Iterator[Span]:
    """Yield the fenced code blocks; a fence that is never closed holds nothing."""
    opened: tuple[int, str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = (match.start(), match[1])
        elif match[1].startswith(opened[1]):
            yield opened[0], match.end()
            opened = None


def _environments(text: str) -> Iterator[Span]:
    open_at: list[tuple[int, str]] = []
    for match in _ENVIRONMENT.finditer(text):
        if match[1] == "begin":
            open_at.append((match.start(), match[2]))
        elif open_at and match[2] != "document":
            start, name = open_at.pop()
            if name == match[2]:
                yield start, match.end()


def _displays(text: str) -> Iterator[Span]:
    dollars = [place.start() for place in re.finditer(r"\$\$", text)]
    yield from ((start, end + 2) for start, end in _paired(dollars))
    opened: int | None = None
    for match in _DISPLAY.finditer(text):
        if match[1] == "[":
            opened = match.start()
        elif opened is not None:
            yield opened, match.end()
            opened = None


def _paired(places: Sequence[int]) -> Iterator[Span]:
    return zip(places[::2], places[1::2], strict=False)
