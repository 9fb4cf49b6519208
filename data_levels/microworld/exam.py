"""What the world keeps away from its crawl: the withheld exercises, items and clean texts.

The exam is drawn first; everything the crawl writes is drawn afterwards and avoids `keys`,
`functions` and `notes`. Texts are those of a careful textbook, in the layouts that the crawl's own
authors use: facts in full sentences; of the exercises, two in three with their steps and one in
three with the result alone, as in a list of answers; functions line by line, and some of those with
two operations as one expression. Bits per byte over all of them rewards L5 for the skill and, in
part, for its style; so each style is scored for itself, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.microworld import phrases
from davinci.data_levels.microworld.exercises import (
    MAX_STEPS,
    Draw,
    Exercise,
    draw_allowed,
    draw_chain,
    draw_derivation,
    draw_expression,
    draw_recall,
    draw_rival_chain,
)
from davinci.data_levels.microworld.functions import Function, draw_function
from davinci.data_levels.microworld.world import Fact, World

NUM_TEXTS = 48
MAX_NOTED = 4
"""Facts in the longest notes; held-out notes are as long, so that no others can contain them."""
Notes = tuple[str, tuple[str, ...]]
"""A town and the order in which some of its attributes are told."""


@dataclass(slots=True, kw_only=True)
class Exam:
    """Everything withheld from training in one world.

    Attributes:
        keys: Exercises that no document poses, by their keys.
        functions: Names of functions that no document defines.
        notes: Town notes that no document repeats in this order.
        exercises: Domain -> the exercises of its benchmark (code has functions instead).
        coding: The functions of the code benchmark.
        texts: Domain -> clean texts, each with its style (`worked` or `terse`, "" where the domain
            has but one).
    """

    keys: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    notes: set[Notes] = field(default_factory=set)
    exercises: dict[Domain, list[Exercise]] = field(default_factory=dict)
    coding: list[Function] = field(default_factory=list)
    texts: dict[Domain, list[tuple[str, str]]] = field(default_factory=dict)


def set_exam(world: World) -> Exam:
    """Return the exam of a world; the same world always sets the same exam."""
    exam, rng = Exam(), Random(f"exam/{world.seed}")
    for domain, draws in _benchmark_draws(world).items():
        exam.exercises[domain] = [_withhold(exam, draw, rng) for draw in draws]
    for num_operations, count in ((1, 10), (2, 60), (3, 42)):
        exam.coding += [_withhold_function(exam, world, rng, num_operations) for _ in range(count)]
    for domain in DOMAINS:
        exam.texts[domain] = list(_texts(exam, world, domain, rng))
    return exam


def draw_notes(
    world: World, rng: Random, withheld: set[Notes], num_facts: int = 0
) -> tuple[Fact, ...]:
    """Return three or four facts about one town (0 draws how many), in an order not withheld."""
    while True:
        town = world.popular_town(rng)
        attributes = tuple(rng.sample(world.attributes, num_facts or rng.randint(3, MAX_NOTED)))
        if (town, attributes) not in withheld:
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


def _benchmark_draws(world: World) -> dict[Domain, list[Draw]]:
    """Return one draw for each item of the benchmarks that ask exercises, easy ones first."""
    kinds = question_draws(world)
    steps = [number for number in (1, 2, 3, 4) for _ in range(30)]
    counts = {"recall": 32, "rival": 16, "chain": 32, "expression": 20, "derivation": 20}
    return {
        "general": [kinds["recall"]] * 80 + [kinds["rival"]] * 40,
        "math": [partial(draw_chain, num_steps=number) for number in steps],
        "science": [partial(draw_derivation, world, depth=number) for number in steps],
        "qa": [kinds[name] for name, count in counts.items() for _ in range(count)],
    }


def _texts(exam: Exam, world: World, domain: Domain, rng: Random) -> Iterator[tuple[str, str]]:
    for index in range(NUM_TEXTS):
        worked = index % 3 > 0
        if domain == "code":
            functions = [_withhold_function(exam, world, rng, 2 + index % 2) for _ in range(2)]
            terse = not worked and len(functions[0].operations) == 2
            text = "\n\n".join(f.terse() if terse else f.worked() for f in functions)
            yield text, "terse" if terse else "worked"
        elif domain == "general":
            yield _general_text(exam, world, rng), ""
        else:
            text = phrases.text_of(
                _text_paragraph(exam, world, domain, rng, worked=worked) for _ in range(2)
            )
            yield text, "worked" if worked else "terse"


def _general_text(exam: Exam, world: World, rng: Random) -> str:
    facts = draw_notes(world, rng, exam.notes, MAX_NOTED)
    exam.notes.add((facts[0].town, tuple(fact.attribute for fact in facts)))
    return phrases.text_of([phrases.prose(facts)])


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
    exercise = draw_allowed(draw, rng, exam.keys)
    exam.keys.add(exercise.key)
    return exercise


def _withhold_function(exam: Exam, world: World, rng: Random, num_operations: int) -> Function:
    """Return a function not withheld yet; single operations run short, so texts use longer ones."""
    if num_operations == 1 and len(exam.functions) >= 10:
        num_operations = 2
    function = draw_function(world, rng, exam.functions, num_operations)
    exam.functions.add(function.name)
    return function
