"""Files that are hard on their readers: PDFs without text, pages made to hurt, odd encodings."""

import os
import signal
import time
import zlib
from collections.abc import Iterator

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels import l1
from davinci.data_levels.levels.extracting import extraction, isolation

PLAIN = b"BT /F1 12 Tf 72 700 Td (A line of text.) Tj ET"


def pdf(*contents: bytes, header: bytes = b"", coded: bytes = b"") -> bytes:
    """Return a PDF with one page for each content stream."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, content in enumerate(contents):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * n),
            b"<< %b/Length %d >>\nstream\n%b\nendstream" % (coded, len(content), content),
        ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer << /Size %d /Root 1 0 R %b>>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, header, len(out))
    )


def document(data: bytes, form: str, **meta: str) -> Document:
    told = {"format": form, "encoding": "bytes", **meta}
    return Document(id="a", domain="general", text=data.decode("latin-1"), meta=told)


def test_a_pdf_becomes_its_text_with_its_pages_apart() -> None:
    second = b"BT /F1 12 Tf 72 700 Td (Of co-) Tj 0 -14 Td (operation.) Tj ET"
    data = pdf(PLAIN, b"", second)
    made = l1.normalise(document(data, "pdf", url="u"))
    assert made.text == "A line of text.\n\nOf co-\noperation."
    assert made.meta == {
        "format": "text",
        "extracted_from": "pdf",
        "raw_bytes": str(len(data)),
        "url": "u",
    }


def test_a_pdf_without_text_gives_none_and_says_so() -> None:
    drawing = b"0 0 100 100 re f"
    made = l1.normalise(document(pdf(drawing), "pdf"))
    assert (made.id, made.text, made.meta["extraction"]) == ("a", "", "no text")


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.4", b"no PDF at all", pdf(PLAIN)[:200], bytes(1000)]
)
def test_what_is_no_pdf_gives_no_text_and_says_so(data: bytes) -> None:
    made = l1.normalise(document(data, "pdf"))
    assert made.text == ""
    assert made.meta["extraction"].startswith("failed: Failed to load document")


def test_an_encrypted_pdf_gives_no_text_and_says_so() -> None:
    secret = (
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%b> /U <%b> >> /ID [<00> <00>] "
        % (b"00" * 32, b"11" * 32)
    )
    made = l1.normalise(document(pdf(PLAIN, header=secret), "pdf"))
    assert made.text == ""
    assert "assword" in made.meta["extraction"]


def test_only_so_many_pages_of_a_pdf_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "MAX_PDF_PAGES", 2)
    text, note = extraction.pdf_text(pdf(PLAIN, PLAIN, PLAIN))
    assert text == "A line of text.\n\nA line of text."
    assert note == "the first 2 of 3 pages"


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the next extraction start a process with the limits of the test."""
    isolation._extractor(os.getpid())._stop()
    yield
    isolation._extractor(os.getpid())._stop()


@pytest.mark.usefixtures("own_process")
def test_a_pdf_that_swells_to_gigabytes_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compressor = zlib.compressobj()
    data = compressor.compress(b"BT /F1 12 Tf 72 700 Td (")
    data += b"".join(compressor.compress(b"a" * 10_000_000) for _ in range(40))
    data += compressor.compress(b") Tj ET") + compressor.flush()
    bomb = pdf(data, coded=b"/Filter /FlateDecode ")
    assert len(bomb) < 1_000_000
    monkeypatch.setattr(isolation, "MAX_MEMORY_BYTES", 500 * 2**20)
    assert isolation.extract("pdf", pdf(PLAIN)) == ("A line of text.", "")
    made = l1.normalise(document(bomb, "pdf"))
    assert made.text == ""
    assert made.meta["extraction"].startswith("failed: ")
    assert isolation.extract("pdf", pdf(PLAIN)) == ("A line of text.", "")


@pytest.mark.usefixtures("own_process")
def test_a_page_that_takes_too_long_only_loses_its_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MAX_CPU_S", 1)
    options = "".join(f"<option>x{n}" for n in range(200_000))
    page = f"<style>p {{}}</style><p>before</p><select>{options}</select><p>after &amp; on</p>"
    started = time.perf_counter()
    text, note = l1.html_text(page)
    assert time.perf_counter() - started < 30
    assert note == "tags removed: took more than 1 s of processor time"
    assert text.startswith("before")
    assert text.endswith("after & on")


@pytest.mark.usefixtures("own_process")
def test_a_process_that_was_killed_is_replaced_unnoticed() -> None:
    page = "<p>a paragraph of the page</p>" * 5000
    before = l1.html_text(page)
    process = isolation._extractor(os.getpid())._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert l1.html_text(page) == before
    assert before.note == ""


