"""L1, format normalisation: plain text out of bytes, HTML and PDF. Drops nothing, judges nothing.

Bytes are decoded, HTML becomes the text of its main content and a PDF that of its pages, broken
encodings are repaired and characters brought to Unicode NFC. Code is decoded and otherwise left as
it is: what looks like a typing slip may be a string literal.

Where a text could not be had, or not all of it, `meta["extraction"]` says why.
"""

import re
from dataclasses import replace

import ftfy
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from davinci.data_levels.document import Document
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.extracting import extraction, isolation
from davinci.data_levels.levels.extracting.extraction import FAILED, Extracted
from davinci.data_levels.levels.operator import Edit, LevelContext, Prepared

MAX_PAGE_CHARS_HERE = 64_000
"""Longer pages are extracted in a process of their own; no page below takes long."""

_BLANK_LINES = re.compile(r"\n{3,}")
_ODD = re.compile(r"[^\t\n\f\x20-\x25\x27-\x7e]")
"""What ftfy may have something to say about: all but plain ASCII, and `&`."""
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SEVEN_BIT = "iso2022_jp"
"""An encoding whose bytes are valid UTF-8 that means something else."""
_NUM_SAMPLED = 4096


def prepare(context: LevelContext) -> Prepared:
    """Return the one operator of L1."""
    limits = {
        "max_cpu_s": isolation.MAX_CPU_S,
        "max_memory_bytes": isolation.MAX_MEMORY_BYTES,
        "max_pdf_pages": extraction.MAX_PDF_PAGES,
        "max_nesting": extraction.MAX_NESTING,
    }
    operator = Edit(
        name="extract_text", version=LEVEL_VERSIONS["L1"], edit=normalise, parameters=limits
    )
    return Prepared(operators=(operator,), strict=True)


def normalise(document: Document) -> Document:
    """Return the document as plain text; `meta` tells what it was made from."""
    meta = dict(document.meta)
    form, is_bytes = meta.get("format"), meta.pop("encoding", "") == "bytes"
    text = document.text
    note = ""
    if form == "pdf":
        meta["raw_bytes"] = str(len(text))
        text, note = isolation.extract("pdf", text.encode("latin-1", "replace"))
    elif is_bytes:
        data = text.encode("latin-1", "replace")
        text, meta["decoded_from"] = decode(data, meta.get("charset", ""), is_html=form == "html")
    text = _without_surrogates(text).replace("\r\n", "\n")
    if form == "html":
        text, note = html_text(text)
    if form in ("html", "pdf"):
        meta.update(format="text", extracted_from=form)
    if note:
        meta["extraction"] = note
    if form == "code":
        text = text.removeprefix("\ufeff")
    else:
        text = _with_few_blank_lines(repair(_with_few_blank_lines(text))).strip()
    return replace(document, text=text, meta=meta)


def _with_few_blank_lines(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text else text


def html_text(html: str) -> Extracted:
    """Return the main text of a page; what defeats the parser only loses its tags."""
    if len(html) <= MAX_PAGE_CHARS_HERE:
        return extraction.html_text(html)
    extracted = isolation.extract("html", html.encode("utf-8", "replace"))
    if extracted.note.startswith(FAILED):
        cause = extracted.note.removeprefix(f"{FAILED}: ")
        return Extracted(extraction.without_tags(html), f"tags removed: {cause}")
    return extracted


def decode(data: bytes, declared: str = "", *, is_html: bool = False) -> tuple[str, str]:
    """Return the text of raw bytes and the encoding taken.

    That is the one of a byte order mark; else UTF-8 if valid, for hardly any text is valid UTF-8 by
    chance; else the declared one if it fits (by the server, then by the page itself); else a
    detected one.

    Args:
        data: The bytes.
        declared: The charset that the server named.
        is_html: Whether a page may declare its charset in itself.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    if utf_16 := _utf_16_by_nulls(data[:_NUM_SAMPLED]):
        return data.decode(utf_16, "replace"), utf_16
    told = map_encoding_to_html5(declared, False) if declared else None
    if told == _SEVEN_BIT and b"\x1b" in data:
        return data.decode(told, "replace"), told
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        detected = detect_encoding(data, from_html_meta=is_html)
    for encoding in filter(None, (told, detected, "cp1252")):
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8", "replace"), "utf-8 with errors"


def repair(text: str) -> str:
    """Return what `ftfy.fix_text` returns with NFC, sooner: it is shown only odd lines.

    ftfy works line by line, and leaves alone what is plain ASCII. It stops to decode entities with
    the first line that has a `<`.
    """
    first_tag = text.find("<")
    parts: list[str] = []
    position = 0
    while odd := _ODD.search(text, position):
        start = max(position, text.rfind("\n", position, odd.start()) + 1)
        end = text.find("\n", odd.start()) + 1 or len(text)
        decodes = first_tag < 0 or end <= first_tag
        line = ftfy.fix_text(text[start:end], normalization="NFC", unescape_html=decodes)
        parts += (text[position:start], line)
        position = end
    parts.append(text[position:])
    return "".join(parts)


def _utf_16_by_nulls(sample: bytes) -> str:
    """Return the UTF-16 without a mark that the places of zero bytes give away, or ""."""
    pairs = len(sample) // 2
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if second > 0.3 * pairs and first < 0.05 * pairs:
        return "utf-16-le"
    return "utf-16-be" if first > 0.3 * pairs and second < 0.05 * pairs else ""


def _without_surrogates(text: str) -> str:
    """Return the text with halves of surrogate pairs joined, or replaced where one is alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
