"""What a model answered: read tolerantly, and never taken for what it is not."""

from typing import Any

import pytest

from davinci.data_levels.teacher.answers import (
    between_tags,
    is_refusal,
    is_stuck,
    parse_json_answer,
)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<cleaned>a</cleaned>", "a"),
        ("Sure!\n<cleaned>\n    indented\n\n</cleaned> Done.", "    indented"),
        ("<think>maybe <cleaned>this</cleaned>?</think>\n<cleaned>that</cleaned>", "that"),
        ("first <cleaned>this</cleaned> or so</think><cleaned>that</cleaned>", "that"),
        ("<cleaned></cleaned>", ""),
        ("no tags", None),
        ("<cleaned>cut off", None),
        ("<think>for ever and <cleaned>a</cleaned>", None),
        ("<cleaned>a</cleaned><cleaned>b</cleaned>", None),
        ("</cleaned>a<cleaned>", None),
        ("<cleaned>a</cleaned>b</cleaned>", None),
    ],
)
def test_an_answer_stands_between_its_tags(answer: str, text: str | None) -> None:
    assert between_tags(answer, "cleaned") == text


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("Here it is:\n```\n[1]\n```\nBye {", [1]),
        ('<think>{"a": 0}</think> The verdict: {"a": 1}. Yes.', {"a": 1}),
        ('{"text": "a ```json fence``` within"}', {"text": "a ```json fence``` within"}),
        ("", None),
        ("no", None),
        ('{"a": 1', None),
        ('{"a": NaN}', None),
        ("[" * 100_000, None),
        ('{"a": ' + "1" * 10_000 + "}", None),
    ],
)
def test_json_is_found_in_an_answer(answer: str, value: Any) -> None:
    assert parse_json_answer(answer) == value


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "I'm sorry, but I can't assist with that request.",
        "Sorry, I can\u2019t help you clean this text.",
        "Unfortunately, I am unable to process this passage.",
        "As an AI language model, I cannot provide this.",
        "  I won't do that.",
    ],
)
def test_a_refusal_is_known_by_its_words(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Water boils at 100 degrees.",
        "The proof cannot provide more than this. I cannot help with that, said Alice.",
        "I can't see the stars tonight.",
        "Sorry is the hardest word.",
        "",
    ],
)
def test_other_words_are_no_refusal(text: str) -> None:
    assert not is_refusal(text)


def test_a_model_that_got_stuck_is_noticed_by_the_end_of_what_it_wrote() -> None:
    start = "The melting point depends on the pressure, as the table shows. "
    assert is_stuck(start + "and so on " * 20)
    assert is_stuck(start + "!" * 200)
    assert is_stuck(start + (start + "It does. ") * 4)
    assert not is_stuck(start + "and so on " * 19)
    assert not is_stuck(start + "!" * 199)
    assert not is_stuck("x = 1\n" * 3)
    assert not is_stuck("")


def test_what_the_passage_repeats_may_be_repeated() -> None:
    ruler = "-" * 300
    assert is_stuck(f"Title\n{ruler}")
    assert not is_stuck(f"Title\n{ruler}", f"Title\n{ruler}\n")
    assert is_stuck(f"Title\n{ruler * 2}", f"Title\n{ruler[:150]}\n")
