"""L2: every reason to drop, on a document made for it, and none on good ones."""

import random

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels import l2
from davinci.data_levels.levels.near_duplicates import drop_near_duplicates
from davinci.data_levels.settings import RuleSettings

RULES = RuleSettings()

GOOD_PROSE = """The river rises in the hills to the north of the town and runs for ninety miles.

It is fed by melting snow, which is why the water is highest in April and lowest in autumn.
A weir that was built in 1820 keeps the level steady for the mills that used to stand there."""

GOOD_CODE = '''def mean(values):
    """Return the mean."""
    total = 0
    for value in values:
        total += value
    return total / len(values)
'''


def make(text: str, form: str = "text", name: str = "a") -> Document:
    domain = "code" if form == "code" else "general"
    return Document(id=name, domain=domain, text=text, meta={"format": form})  # type: ignore[arg-type]


def reason(text: str, form: str = "text", rules: RuleSettings = RULES) -> str | None:
    return l2.rule_broken(make(text, form), rules=rules)


def coded(alphabet: str) -> str:
    rng = random.Random(0)
    return "\n".join("".join(rng.choices(alphabet, k=50)) for _ in range(8))


@pytest.mark.parametrize(("text", "form"), [(GOOD_PROSE, "text"), (GOOD_CODE, "code")])
def test_good_documents_break_no_rule(text: str, form: str) -> None:
    assert reason(text, form) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Too short.", "too_short"),
        ("word " * 250_000, "too_long"),
        ("\ufffd\ufffd\ufffd\ufffd " * 20 + "some words are left", "garbled"),
        (coded("0123456789abcdef"), "garbled"),
        (coded("#%~@{}[]^|<>&*"), "garbled"),
        ("x" * 900, "garbled"),
        ("Der Fluss entspringt in den Hügeln und ist nicht sehr lang, aber das Wasser ist klar.",
         "not_english"),
        ("W górach od tygodnia leży dużo śniegu. Dzieci uczą się w szkole dodawać i odejmować.",
         "not_english"),
        ("Москва является столицей России и крупнейшим по населению городом страны.",
         "not_english"),
        ("Home\nAbout\nThis is the news of the day for you\n" + "Read more of it here\n" * 4,
         "repeated_lines"),
        ("this is the best price for it and the best shop to be\n\n" + "buy cheap now " * 20,
         "repeated_ngrams"),
    ],
)  # fmt: skip
def test_prose_is_dropped_for_the_named_reason(text: str, expected: str) -> None:
    assert reason(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "too_short"),
        ("# Copyright the authors. All rights are reserved.\n\n# Licensed as is.\n",
         "only_comments"),
        ("data = '" + "word " * 300 + "'\n", "long_lines"),
        ("table = [\n" + "1.5, 2.25, 3.75, -4.125,\n5.5, 6.5,\n" * 10 + "]\n", "few_letters"),
        ("    value = compute_the_next_value(value)\n" * 9, "repeated_lines"),
        (coded("0123456789abcdef"), "garbled"),
    ],
)  # fmt: skip
def test_code_is_dropped_for_the_named_reason(text: str, expected: str) -> None:
    assert reason(text, "code") == expected


def test_code_is_not_judged_by_english_stop_words_or_short_repeated_lines() -> None:
    code = "def f(x):\n    if x:\n        return 1\n    else:\n        return 2\n" * 2
    assert reason(code + GOOD_CODE, "code") is None
    assert (
        reason("SELECT name, price FROM goods WHERE price > stock ORDER BY price", "code") is None
    )


def test_short_prose_is_not_judged_by_stop_words() -> None:
    assert reason("Answer: 7 apples remain, hence Anna eats three.") is None


def test_exercises_worded_alike_are_not_repetition() -> None:
    exercises = [
        f"Let a={n}, and then let b=a+1, and then let c=b+{n}. What is c?\nIt is {2 * n + 1}."
        for n in range(9)
    ]
    assert reason("\n\n".join(exercises)) is None


def test_limits_are_settings() -> None:
    assert reason(GOOD_PROSE, rules=RuleSettings(min_chars=10_000)) == "too_short"
    assert reason(GOOD_PROSE, rules=RuleSettings(max_chars=100)) == "too_long"
    assert reason(GOOD_PROSE, rules=RuleSettings(min_english_stop_words=50)) == "not_english"


def test_the_first_of_exact_duplicates_stays() -> None:
    documents = [make("one", name="a"), make("two", name="b"), make("one", name="c")]
    kept, dropped, edited = l2.drop_exact_duplicates(documents)
    assert [document.id for document in kept] == ["a", "b"]
    assert [(drop.document.id, drop.reason) for drop in dropped] == [("c", "exact_duplicate")]
    assert edited == 0


def paragraph(seed: int, num_words: int = 120) -> str:
    rng = random.Random(seed)
    words = ["stone", "river", "cloud", "the", "is", "of", "and", "mill", "grain", "to", "with"]
    return " ".join(rng.choice(words) + str(rng.randrange(9)) for _ in range(num_words))


def test_near_duplicates_are_found_and_different_texts_are_not() -> None:
    originals = [make(paragraph(seed), name=f"o{seed}") for seed in range(20)]
    copies = [
        make(
            "Home | About | Contact\n" + document.text + "\nCopyright 2020", name="c" + document.id
        )
        for document in originals
    ]
    kept, dropped, _ = drop_near_duplicates([*originals, *copies], RULES)
    assert [document.id for document in kept] == [document.id for document in originals]
    assert {drop.reason for drop in dropped} == {"near_duplicate"}


def test_half_changed_texts_are_no_near_duplicates() -> None:
    documents = [make(paragraph(1) + paragraph(seed), name=str(seed)) for seed in range(2, 8)]
    kept, _, _ = drop_near_duplicates(documents, RULES)
    assert len(kept) == 6


def test_marks_tell_formulas_apart() -> None:
    plus = "\n".join(f"{n} + {n} gives the number {n} + {n}" for n in range(20))
    documents = [make(plus, name="a"), make(plus.replace("+", "-"), name="b")]
    assert len(drop_near_duplicates(documents, RULES).kept) == 2


def test_very_short_texts_are_near_duplicates_only_when_their_words_are_the_same() -> None:
    documents = [make("One two", name="a"), make("one, three", name="b"), make("one TWO", name="c")]
    kept, dropped, _ = drop_near_duplicates([*documents, make("", name="d")], RULES)
    assert [document.id for document in kept] == ["a", "b", "d"]
    assert [drop.document.id for drop in dropped] == ["c"]


def test_every_step_accounts_for_every_document() -> None:
    documents = [make(GOOD_PROSE, name="a"), make(GOOD_PROSE, name="b"), make("no", name="c"),
                 make(GOOD_PROSE.replace("ninety", "eighty"), name="d")]  # fmt: skip
    runs = l2.run(documents, RULES)
    assert [run.name for run in runs] == ["rules", "exact_duplicates", "near_duplicates"]
    assert [len(run.result.dropped) for run in runs] == [1, 1, 1]
    assert [document.id for document in runs[-1].result.kept] == ["a"]
