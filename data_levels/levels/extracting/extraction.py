"""Text out of HTML pages and PDF files, within limits.

Run as a program this file extracts what it reads from its standard input (see `isolation`), so it
imports nothing of the package. pdfium and the HTML parser are native code: a file made to hurt can
cost them hours, all memory, or their life, which is why large and risky inputs go to a process of
their own.
"""

import html as html_entities
import os
import re
import resource
import struct
import sys
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

MAX_PDF_PAGES = 2000
MAX_TEXT_CHARS = 50_000_000
"""A PDF's text ends with the page that makes it so long."""

MAX_NESTING = 1000
"""Deeper pages only lose their tags: the parser's time grows with the square of the depth."""
MIN_MAIN_FRAC = 0.05
"""Below this share of the visible text, what was taken for the main content is not believed."""
MAX_GROWTH = 4
"""Longer than so many times the page, the text is mostly the indentation of nested lists."""
MIN_GROWN_CHARS = 100_000

FAILED = "failed"
OUT_OF_MEMORY = 3
"""Status with which the process ends when Python finds no more memory."""
HEADER = struct.Struct(">4sQ")
"""Of a request: what the data is (`html`, `pdf`), and its number of bytes."""
REPLY = struct.Struct(">QQ")
"""Of a reply: bytes of the note, bytes of the text."""

_NESTED = re.compile(
    r"<(/?)(?:div|span|table|ul|ol|dl|section|article|blockquote|font|center)\b", re.I
)
_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"<(script|style)\b", re.I)
_HIDDEN_ENDS = {name: re.compile(rf"</{name}\b", re.I) for name in ("script", "style")}


class Extracted(NamedTuple):
    """The text of a file; `note` says what is wrong with it, "" where nothing is."""

    text: str
    note: str = ""


def html_text(html: str) -> Extracted:
    """Return the main text of a page, or failing that all its text; "" only if it has none."""
    depth = _nesting(html)
    if depth > MAX_NESTING:
        return Extracted(without_tags(html), f"tags removed: elements nested {depth} deep")
    try:
        text = _parsed_text(html)
    except ValueError as error:  # the parser's own are among these
        return Extracted(without_tags(html), f"tags removed: {type(error).__name__}")
    if len(text) > max(MIN_GROWN_CHARS, MAX_GROWTH * len(html)):
        return Extracted(without_tags(html), "tags removed: the text outgrew the page")
    return Extracted(text or without_tags(html))


def _parsed_text(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    visible = extract_plain_text(html, preserve_formatting=True).strip()
    main = extract_plain_text(html, preserve_formatting=True, main_content=True).strip()
    return str(main if len(main) > MIN_MAIN_FRAC * len(visible) else visible)


def without_tags(html: str) -> str:
    """Return what is left of a page without tags, scripts and styles; in linear time."""
    parts: list[str] = []
    position = 0
    while start := _HIDDEN.search(html, position):
        parts.append(html[position : start.start()])
        end = _HIDDEN_ENDS[start[1].lower()].search(html, start.end())
        position = end.start() if end else len(html)
    parts.append(html[position:])
    return html_entities.unescape(_TAG.sub(" ", "".join(parts))).strip()


def pdf_text(data: bytes) -> Extracted:
    """Return the text of a PDF, its pages apart by blank lines; "" where it cannot be read."""
    import pypdfium2 as pdfium  # type: ignore[import-untyped]

    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        return Extracted("", f"{FAILED}: {error}")
    pages: list[str] = []
    num_chars = num_broken = num_read = 0
    num_pages = len(pdf)
    while num_read < min(num_pages, MAX_PDF_PAGES) and num_chars < MAX_TEXT_CHARS:
        try:
            pages.append(_page_text(pdf, num_read))
            num_chars += len(pages[-1])
        except pdfium.PdfiumError:
            num_broken += 1
        num_read += 1
    pdf.close()
    text = "\n\n".join(filter(None, pages))
    notes = [
        *([f"{num_broken} of {num_pages} pages failed"] if num_broken else ()),
        *([f"the first {num_read} of {num_pages} pages"] if num_read < num_pages else ()),
        *(["no text"] if not text else ()),
    ]
    return Extracted(text, "; ".join(notes))


def _page_text(pdf: Any, index: int) -> str:
    page = pdf[index]
    try:
        textpage = page.get_textpage()
        text: str = textpage.get_text_range()
        textpage.close()
    finally:
        page.close()
    # pdfium puts U+FFFE for a hyphen with which a line ends
    return text.replace("\r\n", "\n").replace("\ufffe", "-\n").strip()


def _nesting(html: str) -> int:
    """Return about how deep the page's elements are nested, cheaply."""
    depth = deepest = 0
    for match in _NESTED.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def serve(requests: BinaryIO, replies: BinaryIO, max_cpu_s: int) -> None:
    """Answer requests until there are no more, each within a limit of processor time."""
    while len(head := requests.read(HEADER.size)) == HEADER.size:
        kind, num_bytes = HEADER.unpack(head)
        _allow_time(max_cpu_s)
        text, note = _extract(kind, requests.read(num_bytes))
        data = text.encode("utf-8", "surrogatepass")
        replies.write(REPLY.pack(len(note.encode()), len(data)) + note.encode() + data)
        replies.flush()


def _extract(kind: bytes, data: bytes) -> Extracted:
    try:
        if kind == b"html":
            return html_text(data.decode("utf-8", "surrogatepass"))
        return pdf_text(data)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        return Extracted("", f"{FAILED}: {type(error).__name__}")


def _allow_time(max_cpu_s: int) -> None:
    """Let the process live for so much processor time more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + max_cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def main(max_cpu_s: int, max_memory_bytes: int) -> None:
    """Serve on the standard streams, with limits; nothing else is ever printed."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # some systems know no such limit
        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    serve(sys.stdin.buffer, replies, max_cpu_s)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
