"""Nothing that the exam withholds stands in training: in no domain, at no level, in no world."""

import re
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from davinci.data_levels.document import DOMAINS, Document
from davinci.data_levels.levels import l1
from davinci.data_levels.sources.microworld import phrases
from davinci.data_levels.sources.microworld.exam import Exam, set_exam
from davinci.data_levels.sources.microworld.exercises import draw_chain
from davinci.data_levels.sources.microworld.functions import make_function
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.microworld.withheld import Withheld
from davinci.data_levels.sources.microworld.world import Fact, World, build_world
from davinci.data_levels.sources.source import SourceSettings

DOCUMENTS = 250
WORLDS = pytest.mark.parametrize("seed", [0, 1])
SPELLED = {"\u2212": "-", "\u00d7": "*", " plus ": "+", " minus ": "-", " times ": "*"}


def plain(text: str) -> str:
    """Return a text in one notation, on one line."""
    for spelled, sign in {**SPELLED, " equals ": "="}.items():
        text = text.replace(spelled, sign)
    return re.sub(r"\s+", " ", re.sub(r"\s*([-+*=])\s*", r"\1", text))


@cache
def trained_on(seed: int) -> tuple[str, str]:
    """Return what a model may read at the levels L1 to L5, as prose and as code.

    L2 and L3 hold a part of L1; here every document goes on to L4 and L5.
    """
    source = Microworld(SourceSettings(name="microworld", world_seed=seed, documents=DOCUMENTS))
    teacher = source.teacher()
    prose: list[str] = []
    code: list[str] = []
    for domain in DOMAINS:
        for document in map(l1.normalise, source.acquire(domain, 0, source.held_out())):
            refined = teacher.refine(document)
            done = teacher.complete(Document(id="", domain=domain, text=refined))
            texts = (document.text, refined, done)
            if domain == "code":
                code += [text.expandtabs(4) + "\n" for text in texts]
            else:
                prose += map(plain, texts)
    return "\n".join(prose), "\n".join(code)


@cache
def exam_of(seed: int) -> tuple[World, Exam]:
    world = build_world(seed)
    return world, set_exam(world)


@WORLDS
def test_no_worked_solution_of_two_or_more_steps_stands_in_any_document(seed: int) -> None:
    prose, _ = trained_on(seed)
    _, exam = exam_of(seed)
    solutions = [one.steps for ones in exam.exercises.values() for one in ones if one.steps]
    long = [plain(" ".join(steps)) for steps in solutions if len(steps) > 1]
    assert len(long) > 200
    assert not any(solution in prose for solution in long)
    assert not any(plain(" ".join(steps)) in prose for steps in exam.withheld.solutions)


@WORLDS
def test_no_body_of_a_withheld_function_stands_in_any_file(seed: int) -> None:
    _, code = trained_on(seed)
    world, exam = exam_of(seed)
    functions = [make_function(world, operations) for operations in exam.withheld.bodies]
    assert len(functions) > 150
    for function in functions:
        lines = function.body().rpartition("\n")[0]
        assert f"\n{lines}\n" not in code
        assert f"return {function.expression()}\n" not in code
        assert f"def {function.name}(" not in code


@WORLDS
def test_no_three_facts_of_held_out_notes_follow_each_other_in_any_document(seed: int) -> None:
    prose, _ = trained_on(seed)
    world, exam = exam_of(seed)
    runs = [run for run in exam.withheld.runs if len(run) == 4]
    assert len(runs) == 2 * 48
    for town, *names in runs:
        facts = [Fact(town, name, world.facts[town, name]) for name in names]
        assert " ".join(phrases.prose(facts)) not in prose
        noted = ", ".join(f"{fact.attribute} {fact.value}" for fact in facts)
        assert not re.search(rf"{town}: [^.:]*{noted}", prose)


@WORLDS
def test_the_world_itself_is_told(seed: int) -> None:
    """Single facts and lines must stand in the crawl: nobody could know them otherwise."""
    prose, code = trained_on(seed)
    world, _ = exam_of(seed)
    told = [phrases.sentence(fact) in prose for fact in world.all_facts()]
    assert sum(told) > 0.9 * len(told)
    assert all(f"{law}=" in prose for law in world.laws.values())
    assert all(verb in code for verb in world.verbs.values())


def test_a_longer_solution_that_holds_a_withheld_one_is_refused() -> None:
    long = draw_chain(Random(0), 4)
    short = replace(long, key="short", steps=long.steps[:2])
    one_step = replace(long, key="one", steps=long.steps[:1])
    withheld = Withheld()
    withheld.add(one_step)
    assert withheld.allows(long)
    withheld.add(short)
    assert not withheld.allows(long)
    assert not withheld.allows(replace(long, key="middle", steps=long.steps[:3]))
    assert withheld.allows(replace(long, key="rest", steps=long.steps[1:]))


def test_a_function_that_holds_the_body_of_a_withheld_one_is_refused() -> None:
    world = build_world(0)
    withheld = Withheld()
    withheld.add_function(make_function(world, (("+", 3), ("*", 2))))
    assert not withheld.allows_function(make_function(world, (("-", 1), ("+", 3), ("*", 2))))
    assert not withheld.allows_function(make_function(world, (("+", 3), ("*", 2), ("-", 1))))
    assert withheld.allows_function(make_function(world, (("+", 3), ("-", 1), ("*", 2))))
    assert withheld.allows_function(make_function(world, (("*", 2),)))


def test_three_facts_in_a_withheld_order_are_refused_whatever_lies_between() -> None:
    withheld = Withheld()
    withheld.add_notes([Fact("Dolton", name, "x") for name in ("tree", "bird", "tool", "metal")])
    assert not withheld.allows_notes("Dolton", ("tree", "bird", "tool"))
    assert not withheld.allows_notes("Dolton", ("bird", "drink", "tool", "metal"))
    assert not withheld.allows_notes("Dolton", ("tool", "metal", "tree", "bird"))
    assert withheld.allows_notes("Dolton", ("tree", "tool", "bird"))
    assert withheld.allows_notes("Fenmar", ("tree", "bird", "tool"))
