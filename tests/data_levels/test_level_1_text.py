"""L1: whatever comes in comes out, as readable text."""

import pickle
import random

import ftfy
import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels.l1 import (
    decode,
    html_text,
    normalise,
    prepare,
    repair,
)

PAGE = """<html><head><title>Shop</title><script>track()</script></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<main><h1>Granite</h1><p>Granite is an igneous rock that cools slowly deep below the ground.</p>
<p>Its crystals are large enough to be seen with the naked eye by anybody.</p></main>
<footer>Copyright 2020</footer></body></html>"""


def make(text: str, **meta: str) -> Document:
    return Document(id="a", domain="general", text=text, meta=meta)


def test_main_content_is_kept_and_navigation_is_not() -> None:
    text = html_text(PAGE).text
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
    assert html_text(html) == (expected, "")


def test_a_page_nested_beyond_reason_gives_its_text_quickly() -> None:
    text, note = html_text("<div>" * 50_000 + "deep down" + "</div>" * 50_000)
    assert (text, note) == ("deep down", "tags removed: elements nested 50000 deep")


def test_as_many_documents_come_out_as_went_in_even_when_empty() -> None:
    documents = [
        Document(id=str(index), domain="general", text=text, meta={"format": "html"})
        for index, text in enumerate(["", "<html></html>", PAGE, "\x00\x01", "<" * 500])
    ]
    assert [document.id for document in map(normalise, documents)] == ["0", "1", "2", "3", "4"]


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


@pytest.mark.parametrize("form", ["text", "code"])
def test_a_byte_order_mark_is_no_text(form: str) -> None:
    assert normalise(make("\ufeffx = 1", format=form)).text == "x = 1"


def test_a_large_page_gives_the_same_text_as_a_small_one() -> None:
    paragraph = "<p>Granite is an igneous rock that cools slowly.</p>\n"
    small, large = html_text(paragraph * 20), html_text(paragraph * 5000)
    assert large.text == "\n\n".join([small.text.split("\n\n")[0]] * 5000)


def test_repair_is_what_ftfy_does() -> None:
    rng = random.Random(0)
    odd = ["a", " ", "\n", "\r", "\r\n", "&", "&amp;", "&lt;b", "<", "<b>", "é", "Ã©", "\x00", "\f",
           "\v", "\x1b[31m", "\ufeff", "“", "ﬁ", "\u2028", "\x85", "e\u0301", "â€™", "plain words",
           "\t", "\x7f", "\u00ad", "Ａ", "\ud83d\ude00", "\ud83d"]  # fmt: skip
    for _ in range(3000):
        text = "".join(rng.choices(odd, k=rng.randrange(25)))
        assert repair(text) == ftfy.fix_text(text, normalization="NFC"), repr(text)


def test_the_operator_keeps_ids_and_can_be_sent_to_another_process() -> None:
    prepared = prepare(None)  # type: ignore[arg-type]  # L1 needs nothing to prepare
    assert prepared.strict
    [operator] = pickle.loads(pickle.dumps(prepared.operators))
    assert (operator.name, operator.parameters["max_pdf_pages"]) == ("extract_text", 2000)
    [made] = operator.run([make(PAGE, format="html")], {})
    assert isinstance(made, Document)
    assert (made.id, made.meta["extracted_from"]) == ("a", "html")
