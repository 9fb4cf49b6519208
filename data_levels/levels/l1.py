"""L1, format normalisation: plain text out of bytes and HTML. Drops nothing, judges nothing.

Bytes are decoded, HTML becomes the text of its main content, broken encodings are repaired and
characters brought to Unicode NFC. Code is decoded and otherwise left as it is: what looks like a
typing slip may be a string literal.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import ftfy
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding

from davinci.data_levels.corpus import Progress, silent
from davinci.data_levels.document import Document, StepResult
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.step import StepRun, timed

MIN_MAIN_FRAC = 0.05
"""Below this share of the visible text, what was taken for the main content is not believed."""

MAX_NESTING = 1000
"""Deeper pages only lose their tags: the parser's time grows with the square of the depth."""

_NESTED = re.compile(
    r"<(/?)(?:div|span|table|ul|ol|dl|section|article|blockquote|font|center)\b", re.I
)
_TAG = re.compile(r"<[^<>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")


def run(documents: Sequence[Document], progress: Progress = silent) -> list[StepRun]:
    """Return the one step of L1."""
    step = timed("extract_text", LEVEL_VERSIONS["L1"], lambda: extract_texts(documents, progress))
    return [step]


def extract_texts(documents: Sequence[Document], progress: Progress = silent) -> StepResult:
    """Normalise every document; as many come out as went in."""
    kept: list[Document] = []
    edited = 0
    for index, document in enumerate(documents):
        kept.append(normalise(document))
        edited += kept[-1].text != document.text
        if index % 256 == 0:
            progress(index, len(documents), "text extraction")
    return StepResult(kept, [], edited)


def normalise(document: Document) -> Document:
    """Return the document as plain text; `meta` tells what it was made from."""
    meta = dict(document.meta)
    text = document.text
    if meta.pop("encoding", "") == "bytes":
        text, meta["decoded_from"] = decode(text.encode("latin-1", "replace"))
    text = text.replace("\r\n", "\n")
    if meta.get("format") == "html":
        text = html_text(text)
        meta.update(format="text", extracted_from="html")
    if meta.get("format") == "code":
        text = text.encode("utf-8", "replace").decode("utf-8")
    else:
        text = _BLANK_LINES.sub("\n\n", ftfy.fix_text(text, normalization="NFC")).strip()
    return replace(document, text=text, meta=meta)


def decode(data: bytes) -> tuple[str, str]:
    """Return the text of raw bytes and the encoding taken: UTF-8 if valid, else a detected one."""
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        encoding = detect_encoding(data) or "cp1252"
    try:
        return data.decode(encoding), encoding
    except (UnicodeDecodeError, LookupError):
        return data.decode("utf-8", "replace"), "utf-8 with errors"


def html_text(html: str) -> str:
    """Return the main text of a page, or failing that all its text; "" only if it has none."""
    if _nesting(html) > MAX_NESTING:
        return _TAG.sub(" ", html).strip()
    visible = extract_plain_text(html, preserve_formatting=True).strip()
    main = extract_plain_text(html, preserve_formatting=True, main_content=True).strip()
    if len(main) > MIN_MAIN_FRAC * len(visible):
        return str(main)
    if visible:
        return str(visible)
    return _TAG.sub(" ", html).strip()


def _nesting(html: str) -> int:
    """Return about how deep the page's elements are nested, cheaply."""
    depth = deepest = 0
    for match in _NESTED.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest
