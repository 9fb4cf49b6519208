"""L2: every reason to drop, on a document made for it, and none on good ones."""

import random

import pytest

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.levels.selection.rules import Broken, check_rules, rule_broken
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


def make(text: str, form: str = "text", **meta: str) -> Document:
    domain: Domain = "code" if form == "code" else "general"
    return Document(id="a", domain=domain, text=text, meta={"format": form, **meta})


def reason(text: str, form: str = "text", rules: RuleSettings = RULES) -> str | None:
    broken = rule_broken(make(text, form), rules=rules)
    return None if broken is None else broken.reason


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


@pytest.mark.parametrize(
    ("text", "rules", "expected"),
    [
        ("Too short. ", RULES, Broken("too_short", "10 characters")),
        (GOOD_PROSE, RuleSettings(max_chars=9), Broken("too_long", "266 characters")),
        ("\ufffd" * 10 + " " + "a" * 10 + " x" * 20, RuleSettings(max_garbled_frac=0.2),
         Broken("garbled", "0.25")),
        ("Home is where the heart is\n" * 4, RULES, Broken("repeated_lines", "0.75")),
    ],
)  # fmt: skip
def test_the_value_that_decided_is_told(text: str, rules: RuleSettings, expected: Broken) -> None:
    assert rule_broken(make(text), rules=rules) == expected


def test_wanted_languages_are_kept_and_others_named() -> None:
    german = "Der Fluss entspringt in den Hügeln und ist nicht lang, aber das Wasser ist klar."
    rules = RuleSettings(languages=("de", "fr"))
    assert reason(german, rules=rules) is None
    assert reason("Le soleil se lève à l'est et se couche à l'ouest.", rules=rules) is None
    broken = rule_broken(make(GOOD_PROSE), rules=rules)
    assert broken == Broken("other_language", "en, wanted 0.00")
    assert reason(GOOD_CODE, "code", rules) is None


def test_a_language_must_be_likely_enough() -> None:
    numbers = "1234567 8910 1112 1314 1516 1718 1920 2122 2324"  # in no language
    assert reason(numbers, rules=RuleSettings(languages=("en",))) == "other_language"
    anything = RuleSettings(languages=("en",), min_language_probability=0.0)
    assert reason(numbers, rules=anything) is None


@pytest.mark.parametrize("meta", [{"extracted_from": "pdf"}, {"format": "pdf"}])
def test_small_pdfs_are_dropped_by_the_bytes_of_the_file_or_else_of_the_text(
    meta: dict[str, str],
) -> None:
    def broken(text: str, **more: str) -> Broken | None:
        document = Document(id="a", domain="science", text=text, meta={**meta, **more})
        return rule_broken(document, rules=RuleSettings(min_pdf_bytes=300))

    assert broken(GOOD_PROSE) == Broken("pdf_below_min_bytes", "266 bytes")
    assert broken(GOOD_PROSE, raw_bytes="300") is None
    assert broken(GOOD_PROSE, raw_bytes="299") == Broken("pdf_below_min_bytes", "299 bytes")
    assert broken(GOOD_PROSE + "\n\n" + "é" * 16) is None  # 284 characters, 300 bytes


def test_what_is_no_pdf_may_be_small() -> None:
    assert reason(GOOD_PROSE, rules=RuleSettings(min_pdf_bytes=10_000)) is None


@pytest.mark.parametrize(
    ("stars", "expected"),
    [("9", Broken("too_few_stars", "9 stars")), ("10", None), ("many", None), ("", None)],
)
def test_repositories_with_few_stars_are_dropped_where_stars_are_known(
    stars: str, expected: Broken | None
) -> None:
    assert rule_broken(make(GOOD_CODE, "code", stars=stars), rules=RULES) == expected
    assert rule_broken(make(GOOD_CODE, "code"), rules=RULES) is None


def test_unknown_languages_and_sets_of_rules_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'english' \(`data.rules.languages`\); known: .*\ben\b"):
        check_rules(RuleSettings(languages=("de", "english")))
    with pytest.raises(ValueError, match=r"`data.rules.published`.*Did you mean 'gopher_quality'"):
        check_rules(RuleSettings(published=("gopher_qualities",)))
    check_rules(RuleSettings(languages=("en",), published=("c4", "fineweb")))
