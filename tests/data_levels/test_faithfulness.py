"""L4, L5 and L6: what their checks catch, what they let pass, and what they are known to miss."""

import pickle
from collections.abc import Mapping
from time import process_time

import pytest

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.levels.faithful import arithmetic, evidence, notation, residue
from davinci.data_levels.levels.faithful.faithfulness import (
    completion_checks,
    context_checks,
    refinement_checks,
)
from davinci.data_levels.levels.operator import Check
from davinci.data_levels.settings import CompletionSettings, ContextSettings, RefinementSettings

CLEANED = refinement_checks(RefinementSettings())
REWRITTEN = refinement_checks(RefinementSettings(mode="rewrite"))
COMPLETED = completion_checks(CompletionSettings())
ASKED = completion_checks(CompletionSettings(task="qa"))
ENRICHED = context_checks(ContextSettings())

BOILING = (
    "Water boils at 100 degrees Celsius at sea level, and at 93 at 2000 metres. The air is "
    "thinner there, so that less heat is needed before bubbles can form in the water."
)
LESSON = (
    "# Falling bodies\n\nA stone falls freely from a tower. Its speed grows by 9.81 every second, "
    "so that $v = g t$ holds.\n\n```\nspeed = gravity * seconds\n```\n\nAfter 2 seconds it "
    "covers 4.9 * 4 = 19.6 metres. Heavy stones and light stones reach the ground together."
)


def broken(
    checks: Mapping[str, Check], before: str, after: str, domain: Domain = "science"
) -> dict[str, str]:
    """Return the evidence by the checks that found any."""
    documents = [Document(id="a", domain=domain, text=text) for text in (before, after)]
    found = {name: check(documents[0], documents[1]) for name, check in checks.items()}
    return {name: text for name, text in found.items() if text}


# ------------------------------------------------------------------------------------- L4


@pytest.mark.parametrize(
    ("old", "new", "check", "told"),
    [
        ("93", "94", "adds_no_numbers", "adds the number 94"),
        ("form in", "form (about 100) in", "adds_no_numbers", "adds the number 100"),
        ("at 93", "at -93", "adds_no_numbers", "adds the number -93"),
        ("Celsius", "Celsius, $T = 5$,", "adds_no_formulas", "adds the formula T = 5"),
        ("metres.", "metres.\n\n```\nboil(water)\n```\n\n", "adds_no_code", "adds the code boil("),
        ("at sea", "as Fahrenheit saw at sea", "adds_no_entities", "adds the name Fahrenheit"),
        ("at sea", "at IUPAC sea", "adds_no_entities", "adds the name IUPAC"),
        (
            "metres.",
            "metres. Mountain villagers cook potatoes longer.",
            "adds_no_words",
            "of the content words are new, such as villagers, mountain, potatoes",
        ),
        (
            "metres.",
            "metres. Bubbles can heat the air before the sea.",
            "adds_no_sentences",
            "adds the sentence Bubbles can heat the air before the sea",
        ),
        ("is needed", "is not needed", "adds_no_negations", "adds the negation not"),
        ("is needed", "isn\u2019t needed", "adds_no_negations", "adds the negation not"),
    ],
)
def test_what_cleaning_adds_is_told(old: str, new: str, check: str, told: str) -> None:
    assert told in broken(CLEANED, BOILING, BOILING.replace(old, new, 1))[check]


def test_one_sentence_of_new_words_is_found_in_a_long_document_too() -> None:
    long = "\n\n".join(f"{BOILING} Line {number}." for number in range(50))
    planted = long.replace("Line 30.", "Line 30. Walruses never play the trombone.")
    found = broken(CLEANED, long, planted)
    assert found["adds_no_words"] == "adds the sentence Walruses never play the trombone"
    assert evidence.novel_frac(long, planted) < 0.01


