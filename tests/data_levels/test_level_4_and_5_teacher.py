"""L4 and L5: a teacher's answer is checked before it is believed."""

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels import faithfulness as measure
from davinci.data_levels.levels import l4, l5
from davinci.data_levels.levels.step import StepRun

BEFORE = "Menu | Home. Water boils at 100 degrees Celsius at sea level, and at 93 at 2000 metres."
CLEAN = "Water boils at 100 degrees Celsius at sea level, and at 93 at 2000 metres."


class Scripted:
    """A teacher who answers every document with the same text."""

    label = "scripted"

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def refine(self, document: Document) -> str:
        return self.answer

    def complete(self, document: Document) -> str:
        return self.answer


def teach(level: str, answer: str) -> StepRun:
    documents = [Document(id="a", domain="science", text=BEFORE)]
    run = l4.run if level == "L4" else l5.run
    return run(documents, Scripted(answer))[0]


def broken(step: StepRun) -> list[str]:
    return [invariant.name for invariant in step.invariants if invariant.violations]


def test_a_faithful_refinement_is_taken() -> None:
    step = teach("L4", CLEAN)
    assert step.result.kept[0].text == CLEAN
    assert (step.result.edited, step.kept_original, broken(step)) == (1, 0, [])


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (CLEAN.replace("93", "94"), "adds_no_numbers"),
        (CLEAN + " Yes, 100.", "adds_no_numbers"),
        (CLEAN + " Pressure falls with height.", "adds_no_words"),
        (CLEAN + " Water boils at sea level." * 3, "length_within_bounds"),
        ("Here is the cleaned text: " + CLEAN, "no_chat_residue"),
    ],
)
def test_a_refinement_that_adds_something_is_refused_and_counted(answer: str, rule: str) -> None:
    step = teach("L4", answer)
    assert step.result.kept[0].text == BEFORE
    assert step.kept_original == 1
    assert step.result.edited == 0
    assert rule in broken(step)
    assert "1 answers broke a rule" in step.notes[0]


def test_nothing_left_is_a_named_drop() -> None:
    for level in ("L4", "L5"):
        step = teach(level, " \n")
        assert [drop.reason for drop in step.result.dropped] == ["teacher_left_nothing"]
        assert step.result.kept == []


def test_a_completion_may_add_but_not_lose_numbers() -> None:
    added = CLEAN + " The difference is 7 degrees, since 100 - 93 = 7."
    assert teach("L5", added).result.kept[0].text == added
    lost = teach("L5", "Water boils at 100 degrees, and earlier at 2000 metres.")
    assert lost.result.kept[0].text == BEFORE
    assert broken(lost) == ["keeps_numbers"]


def test_joining_a_split_word_adds_nothing() -> None:
    assert measure.novel_word_frac("the tempera- ture rises", "the temperature rises") == 0.0
    assert measure.novel_word_frac("granite rises", "granite falls") == 0.5


def test_numbers_are_compared_as_a_multiset() -> None:
    assert not measure.adds_numbers("3 and 3 and 4.5", "4.5 and 3")
    assert measure.adds_numbers("3 and 4.5", "3 and 3")
    assert measure.adds_numbers("45", "4 5")


def test_order_is_kept_when_several_documents_are_asked_about_at_once() -> None:
    documents = [Document(id=str(n), domain="math", text=f"Text number {n}.") for n in range(50)]

    class Echo(Scripted):
        def refine(self, document: Document) -> str:
            return document.text

    [step] = l4.run(documents, Echo(""), concurrency=8)
    assert step.result.kept == documents
