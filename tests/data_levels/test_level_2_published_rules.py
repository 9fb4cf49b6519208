"""L2: every published rule, on a text made to break it, and none on good prose."""

import random

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels.selection.published_rules import PUBLISHED, published_rule_broken
from davinci.data_levels.levels.selection.rules import rule_broken
from davinci.data_levels.levels.selection.word_tokenizer import ENGLISH
from davinci.data_levels.settings import RuleSettings

GOOD = """The river rises in the hills to the north of the town and runs for miles to the sea.
It is fed by melting snow, which is why the water is highest in April and lowest in autumn.
A weir that was built in 1820 keeps the level steady for the mills that used to stand there.
Do the salmon still come up so far? They do, because a ladder of pools was built for them.
Dr. Smith counted four hundred of them in a single night, and nobody has doubted her since."""


def words(rng: random.Random, num_words: int) -> str:
    """Return made-up words of 5 letters."""
    return " ".join(
        rng.choice("bcdfgklmnprst") + "".join(rng.choices("aeioulnrst", k=4))
        for _ in range(num_words)
    )


def prose(num_lines: int = 12, stop_words: str = "with the") -> str:
    """Return lines of 15 words each, none of them repeated to speak of."""
    rng = random.Random(0)
    return "\n".join(
        f"{words(rng, 12).capitalize()} {stop_words} {words(rng, 1)}." for _ in range(num_lines)
    )


def with_run(run: str, times: int, num_between: int) -> str:
    """Return one line in which a run of words stands again and again between others."""
    rng = random.Random(1)
    return " ".join(f"{words(rng, num_between)} {run}" for _ in range(times))


def with_runs_twice(num_words: int, frac: float) -> str:
    """Return one line in which ten runs of words stand twice; `frac` of its characters repeat.

    A run has 5 characters a word without spaces, the line 6 with them, so that the line must have
    10 * 5 * num_words / (6 * frac) words in all.
    """
    rng = random.Random(2)
    runs = [words(rng, num_words) for _ in range(10)]
    num_all = round(10 * 5 * num_words / (6 * frac))
    between = (num_all - 20 * num_words) // 20
    return " ".join(f"{run} {words(rng, between)}" for run in runs * 2)


LINES = prose(12).split("\n")

GOPHER_QUALITY = {
    "gopher_too_few_words": "The sea and the land have met with it. " * 4,  # 36 words of the 50
    "gopher_too_many_words": "the sea and land " * 25_001,
    "gopher_words_too_short": "to be of at it " * 12,
    "gopher_words_too_long": "the and electroencephalographically " * 20,
    "gopher_too_many_hashes": prose().replace(" with", " # # with"),
    "gopher_too_many_ellipses": prose().replace(" with", " ... … with"),
    "gopher_too_many_bullet_lines": "\n".join(f"- {line}" for line in LINES),
    "gopher_too_many_ellipsis_lines": prose().replace(".", "..."),
    "gopher_too_few_words_with_letters": prose().replace(" with", " 12345" * 4 + " with"),
    "gopher_too_few_stop_words": prose(stop_words="in its"),
}
GOPHER_REPETITION = {
    "gopher_empty": "",
    "gopher_repeated_paragraphs": prose() + "\n\nSee here." * 5,
    "gopher_repeated_paragraph_chars": "\n\n".join([LINES[0] * 3, *LINES[1:6], LINES[0] * 3]),
    "gopher_repeated_lines": prose() + "\nSee here." * 10,
    "gopher_repeated_line_chars": "\n".join([LINES[0] * 3, *LINES[1:6], LINES[0] * 3]),
    "gopher_top_2_gram": with_run("remarkably inexpensive", 10, 8),
    "gopher_top_3_gram": with_run("very cheap offers", 10, 8),
    "gopher_top_4_gram": with_run("a new and good", 10, 8),
    "gopher_repeated_5_grams": with_runs_twice(5, 0.17),
    "gopher_repeated_6_grams": with_runs_twice(6, 0.155),
    "gopher_repeated_7_grams": with_runs_twice(7, 0.145),
    "gopher_repeated_8_grams": with_runs_twice(8, 0.13),
    "gopher_repeated_9_grams": with_runs_twice(9, 0.12),
    "gopher_repeated_10_grams": with_runs_twice(10, 0.11),
}
C4 = {
    "c4_lorem_ipsum": GOOD + "\nThis is where lorem ipsum stands.",
    "c4_curly_bracket": GOOD + "\nThis is where a { stands.",
    "c4_too_few_sentences": "\n".join(GOOD.split("\n")[:4]).replace(
        "Do the salmon still come up so far? ", ""
    ),  # 5 sentences, 2 of them in one line
}
FINEWEB = {
    "fineweb_empty": "\n \n",
    "fineweb_too_few_lines_end_in_punctuation": GOOD.replace(".\n", "\n").replace(
        "since.", "since"
    ),
    "fineweb_too_many_short_lines": GOOD
    + "\nSee here."
    + "".join(f"\n{n} times." for n in range(11)),
    "fineweb_repeated_line_chars": GOOD + "\nRead on." * 2,
    "fineweb_too_many_line_breaks": "\n\n\n".join(
        f"Incomprehensibilities {n}uninterchangeable." for n in range(9)
    ),
}
PLANTED = [
    (name, reason, text)
    for name, texts in zip(PUBLISHED, (GOPHER_QUALITY, GOPHER_REPETITION, C4, FINEWEB), strict=True)
    for reason, text in texts.items()
]


