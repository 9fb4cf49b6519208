"""What the world keeps away from its crawl: the withheld exercises, items and clean texts.

The exam is drawn first; everything the crawl writes is drawn afterwards and asks `withheld` whether
it may be told. Items come in quartets: four of a kind (an attribute, a law, a number of steps) with
four different answers, so that each one's wrong options can be the answers of the other three.

Texts are those of a careful textbook, in the layouts that the crawl's own authors use. Two in three
are `worked`: facts in full sentences, exercises with their steps, functions line by line. One in
three is `terse`: facts as an expert notes them, the result alone as in a list of answers, one
expression (of the functions, only those with two operations). This 2:1 is a choice, not a finding:
most textbooks explain, some tables and keys do not. Bits per byte over all texts rewards the
deeper levels for the skill and, in part, for the style that their teacher writes; the crawl itself
is terse in about two paragraphs of three. So each style is scored for itself, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from random import Random

from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.sources.microworld import phrases
from davinci.data_levels.sources.microworld.exercises import (
    MAX_STEPS,
    Draw,
    Exercise,
    draw_allowed,
    draw_chain,
    draw_derivation,
    draw_derivation_of,
    draw_expression,
    draw_recall,
    draw_rival_chain,
)
from davinci.data_levels.sources.microworld.functions import Function, draw_function
from davinci.data_levels.sources.microworld.withheld import Withheld
from davinci.data_levels.sources.microworld.world import Fact, World

NUM_TEXTS = 48
QUARTET = 4
MAX_DRAWS = 3000
"""Draws for a quartet whose answers all differ; then answers may be the same."""
MAX_NOTED = 4
"""Facts in the longest notes; held-out notes are as long, so that no others can contain them."""


@dataclass(slots=True, kw_only=True)
class Exam:
    """Everything withheld from training in one world.

    Attributes:
        withheld: What no document may tell.
        exercises: Domain -> the exercises of its benchmark, in quartets (code has functions).
        coding: The functions of the code benchmark.
        texts: Domain -> clean texts, each with its style, `worked` or `terse`.
    """

    withheld: Withheld = field(default_factory=Withheld)
    exercises: dict[Domain, list[Exercise]] = field(default_factory=dict)
    coding: list[Function] = field(default_factory=list)
    texts: dict[Domain, list[tuple[str, str]]] = field(default_factory=dict)


def set_exam(world: World) -> Exam:
    """Return the exam of a world; the same world always sets the same exam."""
    exam, rng = Exam(), Random(f"exam/{world.seed}")
    for domain, draws in _quartet_draws(world).items():
        exam.exercises[domain] = [one for draw in draws for one in _quartet(exam, draw, rng)]
    for num_operations, count in ((1, 10), (2, 60), (3, 42)):
        exam.coding += [_withhold_function(exam, world, rng, num_operations) for _ in range(count)]
    for domain in DOMAINS:
        exam.texts[domain] = list(_texts(exam, world, domain, rng))
    return exam


def draw_notes(
    world: World, rng: Random, withheld: Withheld, num_facts: int = 0
) -> tuple[Fact, ...]:
    """Return three or four facts about one town (0 draws how many), in an order not withheld."""
    while True:
        town = world.popular_town(rng)
        attributes = tuple(rng.sample(world.attributes, num_facts or rng.randint(3, MAX_NOTED)))
        if withheld.allows_notes(town, attributes):
            return tuple(Fact(town, name, world.facts[town, name]) for name in attributes)


def question_draws(world: World) -> dict[str, Draw]:
    """Return the kinds of questions that question pages mix, over all domains."""
    return {
        "recall": partial(draw_recall, world),
        "rival": partial(draw_rival_chain, world),
        "chain": lambda rng: draw_chain(rng, rng.randint(1, 3)),
        "expression": draw_expression,
        "derivation": lambda rng: draw_derivation(world, rng, rng.randint(1, 2)),
    }


def _quartet_draws(world: World) -> dict[Domain, list[Draw]]:
    """Return a draw for every four items of the benchmarks that ask exercises, easy ones first."""
    facts: list[Draw] = [partial(draw_recall, world, attribute=name) for name in world.attributes]
    rivals: list[Draw] = [
        partial(draw_rival_chain, world, attribute=name) for name in world.attributes[:-1]
    ]
    chains: dict[int, Draw] = {n: partial(draw_chain, num_steps=n) for n in (1, 2, 3, 4)}
    laws: dict[int, list[Draw]] = {
        depth: [partial(draw_derivation_of, world, target=law) for law in world.laws_at(depth)]
        for depth in (1, 2, 3, 4)
    }
    expressions: list[Draw] = [partial(draw_expression, num_steps=n) for n in (1, 2)]
    return {
        "general": [*_in_turn(facts, 20), *_in_turn(rivals, 10)],
        "math": [chain for chain in chains.values() for _ in range(7)],
        "science": [draw for draws in laws.values() for draw in _in_turn(draws, 7)],
        "qa": [
            *_in_turn(facts, 8),
            *_in_turn(rivals, 4),
            *_in_turn([chains[n] for n in (1, 2, 3)], 8),
            *_in_turn(expressions, 5),
            *_in_turn([*laws[1], *laws[2]], 5),
        ],
    }


def _in_turn(draws: Sequence[Draw], count: int) -> list[Draw]:
    return list(islice(cycle(draws), count))


def _quartet(exam: Exam, draw: Draw, rng: Random) -> list[Exercise]:
    """Return four new exercises, each answer a wrong one of the same kind for the other three."""
    chosen: list[Exercise] = []
    for number in range(2 * MAX_DRAWS):
        one = draw(rng)
        fits = all(one.answer in o.wrong and o.answer in one.wrong for o in chosen)
        if one.key not in exam.withheld.keys and (fits or number > MAX_DRAWS):
            exam.withheld.add(one)
            chosen.append(one)
        if len(chosen) == QUARTET:
            break
    return chosen


def _texts(exam: Exam, world: World, domain: Domain, rng: Random) -> Iterator[tuple[str, str]]:
    for index in range(NUM_TEXTS):
        worked = index % 3 > 0
        if domain == "code":
            functions = [_withhold_function(exam, world, rng, 2 + index % 2) for _ in range(2)]
            terse = not worked and len(functions[0].operations) == 2
            text = "\n\n".join(f.terse() if terse else f.worked() for f in functions)
            yield text, "terse" if terse else "worked"
        elif domain == "general":
            yield _general_text(exam, world, rng, worked=worked), "worked" if worked else "terse"
        else:
            text = phrases.text_of(
                _text_paragraph(exam, world, domain, rng, worked=worked) for _ in range(2)
            )
            yield text, "worked" if worked else "terse"


def _general_text(exam: Exam, world: World, rng: Random, *, worked: bool) -> str:
    facts = draw_notes(world, rng, exam.withheld, MAX_NOTED)
    exam.withheld.add_notes(facts)
    return phrases.text_of([phrases.prose(facts) if worked else phrases.shorthand(facts)])


def _text_paragraph(
    exam: Exam, world: World, domain: Domain, rng: Random, *, worked: bool
) -> phrases.Paragraph:
    if domain == "qa":
        names, weights = ("recall", "chain", "expression", "derivation"), (2, 4, 2, 2)
        draw = question_draws(world)[rng.choices(names, weights)[0]]
        return phrases.question_and_answer(_withhold(exam, draw, rng), worked=worked)
    num_steps = rng.randint(2, MAX_STEPS)
    if domain == "math":
        draw = partial(draw_chain, num_steps=num_steps)
    else:
        draw = partial(draw_derivation, world, depth=num_steps)
    return phrases.exercise(_withhold(exam, draw, rng), worked=worked)


def _withhold(exam: Exam, draw: Draw, rng: Random) -> Exercise:
    exercise = draw_allowed(draw, rng, lambda one: one.key not in exam.withheld.keys)
    exam.withheld.add(exercise)
    return exercise


def _withhold_function(exam: Exam, world: World, rng: Random, num_operations: int) -> Function:
    """Return a function not withheld yet; single operations run short, so texts use longer ones."""
    withheld = exam.withheld.functions
    if num_operations == 1 and len(withheld) >= 10:
        num_operations = 2
    function = draw_function(world, rng, lambda one: one.name not in withheld, num_operations)
    exam.withheld.add_function(function)
    return function
