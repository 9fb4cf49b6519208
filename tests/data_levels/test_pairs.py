"""Questions and answers: one format to write, three to read."""

import pytest

from davinci.data_levels.sources.pylib.readers import questions_and_answers
from davinci.data_levels.tokens.pairs import PairSpan, format_pairs, pair_spans, split_pairs

PAIRS = [
    ("How long does it last?", "3 / 6 = 0.5 s.\n\nSo it lasts half a second."),
    ("What does this print?\nprint(1 + 1)", "2"),
    ("Is `Question: x` a label in mid-line?", "No. Nor is an Answer: here."),
]


def test_what_is_written_is_read_again() -> None:
    text = format_pairs(PAIRS)
    assert text.startswith("Question: How long does it last?\nAnswer: 3 / 6 = 0.5 s.\n\nSo it")
    assert split_pairs(text) == PAIRS
    assert split_pairs("") == split_pairs(format_pairs([])) == []


def test_a_page_of_the_microworld_is_read() -> None:
    page = (
        "Atlas of towns\n\nQuestion: What is the tree of Ardan?\nAnswer: oak.\n\n"
        "Question: What is the tree of the rival of Ardan?\nAnswer: The rival of Ardan is Belor.\n"
        "The tree of Belor is elm.\n"
    )
    assert split_pairs(page) == [
        ("What is the tree of Ardan?", "oak."),
        (
            "What is the tree of the rival of Ardan?",
            "The rival of Ardan is Belor.\nThe tree of Belor is elm.",
        ),
    ]


def test_doctests_of_pylib_are_read() -> None:
    text = questions_and_answers("os.path", "Join paths.\n\n>>> a = 1\n>>> a\n1\n>>> a + 1\n2\n")
    assert split_pairs(text) == [
        ("what does this print?\na = 1\na", "1"),
        ("what does this print?\na + 1", "2"),
    ]


def test_masking_the_questions_leaves_the_answers() -> None:
    text = "Heading\n\nQuestion 1: what?\nx\nAnswer 1:\ny\n\nQuestion: why?\nAnswer: z\n"
    spans = list(pair_spans(text))
    assert spans == [PairSpan(9, 39, 40), PairSpan(42, 65, 66)]
    assert [text[span.answer_start : span.end] for span in spans] == ["y", "z"]
    assert text[spans[0].start : spans[0].answer_start] == "Question 1: what?\nx\nAnswer 1:\n"


def test_a_question_without_an_answer_is_no_pair() -> None:
    text = "Question: first?\n\nQuestion: second?\nAnswer: yes.\n\nQuestion: third?\nAnswer:\n"
    assert split_pairs(text) == [("second?", "yes.")]
    assert split_pairs("Question 2: a?\nAnswer 1: not mine\nAnswer 2: mine") == [
        ("a?\nAnswer 1: not mine", "mine")
    ]


@pytest.mark.parametrize(
    ("question", "answer"),
    [("", "a"), ("q", " \n"), ("q\nAnswer: b", "a"), ("q", "a\n\nQuestion: c"), ("q", "Answer: a")],
)
def test_a_pair_that_could_not_be_read_again_is_not_written(question: str, answer: str) -> None:
    with pytest.raises(ValueError, match="no line that starts with `Question:`"):
        format_pairs([(question, answer)])
