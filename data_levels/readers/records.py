"""From raw records to documents: provenance, the limit of size, and named damage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from davinci.data_levels.chain import LEVELS
from davinci.data_levels.corpus import utf8
from davinci.data_levels.document import Document, Domain, Dropped, Outcome

MAX_DOCUMENT_BYTES = 50_000_000
"""Larger records are dropped unread: a line, a payload, a value or a file."""
MAX_SHOWN_CHARS = 1000
"""What a dropped record shows of itself."""

TEXT_FORMATS = ("text", "html", "code")
"""What a string can be; a PDF is bytes."""

_ALIASES = {
    "license": "licence",
    "timestamp": "time",
    "date": "time",
    "max_stars_count": "stars",
    "star_events_count": "stars",
}
"""Names that public datasets give to what the levels look for under another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the documents of one file or shard have in common.

    Attributes:
        source: Name of the source that asks.
        path: Name of the file within the source, or the address of the dataset.
        text_field: Where a row keeps its text.
        meta: Further provenance that every document gets, such as `licence` or `level`.
    """

    source: str
    domain: Domain
    path: str
    text_field: str = "text"
    meta: Mapping[str, str] | None = None

    @property
    def provenance(self) -> dict[str, str]:
        """The meta that every document starts with."""
        return {"source": self.source, "path": self.path, **(self.meta or {})}

    def place(self, number: int) -> str:
        """Return the id of a record that has none of its own."""
        return f"{self.path}:{number}"


def damaged(
    origin: Origin, number: int, reason: str, problem: str, *, unit: str, shown: str = ""
) -> Dropped:
    """Return the trace of a record that became no document.

    Args:
        origin: Where it was found.
        number: Which record, from 1.
        reason: Short name of the damage.
        problem: What is wrong, in words.
        unit: What the file is made of: `line`, `row` or `record`.
        shown: The record, as far as it could be read; it is shortened.
    """
    document = Document(
        id=origin.place(number),
        domain=origin.domain,
        text=shown[:MAX_SHOWN_CHARS],
        meta=origin.provenance,
    )
    return Dropped(document, reason, f"{origin.path}, {unit} {number}: {problem}")


def unreadable(origin: Origin, error: Exception | str) -> Dropped:
    """Return the trace of a file of which nothing could be read."""
    document = Document(id=origin.path, domain=origin.domain, text="", meta=origin.provenance)
    return Dropped(document, "unreadable_file", f"{origin.path}: {_cause(error)}")


def truncated(origin: Origin, number: int, error: Exception | str, *, unit: str) -> Dropped:
    """Return the trace of all that follows the damage in a file; `number` is where it begins."""
    return damaged(origin, number, "truncated_file", _cause(error), unit=unit)


def document_of_row(row: Any, origin: Origin, number: int, *, unit: str) -> Outcome:
    """Return the document of a row of named values, or why it is none.

    Strings are kept as provenance, other values as JSON text, nulls are left out. A few names are
    understood as others (`license` as `licence`). `format` counts where it is text, html or code,
    and `level` where it names one; otherwise they, and any `encoding`, are kept as `declared_...`,
    for text in a row has been decoded already.
    """
    if not isinstance(row, dict):
        problem = f"must be an object, but got {_kind(row)}"
        return damaged(origin, number, "not_an_object", problem, unit=unit)
    text = row.get(origin.text_field)
    meta = _provenance_of(row, origin)
    name = row.get("id")
    document = Document(
        id=_as_text(name) if name not in (None, "") else origin.place(number),
        domain=origin.domain,
        text=text if isinstance(text, str) else "",
        meta=meta,
    )
    if not document.text:
        got = "an empty one" if text == "" else _kind(text)
        problem = f"`{origin.text_field}` must be a string with text, but got {got}"
        return Dropped(document, "no_text", f"{origin.path}, {unit} {number}: {problem}")
    return within_limit(document, f"{origin.path}, {unit} {number}")


def within_limit(document: Document, where: str) -> Outcome:
    """Return the document, or its trace where its text is larger than the limit."""
    text = document.text
    if 4 * len(text) <= MAX_DOCUMENT_BYTES:
        return document
    num_bytes = len(utf8(text))
    if num_bytes <= MAX_DOCUMENT_BYTES:
        return document
    shown = replace(document, text=text[:MAX_SHOWN_CHARS])
    return Dropped(shown, "larger_than_limit", f"{where}: {larger_than_limit(num_bytes)}")


def larger_than_limit(num_bytes: int) -> str:
    """Say that a record is too large."""
    return f"{num_bytes:,} bytes; the limit is {MAX_DOCUMENT_BYTES:,}"


def _provenance_of(row: Mapping[str, Any], origin: Origin) -> dict[str, str]:
    meta = {**origin.provenance, "format": "code" if origin.domain == "code" else "text"}
    for key, value in row.items():
        if key in (origin.text_field, "id") or value is None:
            continue
        name = str(key)
        if _ALIASES.get(name, name) not in row:
            name = _ALIASES.get(name, name)
        told = _as_text(value)
        if (
            name == "encoding"
            or (name == "format" and told not in TEXT_FORMATS)
            or (name == "level" and told not in LEVELS)
        ):
            name = f"declared_{name}"
        meta[name] = told
    return meta


def _as_text(value: object) -> str:
    if not isinstance(value, dict | list | bool | int | float | None):
        return _plain(value)
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _kind(value: object) -> str:
    return "none" if value is None else type(value).__name__


def _plain(value: object) -> str:
    """Return what JSON has no form for: dates, decimals, bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cause(error: Exception | str) -> str:
    return error if isinstance(error, str) else f"{error or type(error).__name__}"
