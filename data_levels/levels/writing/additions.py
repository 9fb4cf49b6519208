"""Additions to a document (L6): read from an answer, put into the text, and checked.

An answer copies the passage and marks what it inserts: `<added source="2">...</added>`. In the text
that is kept the marks are gone; the document's meta tells of the additions. `neighbours` holds the
ids that were shown, as a JSON list; `added`, as another one, where in the text each addition begins
and ends, in characters, and the id of the document that it comes from.
"""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from davinci.data_levels.document import Document

MAX_UNSUPPORTED_FRAC = 0.5
"""Share of an addition's words that neither its source nor the chunk holds, at most; ours."""
_ADDED = re.compile(r"<added source=\"(\d{1,3})\">(.*?)</added>", re.DOTALL)
MARK = re.compile(r"</?added\b")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
STEM_CHARS = 5
"""Words that begin alike, a final s aside, count as the same."""
MAX_GAP_CHARS = 2
"""White space that sets an addition off: a blank line at the most."""


class Addition(NamedTuple):
    """Where an addition stands in a text, and the id of the document that it comes from."""

    start: int
    end: int
    source: str


def source_kept(before: Document, after: Document) -> str:
    """Check that the document without its additions is what it was, character by character."""
    additions = additions_of(after)
    if additions is None:
        return "its meta does not tell what was added"
    pieces, place = [], 0
    for start, end, _ in additions:
        pieces.append(after.text[place:start])
        place = end
    rest = "".join([*pieces, after.text[place:]])
    if rest == before.text:
        return ""
    pairs = enumerate(zip(rest, before.text, strict=False))
    differs = next((place for place, (a, b) in pairs if a != b), min(len(rest), len(before.text)))
    return f"without the additions it reads {rest[differs : differs + 40]!r}"


def citations_resolve(before: Document, after: Document) -> str:
    """Check that every addition comes from a neighbour that the teacher was shown."""
    additions, shown = additions_of(after), _listed(after.meta.get("neighbours", ""))
    if additions is None or shown is None:
        return "its meta does not tell what was added, or what was shown"
    strange = [a.source for a in additions if a.source not in shown or a.source == before.id]
    return f"an addition cites {strange[0]!r}, which was not shown" if strange else ""


def additions_of(document: Document) -> list[Addition] | None:
    """Return what a document's meta says was added; None if it says nothing that can be true."""
    rows = _listed(document.meta.get("added", ""))
    if rows is None:
        return None
    place, additions = 0, []
    for row in rows:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[2], str)):
            return None
        start, end, source = row
        if not (type(start) is type(end) is int and place <= start < end <= len(document.text)):
            return None
        additions.append(Addition(start, end, source))
        place = end
    return additions


def parted(written: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the pieces outside of additions, and between them the additions with their numbers."""
    parts = _ADDED.split(written)
    added = zip(parts[1::3], parts[2::3], strict=True)
    return parts[::3], [(int(number), text.strip()) for number, text in added]


def supported(addition: str, source: str, chunk: str) -> bool:
    """Return whether an addition's numbers and most of its words stand in its source or chunk."""
    known = f"{source}\n{chunk}"
    if set(_NUMBER.findall(addition)) - set(_NUMBER.findall(known)):
        return False
    stems = _stems(addition)
    return len(stems - _stems(known)) <= MAX_UNSUPPORTED_FRAC * len(stems)


def inserted(
    chunk: str,
    outside: Sequence[str],
    added: Sequence[tuple[int, str]],
    sources: Sequence[str],
) -> tuple[str, list[Addition]]:
    """Return the chunk, exactly, with the additions put in where the answer has them."""
    ends = [place + 1 for place, char in enumerate(chunk) if not char.isspace()]
    additions: list[Addition] = []
    text, place, passed = "", 0, 0
    for before, (number, addition) in zip(outside, added, strict=False):
        passed += len(squeezed(before))
        end = ends[passed - 1] if passed else 0
        text += chunk[place:end]
        # Before the first word, it is the gap behind an addition that sets it off.
        text_in = f"{_gap(before)}{addition}" if end else f"{addition} "
        additions.append(Addition(len(text), len(text) + len(text_in), sources[number - 1]))
        text, place = text + text_in, end
    return text + chunk[place:], additions


def _gap(before: str) -> str:
    """Return what sets an addition off from what stands before it: as the answer does, in short."""
    line_breaks = before[len(before.rstrip()) :].count("\n")
    return "\n" * min(line_breaks, MAX_GAP_CHARS) or " "


def squeezed(text: str) -> str:
    """Return a text without its white space."""
    return "".join(text.split())


def _stems(text: str) -> set[str]:
    return {word.rstrip("s")[:STEM_CHARS] for word in _WORD.findall(text.lower())}


def _listed(text: str) -> list[object] | None:
    try:
        rows = json.loads(text)
    except ValueError:
        return None
    return rows if isinstance(rows, list) else None
