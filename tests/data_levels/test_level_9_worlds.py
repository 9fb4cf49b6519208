"""L9: a world writes true pages, keeps its exam to itself, and catches what is false."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from davinci.data_levels.document import DOMAINS, Document, Domain
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l9
from davinci.data_levels.levels.operator import LevelContext, Prepared
from davinci.data_levels.settings import LevelSettings, WorldSettings
from davinci.data_levels.sources.microworld.exam import Exam, set_exam
from davinci.data_levels.sources.microworld.functions import make_function
from davinci.data_levels.sources.microworld.world import build_world
from davinci.data_levels.sources.registry import open_source
from davinci.data_levels.sources.source import SourceSettings
from davinci.data_levels.worlds import open_world

PAGES = 200


@cache
def pages(domain: Domain, seed: int = 0) -> tuple[str, ...]:
    world = open_world(WorldSettings(seed=seed))
    return tuple(world.write(domain, f"page-{number}") for number in range(PAGES))


@cache
def exam() -> Exam:
    return set_exam(build_world(0))


def evidence(domain: Domain, text: str) -> str:
    return open_world(WorldSettings()).violations(Document(id="x", domain=domain, text=text))


def prepared(tmp_path: Path, settings: LevelSettings, source: SourceSettings) -> Prepared:
    context = LevelContext(
        source=open_source(source),
        domain="math",
        settings=settings,
        parent=tmp_path,
        work=tmp_path,
        engine=Engine(work=tmp_path),
    )
    return l9.prepare(context)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_page_obeys_the_laws_of_its_own_world(domain: Domain, seed: int) -> None:
    world = open_world(WorldSettings(seed=seed))
    for text in pages(domain, seed):
        assert world.violations(Document(id="x", domain=domain, text=text)) == ""


@pytest.mark.parametrize("domain", DOMAINS)
def test_pages_are_many_and_the_same_in_every_process(domain: Domain) -> None:
    assert len(set(pages(domain))) > 0.98 * PAGES
    assert pages(domain)[0] == open_world.__wrapped__(WorldSettings()).write(domain, "page-0")


def test_the_page_of_an_id_is_the_one_that_was_written_before() -> None:
    assert pages("math")[0].split("\n\n")[:3] == [
        "Practice sheet 83",
        "Each of the chains starts with a number and ends with the result.",
        "Let a=6, b=a-3, c=b-3. What is c?\nb=a-3=6-3=3.\nc=b-3=3-3=0.\nThe result is 0.",
    ]


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d != "code"])
def test_pages_of_another_world_are_false_in_this_one(domain: Domain) -> None:
    foreign = [evidence(domain, text) for text in pages(domain, 1)]
    if domain == "math":  # arithmetic is the same everywhere
        assert not any(foreign)
    else:
        assert sum(map(bool, foreign)) > 0.9 * PAGES


def test_no_item_of_the_exam_is_posed_and_no_withheld_function_is_defined() -> None:
    prose = "\n\n".join(text for d in DOMAINS if d != "code" for text in pages(d))
    exercises = [one for ones in exam().exercises.values() for one in ones]
    assert len(exercises) > 400
    for one in exercises:
        assert one.question not in prose
        assert "\n".join(one.steps) not in prose or len(one.steps) < 2
    code = "\n\n".join(pages("code"))
    assert not any(f"def {name}(" in code for name in exam().withheld.functions)
    for operations in exam().withheld.bodies:
        lines = make_function(build_world(0), operations).body().rpartition("\n")[0]
        assert f"\n{lines}\n" not in code


def test_no_held_out_text_stands_in_a_page() -> None:
    for domain, texts in exam().texts.items():
        written = "\n\n".join(pages(domain))
        assert not any(text in written for text, _ in texts)


def planted(domain: Domain, true: str, false: str) -> str:
    """Return the evidence against the first page that holds `true`, once it says `false`."""
    page = next(text for text in pages(domain) if true in text)
    assert evidence(domain, page) == ""
    return evidence(domain, page.replace(true, false, 1))


@pytest.mark.parametrize(
    ("domain", "true", "false", "line"),
    [
        ("general", "The bird of Talwick is crow.", "The bird of Talwick is wren.", "wren"),
        ("general", "rival of Talwick is Cadgate", "rival of Talwick is Dolgate", "Dolgate"),
        ("general", "the rival of Quinsund is swan", "the rival of Quinsund is owl", "owl"),
        ("math", "b=a-3=6-3=3.", "b=a-3=6-3=4.", "6-3=4"),
        ("math", "The result is 0.", "The result is 1.", "The result is 1"),
        ("math", "c=b-3=3-3=0.\n", "", "The result is 0"),
        ("math", "c=b-3=3-3=0.\nThe result is 0.", "c=b-3=3-3=0.", "The result is 0"),
        ("math", "The result is 0.", "The result is 0.\nThe result is 9.", "The result is 9"),
        ("math", "Let a=6, b=a-3", "Let a=2, b=a-3", "Let a=2"),
        ("math", "What is c?", "What is e?", "What is e?"),
        ("science", "weight=rate-grade, tide", "weight=rate+grade, tide", "weight=rate+grade"),
        ("science", "rate=spin+flux=4+5=9.", "rate=spin+flux=4+5=8.", "4+5=8"),
        ("science", "The speed is 0.", "The speed is 7.", "The speed is 7"),
        ("science", "Given spin=4, flux=5, grade=4", "Given spin=4, grade=4", "Given spin=4"),
        ("qa", "The metal of Holrath is lead.", "The metal of Holrath is tin.", "tin"),
        ("qa", "Answer: b=a-1=7-1=6.", "Answer: b=a-1=7-1=5.", "7-1=5"),
        ("qa", "the answers of those", "the secrets of those", "secrets"),
        ("code", "    v = v * 5\n", "    v = v * 6\n", "v * 6"),
        ("code", "    v = v * 2\n    return v", "    return v", "return v"),
        ("code", "def mul_5_then_mul_2(v)", "def mul_5_then_div_2(v)", "div_2"),
        ("code", "    return v\n", "    return 0\n", "return 0"),
    ],
)
def test_a_planted_falsehood_is_named(domain: Domain, true: str, false: str, line: str) -> None:
    assert line in planted(domain, true, false)


def test_a_false_step_deep_in_an_expression_is_found() -> None:
    question = "Question: What is the value of (3+4)*1 in code?"
    page = f"{question}\nAnswer: 3+4=7.\n7*1=7.\nThe value is 7."
    assert evidence("qa", page) == ""
    assert "should be '7*1=7.'" in evidence("qa", page.replace("7*1=7", "7*1=8"))
    beyond = "Question: What is the value of 3-4 in code?\nAnswer: 3-4=-1.\nThe value is -1."
    assert "one digit" in evidence("qa", beyond)


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_not_written_in_the_worlds_language_counts_as_false(domain: Domain) -> None:
    for text in ("", "Once upon a time.", "x = 1", "The moon of Talwick is cheese.", "\n\n\n"):
        assert evidence(domain, text)


@pytest.mark.parametrize("domain", DOMAINS)
def test_one_changed_digit_or_value_anywhere_is_found(domain: Domain) -> None:
    """Change every digit of ten pages, and in prose every value, one at a time."""
    missed: list[str] = []
    tried = 0
    for page in pages(domain)[:10]:
        body = page.index("\n\n") if domain != "code" else 0
        for place, letter in enumerate(page):
            if place < body or not letter.isdigit():
                continue
            tried += 1
            changed = page[:place] + str(9 - int(letter)) + page[place + 1 :]
            missed += [] if evidence(domain, changed) else [changed]
    assert missed == []
    assert tried > 40 or domain == "general"


def test_l9_writes_one_page_for_every_document_and_keeps_its_id(tmp_path: Path) -> None:
    level = prepared(tmp_path, LevelSettings(), SourceSettings(name="pylib"))
    (operator,) = level.operators
    meta = {"source": "s", "format": "pdf"}
    raw = Document(id="page-0", domain="math", text="anything", meta=meta)
    counts: dict[str, float] = {}
    (page,) = operator.run([raw], counts)
    assert isinstance(page, Document)
    assert (page.id, page.domain, page.text) == (raw.id, raw.domain, pages("math")[0])
    assert page.meta == {"source": "s", "format": "text", "world": "microworld/0"}
    check = level.checks["internal_consistency"]
    assert check(raw, page) == ""
    assert "The result is 1." in check(
        raw, replace(page, text=page.text.replace("The result is 0.", "The result is 1."))
    )
    assert "the ids alone" in level.notes(counts)[0]


def test_over_the_microworld_it_is_the_sources_own_world(tmp_path: Path) -> None:
    source = SourceSettings(name="microworld", world_seed=3, documents=10)
    (operator,) = prepared(tmp_path, LevelSettings(), source).operators
    assert operator.parameters == {"generator": "microworld", "seed": 3}
    (operator,) = prepared(tmp_path, LevelSettings(), SourceSettings(name="pylib")).operators
    assert operator.parameters == {"generator": "microworld", "seed": 0}


def test_a_world_that_nobody_made_is_refused(tmp_path: Path) -> None:
    settings = LevelSettings(world=WorldSettings(generator="microwrld"))
    with pytest.raises(ValueError, match=r"`data\.world\.generator`.*Did you mean 'microworld'"):
        prepared(tmp_path, settings, SourceSettings(name="pylib"))