def test_length_is_bounded_both_ways_white_space_aside() -> None:
    padded = BOILING.replace(" ", "    ")
    assert broken(CLEANED, BOILING, padded) == broken(CLEANED, padded, BOILING) == {}
    assert "length_within_bounds" in broken(CLEANED, BOILING, BOILING + BOILING)
    assert "length_within_bounds" in broken(CLEANED, BOILING, "Water.")
    assert broken(CLEANED, BOILING, BOILING.partition(".")[0]) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The tempera-\nture of the sur face rises.", "The temperature of the surface rises."),
        ("The temperature ofthe surface.", "The temperature of the surface."),
        ("t e m p e r a t u r e rises", "temperature rises"),
        ("It costs 1 000 000 and 12 345 francs.", "It costs 1,000,000 and 12345 francs."),
        ("The set {1,2,3} and 1,200 more.", "The set {1, 2, 3} and 1200 more."),
        ("It is 3 . 14 or 3,14 or .5 here.", "It is 3.14 or 3.14 or 0.5 here."),
        ("In 1 9 8 7 and on pages 12-\n34.", "In 1987 and on pages 12-34."),
        ("It was in 19-\n87.", "It was in 1987."),
        ("At \u22125 and 10\u00b2 and m\u00b3.", "At -5 and 10^2 and m^3."),
        ("Now x 2 + 1 = 0 and a \u00d7 b = c.", "Now $x^2 + 1 = 0$ and $a \\times b = c$."),
        ("Let a equals b plus 3.", "Let a=b+3."),
        ("\\frac{a}{b} = \u03b1 holds", "$a/b = \\alpha$ holds"),
        ("x = f( 1 )\ny = 2", "```\nx = f(1)\ny = 2\n```"),
        ("he said it was Boston.  it is IN usa", "He said it was Boston. It is in USA"),
        ("It does not run. It can not.", "It doesn't run. It cannot."),
        ("Of the 3 kinds two do", "Of the three kinds 2 do"),
        ("Menu | Home | Log in\n\nWater boils.\n\nPage 3 of 40", "Water boils."),
        ("\u6e29\u5ea6\u4e0a\u5347 [1]", "\u6e29\u5ea6\n\u4e0a\u5347"),
    ],
)
def test_repairs_are_no_additions(before: str, after: str) -> None:
    assert broken(CLEANED, before, after) == {}


def test_two_neighbouring_numbers_do_not_make_a_third() -> None:
    assert "adds_no_numbers" in broken(CLEANED, "From 4 5 came.", "From 45 came.")


def test_code_may_be_formatted_anew_but_not_altered() -> None:
    before = "def f(v): x = ((v + 2) * 3) - 1; return x\n"
    after = "def f(v):\n    x = (v + 2) * 3 - 1\n    return x\n"
    assert broken(CLEANED, before, after, "code") == {}
    altered = after.replace("(v + 2) * 3", "v + 2 * 3")
    assert list(broken(CLEANED, before, altered, "code")) == ["adds_no_code"]


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("formulas", [f"Then $x_{n} = {n} y + z$." for n in range(8)]),
        ("lines of code", [f"```\nrun(step, {n})\n```" for n in range(8)]),
        ("table rows", [f"| row {n} | heat |" for n in range(8)]),
        ("labels", [f"Exercise {n}. Boil it." for n in range(8)]),
        ("citations", [f"As was shown [{n}]." for n in range(20, 28)]),
    ],
)
def test_cleaning_may_delete_half_of_what_is_protected(kind: str, items: list[str]) -> None:
    before = "\n\n".join([BOILING, *items])
    assert broken(CLEANED, before, "\n\n".join([BOILING, *items[4:]])) == {}
    found = broken(CLEANED, before, "\n\n".join([BOILING, *items[5:]]))
    assert f"loses 5 of 8 {kind}" in found["keeps_protected"]


def test_rewriting_may_turn_sentences_around_but_not_add() -> None:
    turned = (
        "Because the air is thinner at 2000 metres, bubbles form in water with less heat: it "
        "boils at 93 degrees Celsius there, not at 100 as at sea level."
    )
    assert broken(REWRITTEN, BOILING, turned) == {}
    assert "adds_no_numbers" in broken(REWRITTEN, BOILING, turned.replace("93", "94"))
    assert "length_within_bounds" in broken(REWRITTEN, BOILING, turned[:50])


# ------------------------------------------------------------------------------------- L5


def test_a_completion_may_add_steps_and_reasons() -> None:
    completed = LESSON.replace(
        "covers 4.9 * 4 = 19.6",
        "covers half of 9.81, which is about 4.9, times the square of 2 * 2 = 4, so 4.9 * 4 = 19.6",
    ).replace("holds.", "holds: the speed is zero at first and 9.81 * 1 = 9.81 a second later.")
    assert broken(COMPLETED, LESSON, completed) == {}


