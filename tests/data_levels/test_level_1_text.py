"""L1: whatever comes in comes out, as readable text."""

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels.l1 import decode, extract_texts, html_text, normalise

PAGE = """<html><head><title>Shop</title><script>track()</script></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<main><h1>Granite</h1><p>Granite is an igneous rock that cools slowly deep below the ground.</p>
<p>Its crystals are large enough to be seen with the naked eye by anybody.</p></main>
<footer>Copyright 2020</footer></body></html>"""


def make(text: str, **meta: str) -> Document:
    return Document(id="a", domain="general", text=text, meta=meta)


def test_main_content_is_kept_and_navigation_is_not() -> None:
    text = html_text(PAGE)
    assert "Granite is an igneous rock" in text
    assert "crystals are large enough" in text
    assert "Home" not in text
    assert "track()" not in text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("<html></html>", ""),
        ("<nav>Only a menu here</nav>", "Only a menu here"),
        ("<html><head><title>Just a title</title></head></html>", "Just a title"),
        ("no tags at all", "no tags at all"),
        ("<p>unclosed <b>and broken", "unclosed and broken"),
    ],
)
def test_a_page_without_main_content_gives_what_text_it_has(html: str, expected: str) -> None:
    assert html_text(html) == expected


def test_a_page_nested_beyond_reason_gives_its_text_quickly() -> None:
    assert html_text("<div>" * 50_000 + "deep down" + "</div>" * 50_000) == "deep down"


def test_as_many_documents_come_out_as_went_in_even_when_empty() -> None:
    documents = [
        Document(id=str(index), domain="general", text=text, meta={"format": "html"})
        for index, text in enumerate(["", "<html></html>", PAGE, "\x00\x01", "<" * 500])
    ]
    kept, dropped, _ = extract_texts(documents)
    assert [document.id for document in kept] == ["0", "1", "2", "3", "4"]
    assert dropped == []


def test_bytes_are_decoded_as_utf_8_where_they_are_and_by_detection_where_not() -> None:
    assert decode("größer".encode()) == ("größer", "utf-8")
    assert decode(b"\xef\xbb\xbfwith a mark") == ("with a mark", "utf-8")
    text = "Le café était fermé, l'été dernier, à Besançon."
    assert decode(text.encode("cp1252"))[0] == text


def test_raw_bytes_in_latin_1_become_text_and_say_from_which_encoding() -> None:
    raw = "naïve café".encode().decode("latin-1")
    document = normalise(make(raw, encoding="bytes", format="text", url="u"))
    assert document.text == "naïve café"
    assert document.meta == {"format": "text", "url": "u", "decoded_from": "utf-8"}


def test_mojibake_is_repaired_and_characters_are_composed() -> None:
    assert normalise(make("The cafÃ© was closed", format="text")).text == "The café was closed"
    assert normalise(make("e\u0301", format="text")).text == "é"


def test_lone_surrogates_do_not_survive() -> None:
    for form in ("text", "code"):
        normalise(make("a \ud800 b", format=form)).text.encode("utf-8")


def test_code_is_left_as_it_is() -> None:
    code = 's = "cafÃ©"\n\n\n\n\tif x :\n\t\treturn  "&amp;"\n\n'
    assert normalise(make(code, format="code")).text == code


def test_html_becomes_text_and_says_what_it_was() -> None:
    document = normalise(make(PAGE, format="html"))
    assert document.meta == {"format": "text", "extracted_from": "html"}
