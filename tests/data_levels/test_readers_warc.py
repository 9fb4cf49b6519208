"""WARC: responses and extracted texts become documents, all else leaves no trace but damage."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fastwarc.stream_io import ChunkedWriter
from fastwarc.warc import WarcRecord, WarcRecordType

from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.readers import records
from davinci.data_levels.readers.records import Origin
from davinci.data_levels.readers.warc import read_warc

DATE = "2024-05-06T07:08:09Z"


def record(kind: str, number: int, block: bytes, content_type: str, **headers: str) -> bytes:
    named = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{number}>",
        "WARC-Date": DATE,
        "WARC-Target-URI": f"https://example.org/{number}",
        "Content-Type": content_type,
        "Content-Length": str(len(block)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return b"WARC/1.1\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"


def response(
    number: int, payload: bytes, media_type: str = "text/html", status: str = "200", **headers: str
) -> bytes:
    named = {"Content-Type": media_type, **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    block = f"HTTP/1.1 {status} As It Is\r\n{head}\r\n".encode() + payload
    return record("response", number, block, "application/http; msgtype=response")


def read(path: Path, content: bytes, domain: Any = "general") -> list[Document | Dropped]:
    path.write_bytes(content)
    return list(read_warc(path, Origin(source="files", domain=domain, path=path.name)))


@pytest.fixture
def warc(tmp_path: Path) -> Path:
    return tmp_path / "a.warc"


def test_pages_texts_and_pdfs_become_documents_with_their_address_and_time(warc: Path) -> None:
    content = [
        record("warcinfo", 0, b"software: x\r\n", "application/warc-fields"),
        record("request", 1, b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        response(2, b"<p>caf\xe9</p>", "text/html; charset=ISO-8859-1"),
        response(3, b"plain", "text/plain", status="404"),
        response(4, b"%PDF-1.4 \xff", "application/pdf"),
        record("conversion", 5, "é".encode(), "text/plain",
               WARC_Identified_Content_Language="fra"),
        record("metadata", 6, b"a: b", "application/warc-fields"),
        record("revisit", 7, b"HTTP/1.1 304 Not Modified\r\n\r\n", "application/http"),
    ]  # fmt: skip
    outcomes = read(warc, b"".join(content))
    assert [outcome for outcome in outcomes if not isinstance(outcome, Document)] == []
    page, text, pdf, extracted = (o for o in outcomes if isinstance(o, Document))
    assert page == Document(
        id="<urn:uuid:2>",
        domain="general",
        text="<p>caf\xe9</p>",
        meta={
            "source": "files",
            "path": "a.warc",
            "url": "https://example.org/2",
            "time": DATE,
            "status": "200",
            "charset": "iso-8859-1",
            "format": "html",
            "encoding": "bytes",
        },
    )
    assert (text.text, text.meta["format"], text.meta["status"]) == ("plain", "text", "404")
    assert (pdf.text.encode("latin-1"), pdf.meta["format"]) == (b"%PDF-1.4 \xff", "pdf")
    assert extracted.text.encode("latin-1") == "é".encode()
    assert (extracted.meta["format"], extracted.meta["content_language"]) == ("text", "fra")


def test_what_the_crawler_identified_counts_more_than_what_the_server_said(warc: Path) -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n<p>a</p>"
    identified = record("response", 1, block, "application/http",
                        WARC_Identified_Payload_Type="application/xhtml+xml",
                        WARC_Truncated="length")  # fmt: skip
    [document] = read(warc, identified)
    assert isinstance(document, Document)
    assert (document.meta["format"], document.meta["truncated"]) == ("html", "length")


def test_a_payload_without_a_media_type_is_looked_at(warc: Path) -> None:
    block = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"
    payloads = [b"\n<!DOCTYPE HTML><title>a</title>", b"%PDF-1.7", b"\x00\x01"]
    blocks = [record("response", n, block + p, "application/http") for n, p in enumerate(payloads)]
    page, pdf, other = read(warc, b"".join(blocks))
    assert isinstance(page, Document)
    assert isinstance(pdf, Document)
    assert isinstance(other, Dropped)
    assert (page.meta["format"], pdf.meta["format"]) == ("html", "pdf")
    assert (other.reason, other.detail) == (
        "unsupported_media_type", "a.warc, record 3: unknown"
    )  # fmt: skip


def test_pictures_and_empty_pages_are_dropped_by_name(warc: Path) -> None:
    picture, empty, page = read(
        warc, response(1, b"\xff\xd8", "image/jpeg; q=1") + response(2, b"") + response(3, b"x")
    )
    assert isinstance(picture, Dropped)
    assert (picture.document.id, picture.reason) == ("<urn:uuid:1>", "unsupported_media_type")
    assert picture.detail == "a.warc, record 1: image/jpeg"
    assert picture.document.meta["url"] == "https://example.org/1"
    assert isinstance(empty, Dropped)
    assert empty.reason == "no_text"
    assert isinstance(page, Document)


def test_text_of_the_code_domain_is_code(warc: Path) -> None:
    [document] = read(warc, response(1, b"x = 1\n", "text/plain"), "code")
    assert document.meta["format"] == "code"  # type: ignore[union-attr]


def chunked(data: bytes) -> bytes:
    out = io.BytesIO()
    writer = ChunkedWriter(out)
    writer.write(data[:10])
    writer.write(data[10:])
    writer.finish()
    return out.getvalue()


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


BOTH = {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"}
PAGE = b"<p>" + b"a sentence of a page. " * 50 + b"</p>"


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"Content_Encoding": "gzip"}, gzip.compress(PAGE, mtime=0)),
        ({"Content_Encoding": "x-GZIP"}, gzip.compress(PAGE, mtime=0)),
        ({"Content_Encoding": "deflate"}, zlib.compress(PAGE)),
        ({"Content_Encoding": "deflate"}, bare_deflate(PAGE)),
        ({"Content_Encoding": "zstd"}, zstandard.compress(PAGE)),
        ({"Content_Encoding": "identity"}, PAGE),
        ({"Transfer_Encoding": "chunked"}, chunked(PAGE)),
        (
            {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"},
            chunked(gzip.compress(PAGE, mtime=0)),
        ),
    ],
)
def test_what_coded_a_payload_for_the_way_is_undone(
    warc: Path, headers: dict[str, str], payload: bytes
) -> None:
    [document] = read(warc, response(1, payload, **headers))
    assert isinstance(document, Document)
    assert document.text.encode("latin-1") == PAGE


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"Content_Encoding": "gzip"}, PAGE),
        ({"Content_Encoding": "gzip"}, gzip.compress(PAGE, mtime=0)[:-20]),
        ({"Content_Encoding": "br"}, PAGE),
        ({"Content_Encoding": "pack200-gzip"}, PAGE),
        ({"Content_Encoding": "gzip," * 20 + "gzip"}, gzip.compress(PAGE, mtime=0)),
        ({"Transfer_Encoding": "chunked"}, PAGE),
    ],
)
def test_a_payload_that_is_not_coded_as_it_says_is_dropped(
    warc: Path, headers: dict[str, str], payload: bytes
) -> None:
    drop, page = read(warc, response(1, payload, **headers) + response(2, PAGE))
    assert isinstance(drop, Dropped)
    assert drop.reason == "undecodable_payload"
    assert drop.detail.startswith("a.warc, record 1: ")
    assert isinstance(page, Document)


def test_a_response_that_is_none_is_dropped(warc: Path) -> None:
    drop, page = read(warc, record("response", 1, b"garbage", "application/http") +
                      response(2, PAGE))  # fmt: skip
    assert isinstance(drop, Dropped)
    assert drop.reason == "undecodable_payload"
    assert isinstance(page, Document)


def test_a_payload_above_the_limit_is_dropped_as_it_lies_or_as_it_swells(
    warc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    monkeypatch.setattr(records, "MAX_DOCUMENT_BYTES", 5000)
    outcomes = read(warc, response(1, b"x" * 5000) + response(2, bomb, Content_Encoding="gzip") +
                    response(3, PAGE))  # fmt: skip
    assert [o.reason if isinstance(o, Dropped) else "" for o in outcomes] == [
        "larger_than_limit", "larger_than_limit", ""
    ]  # fmt: skip


def whole_records() -> list[bytes]:
    first = record("warcinfo", 0, b"a: b\r\n", "application/warc-fields")
    last = record("request", 6, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "application/http")
    return [first, *(response(n, b"<p>%d</p>" % (n * 7919) * 30) for n in range(1, 6)), last]


@pytest.mark.parametrize("kind", ["plain", "member for each", "one member"])
def test_every_cut_leaves_a_trace_and_the_records_before_it(tmp_path: Path, kind: str) -> None:
    parts = whole_records()
    if kind == "member for each":
        parts = [gzip.compress(part, mtime=0) for part in parts]
    elif kind == "one member":
        parts = [gzip.compress(b"".join(parts))]
    data = b"".join(parts)
    path = tmp_path / ("a.warc" if kind == "plain" else "a.warc.gz")
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    for cut in (*range(1, len(data) - 300, 7), *range(len(data) - 300, len(data))):
        missing = min(end - cut for end in ends if end >= cut)
        if missing <= (4 if kind == "plain" else 0):
            continue  # nothing but the end of a line is missing
        outcomes = read(path, data[:cut])
        kept = [outcome for outcome in outcomes if isinstance(outcome, Document)]
        if kind != "one member" and missing > 12:  # less is but a checksum
            num_whole = sum(end <= cut for end in ends)
            assert len(kept) == min(5, max(0, num_whole - 1)), cut
        last = outcomes[-1]
        assert isinstance(last, Dropped), cut
        assert last.reason in ("truncated_file", "unreadable_file")


def test_the_trace_of_a_cut_names_file_and_record(tmp_path: Path) -> None:
    data = b"".join(gzip.compress(part, mtime=0) for part in whole_records())
    outcomes = read(tmp_path / "a.warc.gz", data[:-30])
    assert [type(outcome) for outcome in outcomes] == [*[Document] * 5, Dropped]
    last = outcomes[-1]
    assert isinstance(last, Dropped)
    assert last.reason == "truncated_file"
    assert last.detail == "a.warc.gz, record 7: the compressed data breaks off"


def test_garbage_between_records_ends_the_reading(warc: Path) -> None:
    parts = whole_records()
    outcomes = read(warc, b"".join(parts[:3]) + b"garbage\r\n\r\n" + b"".join(parts[3:]))
    assert len(outcomes) == 3
    last = outcomes[-1]
    assert isinstance(last, Dropped)
    assert last.detail == "a.warc, record 4: Invalid WARC header"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.warc", b"no archive at all"),
        ("a.warc.gz", b"not compressed"),
        ("a.warc.gz", b""),
        ("a.warc.gz", gzip.compress(b"no archive at all", mtime=0)),
    ],
)
def test_what_is_no_warc_is_one_drop(tmp_path: Path, name: str, content: bytes) -> None:
    [drop] = read(tmp_path / name, content)
    assert isinstance(drop, Dropped)
    assert (drop.document.id, drop.reason) == (name, "unreadable_file")


def test_files_that_fastwarc_wrote_are_read(tmp_path: Path) -> None:
    made = WarcRecord()
    made.init_headers(WarcRecordType.response, b"urn:uuid:12345678-1234-5678-1234-567812345678")
    made.headers["WARC-Target-URI"] = "https://example.org/"
    made.headers["Content-Type"] = "application/http; msgtype=response"
    made.set_bytes_content(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello</p>")
    out = io.BytesIO()
    made.write(out)
    [document] = read(tmp_path / "a.warc", out.getvalue())
    assert isinstance(document, Document)
    assert document.text == "<p>hello</p>"
    assert document.meta["url"] == "https://example.org/"
