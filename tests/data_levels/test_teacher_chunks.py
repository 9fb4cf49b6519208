"""Chunks: short enough, cut where a text has its joints, and together the text again."""

from random import Random

import pytest

from davinci.data_levels.teacher.chunks import chunks


@pytest.mark.parametrize(
    "text",
    ["short", "a b " * 900, "x" * 3000, "a\n\n" * 700, " " * 2500, "```\n" * 500, "$$" * 999],
)
def test_chunks_are_short_and_add_up_to_the_text(text: str) -> None:
    pieces = chunks(text, 1024)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= 1024 for piece in pieces)


def test_texts_of_all_kinds_add_up() -> None:
    parts = [
        "word ",
        "\n",
        "\n\n",
        "```\n",
        "$$",
        "\\begin{a}",
        "\\end{a}",
        "\\[",
        "\\]",
        ". ",
        "é",
    ]
    for seed in range(200):
        text = "".join(Random(seed).choices(parts, k=150))
        pieces = chunks(text, 100)
        assert "".join(pieces) == text
        assert all(0 < len(piece) <= 100 for piece in pieces)


def test_an_empty_text_has_no_chunks() -> None:
    assert chunks("", 100) == []


def test_a_cut_is_made_at_the_best_joint_in_the_second_half() -> None:
    word, sentence, line = "w" * 69 + " ", "s" * 59 + ". ", "l" * 54 + "\n"
    paragraph = "p" * 50 + "\n\n"
    rest = "r" * 100
    assert chunks(word + rest, 100)[0] == word
    assert chunks(sentence + "and " + rest, 100)[0] == sentence
    assert chunks(line + "A b. " + "c " + rest, 100)[0] == line
    assert chunks(paragraph + "line\n" + "A b. " + rest, 100)[0] == paragraph
    assert chunks("p\n\n" + word + rest, 100)[0] == "p\n\n" + word


@pytest.mark.parametrize(
    "block",
    [
        "```python\nfor x in y:\n\n    print(x)\n```",
        "~~~\na\n\nb\n~~~",
        "\\begin{align}\na &= b \\\\\n\nc &= d\n\\end{align}",
        "\\[\na = b\n\n+ c\n\\]",
        "$$\na = b\n\n+ c\n$$",
    ],
)
def test_a_block_that_fits_is_not_cut(block: str) -> None:
    text = f"{'Intro. ' * 8}\n\n{block}\n\n{'Outro. ' * 20}"
    for limit in range(len(block) + 5, 120, 3):
        assert any(block in piece for piece in chunks(text, limit)), limit


def test_a_block_that_cannot_fit_is_cut_at_a_line() -> None:
    code = "```\n" + "x = compute(1)\n" * 40 + "```\n"
    pieces = chunks(code, 200)
    assert all(piece.endswith("\n") for piece in pieces)
    assert len(pieces) == 4
    assert len(chunks(f"Intro.\n{code}", 200)[0]) > 100


def test_a_fence_that_is_never_closed_protects_nothing() -> None:
    text = "```\n" + "A line.\n\n" * 60
    assert all(piece.endswith("\n\n") for piece in chunks(text, 100))


def test_a_long_text_takes_no_longer_per_character() -> None:
    text = "word " * 400_000
    assert len(chunks(text, 1000)) == 2000
