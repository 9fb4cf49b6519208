"""The exam as benchmarks: items with options to rank and answers to write, easy ones first."""

from random import Random

from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.microworld.exam import Exam
from davinci.data_levels.microworld.exercises import Exercise
from davinci.data_levels.microworld.functions import Function, mistaken
from davinci.data_levels.source import Benchmark, HeldOut, Item

NUM_OPTIONS = 4


def held_out(exam: Exam, seed: int) -> HeldOut:
    """Return the exam's texts, and one benchmark of 112 to 120 items for each domain."""
    return HeldOut(
        texts={domain: tuple(text for text, _ in texts) for domain, texts in exam.texts.items()},
        styles={
            domain: tuple(style for _, style in texts)
            for domain, texts in exam.texts.items()
            if any(style for _, style in texts)
        },
        benchmarks=tuple(_benchmark(exam, domain, seed) for domain in DOMAINS),
    )


def _benchmark(exam: Exam, domain: Domain, seed: int) -> Benchmark:
    rng = Random(f"items/{seed}/{domain}")
    name = f"microworld_{domain}"
    if domain == "code":
        items = [_code_item(f"{name}/{i}", f, rng) for i, f in enumerate(exam.coding)]
    else:
        make = {"general": _general_item, "qa": _question_item}.get(domain, _worked_item)
        items = [make(f"{name}/{i}", e, rng) for i, e in enumerate(exam.exercises[domain])]
    return Benchmark(name=name, domain=domain, items=tuple(items), chance=1 / NUM_OPTIONS)


def _general_item(name: str, exercise: Exercise, rng: Random) -> Item:
    """Return a cloze: the question, and the answering sentence up to its last word."""
    options, gold = _options(exercise, rng)
    return Item(
        id=name,
        prompt=f"Question: {exercise.question}\nAnswer: {exercise.claim}",
        options=tuple(f" {option}" for option in options),
        gold=gold,
        answer=f" {exercise.answer}",
        check="exact",
        final=exercise.answer,
        stop=(".", "\n"),
        steps=exercise.num_steps,
    )


def _worked_item(name: str, exercise: Exercise, rng: Random) -> Item:
    """Return a problem: ranked by its conclusion alone, written out with its steps."""
    options, gold = _options(exercise, rng)
    return Item(
        id=name,
        prompt=f"{exercise.question}\n",
        options=tuple(f"{exercise.claim} {option}." for option in options),
        gold=gold,
        answer="\n".join((*exercise.steps, exercise.conclusion)),
        check="steps",
        final=exercise.answer,
        steps=exercise.num_steps,
    )


def _question_item(name: str, exercise: Exercise, rng: Random) -> Item:
    """Return a question as question pages ask it; facts have no steps to check."""
    options, gold = _options(exercise, rng)
    return Item(
        id=name,
        prompt=f"Question: {exercise.question}\nAnswer:",
        options=tuple(f" {option}." for option in options),
        gold=gold,
        answer=" " + "\n".join((*exercise.steps, exercise.conclusion)),
        check="steps" if exercise.steps else "exact",
        final=exercise.answer,
        steps=exercise.num_steps,
    )


def _code_item(name: str, function: Function, rng: Random) -> Item:
    """Return a signature to complete; the wrong options do something else on some test input."""
    wrong: dict[str, None] = {}
    while len(wrong) < NUM_OPTIONS - 1:
        wrong[mistaken(function, rng).body()] = None
    bodies = [function.body(), *wrong]
    rng.shuffle(bodies)
    return Item(
        id=name,
        prompt=function.signature,
        options=tuple(f"\n{body}" for body in bodies),
        gold=bodies.index(function.body()),
        answer=f"\n{function.body()}",
        check="execute",
        tests=function.tests(),
        stop=("\n\n", "\ndef "),
        steps=len(function.operations),
    )


def _options(exercise: Exercise, rng: Random) -> tuple[list[str], int]:
    options = [exercise.answer, *rng.sample(exercise.wrong, NUM_OPTIONS - 1)]
    rng.shuffle(options)
    return options, options.index(exercise.answer)