@pytest.mark.parametrize(
    ("old", "new", "check", "told"),
    [
        ("9.81", "gravity", "keeps_numbers", "loses the number 9.81"),
        ("g t$", "g + t$", "keeps_formulas", "loses the formula v = g t"),
        ("speed = gravity * seconds", "", "keeps_code", "loses the code speed = gravity * seconds"),
        ("# Falling bodies", "", "keeps_headings", "loses the heading Falling bodies"),
        (
            "Heavy stones and light stones reach the ground together.",
            "",
            "ends_where_source_ends",
            "does not end with Heavy stones and light stones reach",
        ),
        ("# Falling bodies", "# Motion", "begins_where_source_begins", "begin with # Falling bo"),
        (
            "A stone falls freely from a tower. Its speed grows by",
            "It goes",
            "keeps_sentences",
            "loses the sentence A stone falls freely from a tower",
        ),
        (
            "= 19.6",
            "= 19.6, while 3 + 4 = 8",
            "contradicts_no_equation",
            "states the false 3+4 = 8",
        ),
        ("together.", "together, as the passage says.", "self_contained", "points at the passage"),
        ("together.", "together.\n</completed>", "no_chat_residue", "of its task: </completed>"),
    ],
)
def test_what_completing_loses_or_contradicts_is_told(
    old: str, new: str, check: str, told: str
) -> None:
    assert told in broken(COMPLETED, LESSON, LESSON.replace(old, new, 1))[check]


