import math
from pathlib import Path

import numpy as np
import pytest

from davinci.data_levels.sources.source import Item
from davinci.platform.evaluation.checks import final_answer_is, program_of, step_rate
from davinci.platform.evaluation.engine.rolling import sliding_windows
from davinci.platform.evaluation.outcomes import load_outcomes, sample_rows, spread, write_outcomes
from davinci.platform.store.records import Outcomes


@pytest.mark.parametrize(
    ("text", "final", "right"),
    [
        ("The result is 7.", "7", True),
        (" grey", "grey", True),
        ("7 7 7", "7", False),
        ("1 2 3 4 5 6 7", "7", False),
        ("It is 3, no 5, maybe 7", "7", False),
        ("The result is not 7.", "7", False),
        ("d=c-2=9-2=7.", "7", True),
        ("3 + 4 = 7.\nThe result is 7.\n", "7", True),
        ("The result is 17.", "7", False),
        ("The result is -7.", "7", False),
        ("The result is 0.7", "7", False),
        ("7 is the result", "7", False),
        ("The result is 7.\nThe result is 8.", "7", False),
        ("The result is -7.", "-7", True),
        ("", "7", False),
        ("anything", "", False),
    ],
)
def test_the_last_word_of_the_last_line_answers(text: str, final: str, right: bool) -> None:
    assert final_answer_is(text, final) is right


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("a = 1\nb = 2\nc = 3", 1.0),
        ("  a = 1\n\nb = 2\nc = 4", 2 / 3),
        ("c = 3\na = 1\nb = 2", 2 / 3),
        ("b = 2", 1 / 3),
        ("x\na = 1\ny\nc = 3", 2 / 3),
        ("", 0.0),
    ],
)
def test_the_step_rate_counts_expected_lines_in_order(text: str, rate: float) -> None:
    assert step_rate(text, "a = 1\nb = 2\nc = 3") == pytest.approx(rate)


def test_steps_need_an_answer_to_compare_with() -> None:
    with pytest.raises(ValueError, match="answer"):
        step_rate("a", " \n")


def test_a_signature_belongs_to_the_program_and_a_task_in_words_does_not() -> None:
    signature = Item(id="a", prompt="def f(x):\n", answer="    return x", check="execute")
    words = Item(id="b", prompt="Write f that returns x.\n", answer="def f(x): return x")
    assert program_of(signature, "    return 1") == "def f(x):\n    return 1"
    assert program_of(words, "def f(x): return 1") == "def f(x): return 1"


@pytest.mark.parametrize("num_tokens", [2, 5, 9, 10, 13, 30])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_sliding_windows_score_every_token_once_with_context(num_tokens: int, stride: int) -> None:
    tokens, scored = list(range(num_tokens)), []
    for window, num_scored in sliding_windows(tokens, context_length=8, stride=stride):
        assert 2 <= len(window) <= 9
        assert window == list(range(window[0], window[-1] + 1))
        if window[0] > 0:
            assert len(window) - num_scored > 8 - stride
        scored += window[-num_scored:]
    assert scored == tokens[1:]


def test_a_choice_of_items_is_spread_over_all() -> None:
    assert spread(10, 0) == spread(10, 10) == list(range(10))
    assert spread(10, 4) == [0, 2, 5, 7]
    assert len(sample_rows([{"id": str(i)} for i in range(120)])) == 12


def test_outcomes_come_back_as_they_were_written(tmp_path: Path) -> None:
    outcomes = Outcomes(
        benchmark="held_out_math",
        domain="math",
        protocol="bpb",
        metric="bits_per_byte",
        higher_is_better=False,
        item_ids=("math/0", "math/1"),
        values=np.array([1.5, 0.5]),
        weights=np.array([10.0, 30.0]),
        samples=({"id": "math/0", "prompt": "é", "expected": "", "got": "", "value": "1.5"},),
    )
    write_outcomes([outcomes], tmp_path)
    assert "NaN" not in (tmp_path / "result.json").read_text()
    (loaded,) = load_outcomes(tmp_path)
    assert loaded.item_ids == outcomes.item_ids
    assert loaded.samples == outcomes.samples
    assert math.isnan(loaded.chance)
    assert loaded.score == pytest.approx(0.75)