@pytest.mark.parametrize(
    ("page", "note"),
    [
        ("<div>" * 100_000 + "deep down", "tags removed: elements nested 100000 deep"),
        ("<ul>" * 900 + "<li>item" * 2000, "tags removed: the text outgrew the page"),
        ("<p " + " ".join(f"a{n}=1" for n in range(8000)) + ">deep down", ""),
        ("<select>" + "<option>x" * 7000 + "</select>deep down", ""),
        ("<b>" * 20_000 + "deep down", ""),
        ("<a href=x>" * 6000 + "deep down", ""),
        ("<table><tr><td>" * 2000 + "deep down", "tags removed: elements nested 2000 deep"),
        ("<p title='" + "x" * 60_000 + "'>deep down", ""),
        ("<!--" * 15_000 + "deep down", ""),
        ("<" * 60_000 + " deep down", ""),
        ("&" * 60_000 + "deep down", ""),
        ("<p>unclosed<div>and<span>broken" * 2000, "tags removed: elements nested 4000 deep"),
    ],
)
def test_pages_made_to_hurt_take_bounded_time(page: str, note: str) -> None:
    started = time.perf_counter()
    made = l1.normalise(document(page.encode(), "html"))
    assert time.perf_counter() - started < 5
    assert made.meta.get("extraction", "") == note
    assert any(words in made.text for words in ("deep down", "item", "broken"))


def test_a_page_of_20_MB_is_read_in_bounded_time() -> None:
    page = "<p>A sentence of a page, and another one.</p>\n" * 400_000
    started = time.perf_counter()
    made = l1.normalise(document(page.encode(), "html"))
    assert time.perf_counter() - started < 30
    assert made.text.count("A sentence") == 400_000
    assert "extraction" not in made.meta


def test_a_text_of_empty_lines_is_cleaned_in_bounded_time() -> None:
    started = time.perf_counter()
    made = l1.normalise(document(b"\n" * 10_000_000 + b"text" + b"\nx" * 100_000, "text"))
    assert time.perf_counter() - started < 5
    assert made.text.startswith("text\nx\nx")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("größer".encode("utf-16"), "größer"),
        (b"\xfe\xff" + "größer".encode("utf-16-be"), "größer"),
        ("größer".encode("utf-32"), "größer"),
        ("a longer text".encode("utf-16-le"), "a longer text"),
        ("a longer text".encode("utf-16-be"), "a longer text"),
        (b"\xef\xbb\xbfmarked", "marked"),
        (b"caf\xe9 and cr\xe8me", "café and crème"),
        (b"zero\x00 bytes\x01 go", "zero bytes go"),
        (b"\xff\xfe", ""),
        (b"\xff\xfea", "\ufffd"),
        (b"", ""),
        (b"\x80\x81\x8d\xff", None),
    ],
)
def test_bytes_in_any_encoding_become_text(data: bytes, text: str | None) -> None:
    made = l1.normalise(document(data, "text"))
    made.text.encode()
    assert text is None or made.text == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_zero_bytes_give_utf_16_away(encoding: str) -> None:
    assert l1.decode("if x == 1: 'größer'".encode(encoding)) == ("if x == 1: 'größer'", encoding)
    assert l1.decode("plain".encode(encoding)) == ("plain", encoding)


@pytest.mark.parametrize("charset", ["shift_jis", "Shift-JIS", "SJIS"])
def test_the_charset_that_the_server_named_is_believed(charset: str) -> None:
    data = "日本".encode("shift_jis")
    made = l1.normalise(document(data, "text", charset=charset))
    assert made.text == "日本"
    assert made.meta["decoded_from"] == "shift_jis"


@pytest.mark.parametrize("charset", ["iso-8859-1", "unicode_escape", "zlib", "nonsense", "utf-8"])
def test_utf_8_is_utf_8_whatever_the_server_named(charset: str) -> None:
    made = l1.normalise(document(r"größer \u0041".encode(), "text", charset=charset))
    assert made.text == r"größer \u0041"


def test_seven_bit_japanese_is_told_by_its_charset_alone() -> None:
    data = "日本".encode("iso2022_jp")
    assert l1.decode(data, "iso-2022-jp") == ("日本", "iso2022_jp")
    assert l1.decode(b"plain", "iso-2022-jp") == ("plain", "utf-8")


def test_the_charset_that_a_page_names_is_believed() -> None:
    page = '<meta charset="iso-8859-1"><p>señor</p>'.encode("latin-1")
    assert l1.normalise(document(page, "html")).text == "señor"
    assert l1.decode(page) != l1.decode(page, is_html=True)


@pytest.mark.parametrize("form", ["text", "code", "html"])
def test_halves_of_surrogate_pairs_become_whole_or_go(form: str) -> None:
    text = "a \ud83d\ude00 \ud83d b"
    odd = Document(id="a", domain="general", text=text, meta={"format": form})
    assert l1.normalise(odd).text == "a \U0001f600 \ufffd b"
