"""Reads WARC files: what servers answered, and the texts that others extracted from it (WET).

Documents are the `response` and `conversion` records. Requests, metadata, revisits and the like
belong to the crawl and are none, so they leave no trace.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.readers import records
from davinci.data_levels.readers.http_message import TooLarge, decoded_payload, parse_response
from davinci.data_levels.readers.records import Origin
from davinci.data_levels.readers.streams import Stream

UNIT = "record"
FORMATS: dict[str, str] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "text/plain": "text",
    "text/markdown": "text",
}
"""By media type, what can become a document."""

_HEADERS = {
    "WARC-Target-URI": "url",
    "WARC-Date": "time",
    "WARC-Truncated": "truncated",
    "WARC-Identified-Content-Language": "content_language",
}
_DOCUMENTS = (WarcRecordType.response, WarcRecordType.conversion)
_NUM_SNIFFED = 1024


class _Payload(NamedTuple):
    media_type: str
    data: bytes
    meta: dict[str, str]


def read_warc(path: Path, origin: Origin) -> Iterator[Outcome]:
    """Yield one outcome for every response or conversion; see the package for damage."""
    try:
        stream = Stream(path)
    except OSError as error:
        yield records.unreadable(origin, error)
        return
    num_whole, problem = 0, ""
    with stream:
        try:
            for record in ArchiveIterator(stream, parse_http=False):
                outcome = _outcome(record, origin, num_whole + 1)
                num_whole += 1
                if outcome is not None:
                    yield outcome
            if num_whole and not stream.tail.endswith(b"\n"):
                problem = "the file does not end where a record ends"
        except OSError as error:
            problem = f"{error}"
    problem = stream.error or problem
    if problem and num_whole == 0:
        yield records.unreadable(origin, problem)
    elif problem:
        yield records.truncated(origin, num_whole + 1, problem, unit=UNIT)


def _outcome(record: WarcRecord, origin: Origin, number: int) -> Outcome | None:
    """Return what a record becomes, None where it is no document.

    Raises:
        OSError: If the record breaks off.
    """
    if not record.record_id or "Content-Length" not in record.headers:
        raise OSError("the header of a record breaks off")
    if record.record_type not in _DOCUMENTS:
        _skip(record)
        return None
    document = Document(
        id=record.record_id, domain=origin.domain, text="", meta=_provenance(record, origin)
    )
    where = f"{origin.path}, {UNIT} {number}"
    if record.content_length > records.MAX_DOCUMENT_BYTES:
        _skip(record)
        problem = records.larger_than_limit(record.content_length)
        return Dropped(document, "larger_than_limit", f"{where}: {problem}")
    try:
        payload = _payload(record, _block(record))
    except TooLarge as error:
        return Dropped(document, "larger_than_limit", f"{where}: {error}")
    except ValueError as error:
        return Dropped(document, "undecodable_payload", f"{where}: {error}")
    return _document(document, payload, where)


def _document(document: Document, payload: _Payload, where: str) -> Outcome:
    meta = {**document.meta, **payload.meta}
    if not payload.data:
        return Dropped(replace(document, meta=meta), "no_text", f"{where}: an empty payload")
    if payload.media_type not in FORMATS:
        problem = f"{where}: {payload.media_type or 'unknown'}"
        return Dropped(replace(document, meta=meta), "unsupported_media_type", problem)
    form = FORMATS[payload.media_type]
    meta["format"] = "code" if (form, document.domain) == ("text", "code") else form
    meta["encoding"] = "bytes"
    return replace(document, text=payload.data.decode("latin-1"), meta=meta)


def _payload(record: WarcRecord, block: bytes) -> _Payload:
    """Return the payload of a record, and what its own headers tell.

    Raises:
        ValueError: If it cannot be decoded, or is larger than the limit (`TooLarge`).
    """
    told = record.headers.get("Content-Type") or ""
    identified = record.headers.get("WARC-Identified-Payload-Type") or ""
    if not told.lower().startswith("application/http"):
        return _Payload(_media_type(identified or told, block), block, {})
    response = parse_response(block)
    data = decoded_payload(response, records.MAX_DOCUMENT_BYTES)
    meta = {"status": response.status, "charset": response.charset}
    media_type = _media_type(identified or response.headers.get("content-type", ""), data)
    return _Payload(media_type, data, {name: value for name, value in meta.items() if value})


def _media_type(told: str, data: bytes) -> str:
    """Return a media type in lower case; where none is told, what the data looks like."""
    if told:
        return told.partition(";")[0].strip().lower()
    start = data[:_NUM_SNIFFED].lower()
    if start.startswith(b"%pdf-"):
        return "application/pdf"
    return "text/html" if b"<html" in start or b"<!doctype html" in start else ""


def _provenance(record: WarcRecord, origin: Origin) -> dict[str, str]:
    told = {name: record.headers.get(header) for header, name in _HEADERS.items()}
    return {**origin.provenance, **{name: value for name, value in told.items() if value}}


def _block(record: WarcRecord) -> bytes:
    block = record.reader.read()
    if len(block) < record.content_length:
        raise OSError(_broken_off(len(block), record.content_length))
    return block


def _skip(record: WarcRecord) -> None:
    skipped = record.reader.consume()
    if skipped < record.content_length:
        raise OSError(_broken_off(skipped, record.content_length))


def _broken_off(found: int, promised: int) -> str:
    return f"the record breaks off after {found:,} of {promised:,} bytes"