def test_a_completion_stops_where_its_source_stops() -> None:
    beyond = " Next we look at what happens on a slope." * 8
    assert list(broken(COMPLETED, LESSON, LESSON + beyond)) == ["ends_where_source_ends"]
    assert broken(COMPLETED, LESSON, f"{LESSON} In short, weight does not matter.") == {}
    assert "not_shortened" in broken(COMPLETED, LESSON, LESSON[: len(LESSON) // 2])


def test_an_expression_keeps_its_value() -> None:
    source = "With heat + work = 12 the gas expands."
    assert broken(COMPLETED, source, f"{source} Again, heat + work = 12.") == {}
    other = "With heat + work = 21 the gas expands. It was 12."
    assert (
        "source with heat+work = 21" in broken(COMPLETED, source, other)["contradicts_no_equation"]
    )


def test_a_false_equation_of_the_source_may_stay() -> None:
    source = "They wrote 2 + 2 = 5 on the wall."
    assert broken(COMPLETED, source, f"{source} Nobody objected to that.") == {}


# ----------------------------------------------------------------------- questions, L6, residue

PASSAGE = "The pulse covers 3 m at 6 m/s. It was measured in Geneva."
PAIR = "Question: How long does the pulse last?\nAnswer: It covers 3 m at 6 m/s: 3 / 6 = 0.5 s."


def test_a_grounded_pair_passes() -> None:
    assert broken(ASKED, PASSAGE, PAIR) == {}


@pytest.mark.parametrize(
    ("after", "check"),
    [
        (PASSAGE, "has_pairs"),
        (PAIR.replace("0.5 s", "0.5 s, or 7 in all"), "answers_grounded"),
        (PAIR.replace("= 0.5", "= 0.5 as in Zurich"), "answers_grounded"),
        (PAIR.replace("3 / 6 = 0.5", "3 / 6 = 2"), "answers_grounded"),
        (PAIR.replace("3 / 6 = 0.5", "3 / 6 = 2"), "contradicts_no_equation"),
        (PAIR.replace("How long", "In Figure 3, how long"), "questions_stand_alone"),
        (PAIR.replace("How long", "According to the text, how long"), "questions_stand_alone"),
        (f"{PAIR}\n</pairs>", "no_chat_residue"),
    ],
)
def test_a_pair_that_is_not_grounded_or_points_away_is_told(after: str, check: str) -> None:
    assert check in broken(ASKED, PASSAGE, after)


def test_context_is_added_within_the_limit() -> None:
    assert broken(ENRICHED, BOILING, f"{BOILING} {LESSON[:100]}") == {}
    assert list(broken(ENRICHED, BOILING, f"{BOILING} {LESSON}")) == ["added_within_limit"]
    assert list(broken(ENRICHED, BOILING, BOILING.replace("93", "less"))) == ["keeps_numbers"]


@pytest.mark.parametrize(
    "residue_text",
    [
        "Here is the cleaned text:",
        "Here's the rewritten passage.",
        "As an AI language model, I cannot see images.",
        "I hope this helps! Let me know if you need more.",
        "<think>The user wants me to clean this.</think>",
        "<|im_start|>assistant",
        "[INST] Clean. [/INST]",
        "I have removed all page numbers.",
        "You are an editor, not an author: everything in your answer must already stand in the "
        "passage.",
    ],
)
def test_chat_residue_counts_only_where_the_document_did_not_have_it(residue_text: str) -> None:
    with_it = f"{residue_text}\n\n{BOILING}"
    assert residue.new_chat(BOILING, with_it)
    assert residue.new_chat(with_it, with_it) is None
    assert residue.new_chat(with_it, f"{with_it}\n\n{residue_text}")


def test_checks_can_be_sent_to_other_processes() -> None:
    for checks in (CLEANED, REWRITTEN, COMPLETED, ASKED, ENRICHED):
        for name, check in pickle.loads(pickle.dumps(checks)).items():
            document = Document(id="a", domain="science", text=BOILING)
            assert check(document, document) == checks[name](document, document)


# ------------------------------------------------------------------------ the parts by themselves


def test_equations_are_read_out_of_prose() -> None:
    text = "We get 3 + 4 = 7 = 2 + 6, b=a*2=4*2=8. So 2x + 3*4 = 20, 7 = 1 mod 3, value == 3+4."
    assert list(map(str, arithmetic.equations(text))) == ["3+4 = 7", "7 = 2+6", "4*2 = 8"]
    assert [arithmetic.is_false(one) for one in arithmetic.equations(text)] == [False, True, False]


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2+3*4", 14), ("(2+3)*4", 20), ("-2^2", -4), ("2^-1*4", 2), ("1,000-1", 999), ("8/4/2", 1)],
)
def test_expressions_are_worked_out(expression: str, value: int) -> None:
    assert arithmetic.value_of(expression) == value


@pytest.mark.parametrize("expression", ["1/0", "2+", "(2", "9^9^9", "2^0.5", "", "1" * 300])
def test_what_has_no_value_that_we_trust_is_neither_true_nor_false(expression: str) -> None:
    equation = arithmetic.Equation(expression, "1")
    assert arithmetic.value_of(expression) is None
    assert not arithmetic.is_true(equation)
    assert not arithmetic.is_false(equation)


def test_roundings_agree_and_whole_numbers_do_not_round() -> None:
    assert arithmetic.is_true(arithmetic.Equation("1/3", "0.33"))
    assert arithmetic.is_false(arithmetic.Equation("500+500", "1001"))


def test_formulas_are_found_in_latex_and_in_plain_text() -> None:
    text = "Here E = m c and $x^{2}$, see http://a.b/?x=3&y=4, n_jobs=2 and/or 2010-2012, 1.5e+03."
    assert list(notation.formulas(text).values()) == ["x^{2}", "E = m", "n_jobs=2"]


@pytest.mark.parametrize(
    ("text", "formula", "held"),
    [
        ("So x 2 + 1 holds.", "x2+1", True),
        ("So x 2 - 1 holds.", "x2+1", False),
        ("Where x=12 and x=1.5.", "x=1", False),
        ("Where max=1.", "x=1", False),
        ("Where x = 1. 8 times 0 is 0.", "x=1", True),
    ],
)
def test_a_formula_is_held_as_a_whole_whatever_its_spaces(
    text: str, formula: str, held: bool
) -> None:
    assert notation.holds_formula(text, formula) is held


def test_headings_are_no_comments_in_code() -> None:
    text = (
        "# One two\n\n```\n# not this one\n```\n\n1.2 Second part\n\nThird\n=====\n\n"
        "FOURTH PART\n\nChapter 5 Fifth"
    )
    assert notation.headings(text) == [
        *("One two", "1.2 Second part", "Third", "FOURTH PART", "Chapter 5 Fifth")
    ]


@pytest.mark.parametrize(
    "unit",
    ["1 ", "1,", "-1 ", "$ ", "\\[", "| ", "(", "x=", "1+1=", "1+1=3 ", "A", "I am ", "```\n"],
)
def test_strange_long_documents_take_no_strange_time(unit: str) -> None:
    text = unit * (60_000 // len(unit))
    started = process_time()
    broken({**CLEANED, **COMPLETED}, text, f"{text} zz 77")
    assert process_time() - started < 6