@pytest.mark.parametrize(("name", "reason", "text"), PLANTED, ids=[row[1] for row in PLANTED])
def test_a_planted_text_is_dropped_for_the_named_reason(name: str, reason: str, text: str) -> None:
    assert published_rule_broken(text, name) == reason


@pytest.mark.parametrize("name", PUBLISHED)
def test_good_prose_breaks_no_published_rule(name: str) -> None:
    assert published_rule_broken(GOOD, name) == ""
    assert published_rule_broken(prose(), name) == ""


# Each text is just within a limit that its neighbour above breaks.
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gopher_quality", "the sea and " * 17),  # 51 words
        ("gopher_quality", "- " + "\n- ".join(LINES[:9]) + "\n" + LINES[9]),  # 90 % bullets
        ("gopher_quality", "...\n".join(LINES[:4]) + "\n" + "\n".join(LINES[4:])),  # 3 of 12 lines
        ("gopher_repetition", prose(24) + "\nSee here." * 10),  # 9 of 34 lines
        *(("gopher_repetition", with_runs_twice(n, 0.195 - 0.01 * n)) for n in range(5, 11)),
        ("c4", "\n".join(GOOD.split("\n")[:4])),  # 5 sentences
        ("fineweb", GOOD + "\nSee here." + "".join(f"\n{n} times." for n in range(9))),  # 10 of 15
    ],
)
def test_a_text_within_the_limit_is_kept(name: str, text: str) -> None:
    assert published_rule_broken(text, name) == ""


def test_c4_judges_by_the_lines_it_would_keep_and_edits_nothing() -> None:
    menu = "Home\nRead our privacy policy now.\nEnable javascript to see it.\nTwo words.\n"
    assert published_rule_broken(menu * 2, "c4") == "c4_too_few_sentences"
    document = Document(id="a", domain="general", text=menu + GOOD, meta={"format": "text"})
    assert rule_broken(document, rules=RuleSettings(published=("c4",))) is None
    assert document.text == menu + GOOD


def test_published_rules_are_asked_of_prose_only_and_in_order() -> None:
    text = GOOD.replace("since.", "since {.")[:300]  # short, and too few sentences
    broken = []
    for published in (("gopher_quality", "c4"), ("c4", "gopher_quality"), ()):
        rules = RuleSettings(published=published)
        document = Document(id="a", domain="general", text=text, meta={"format": "text"})
        broken.append(rule_broken(document, rules=rules))
        code = Document(id="a", domain="code", text=text, meta={"format": "code"})
        assert rule_broken(code, rules=rules) is None
    reasons = [drop and drop.reason for drop in broken]
    assert reasons == ["c4_too_few_sentences", "c4_too_few_sentences", None]


def test_words_are_told_from_marks() -> None:
    text = "Don't stop... it's 3.5 -- or (so)? See https://a.org/b?c, 1,000 x"
    assert ENGLISH.word_tokenize(text) == [
        *("Don't", "stop", "...", "it's", "3.5", "--", "or", "(", "so", ")", "?"),
        *("See", "https://a.org/b?c,", "1,000", "x"),
    ]


def test_sentences_end_before_a_capital_but_not_after_a_title_or_an_initial() -> None:
    text = (
        'Dr. J. Smith came. "Did he?" Yes! It cost 3.5 pounds, e.g. for tea. 4 left.  Mrs. Hill too'
    )
    assert ENGLISH.sent_tokenize(text) == [
        "Dr. J. Smith came.",
        '"Did he?"',
        "Yes!",
        "It cost 3.5 pounds, e.g. for tea.",
        "4 left.",
        "Mrs. Hill too",
    ]
    assert "".join(text[start:end] for start, end in ENGLISH.span_tokenize(text)) == text
    assert ENGLISH.span_tokenize("") == []
