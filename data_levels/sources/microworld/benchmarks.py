"""The exam as benchmarks: items with options to rank and answers to write, easy ones first.

How an item is asked is part of what it measures, so a form that one level's documents favour may
not decide: the general benchmark asks its facts in the three forms of the crawl in turn (`FORMS`),
the qa benchmark ranks bare answers and full sentences in turn. Written answers count in any form.

Nothing but the question tells the options of an item apart. The four items of a quartet share
their four answers as options, so that each stands there once as the right one and three times as a
wrong one; the bodies of a code item are the nodes of a random tree whose edges are single mistakes,
and any node may be the right one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.sources.microworld.exam import QUARTET, Exam
from davinci.data_levels.sources.microworld.exercises import Exercise
from davinci.data_levels.sources.microworld.functions import (
    TEST_INPUTS,
    Function,
    differs,
    mistaken,
)
from davinci.data_levels.sources.microworld.phrases import noted
from davinci.data_levels.sources.source import Benchmark, HeldOut, Item

NUM_OPTIONS = 4
FORMS = ("sentence", "answer", "note")
"""`The tree of Dolton is`, `Question: ...` with `Answer:`, and `Dolton: tree`."""

_TREES = {(0, 0, 0): 1, (0, 1, 1): 3, (0, 1, 2): 6, (0, 0, 1): 6}
"""Which node each further one hangs on -> how many of the 16 trees of 4 named nodes look so."""


def held_out(exam: Exam, seed: int) -> HeldOut:
    """Return the exam's texts, and one benchmark of 112 to 120 items for each domain."""
    return HeldOut(
        texts={domain: tuple(text for text, _ in texts) for domain, texts in exam.texts.items()},
        styles={domain: tuple(style for _, style in texts) for domain, texts in exam.texts.items()},
        benchmarks=tuple(_benchmark(exam, domain, seed) for domain in DOMAINS),
    )


def _benchmark(exam: Exam, domain: Domain, seed: int) -> Benchmark:
    rng = Random(f"items/{seed}/{domain}")
    name = f"microworld_{domain}"
    if domain == "code":
        items = [_code_item(f"{name}/{i}", f, rng) for i, f in enumerate(exam.coding)]
        floor = _identity_pass_rate(exam.coding)
    else:
        items = [
            _item(domain, i, exercise, _options(exam.exercises[domain], i, rng))
            for i, exercise in enumerate(exam.exercises[domain])
        ]
        floor = Counter(item.final for item in items).most_common(1)[0][1] / len(items)
    return Benchmark(
        name=name, domain=domain, items=tuple(items), chance=1 / NUM_OPTIONS, floor=floor
    )


def _item(domain: Domain, index: int, exercise: Exercise, options: Sequence[str]) -> Item:
    """Return the item of one exercise in the form that is its turn."""
    name = f"microworld_{domain}/{index}"
    if domain == "qa":
        return _question_item(name, exercise, options, in_full=index % 2 > 0)
    if domain != "general":
        return _worked_item(name, exercise, options)
    form = FORMS[index % len(FORMS)]
    if form == "answer":
        # Every form is scored alike: by the final answer, whether or not steps are written.
        return replace(_question_item(name, exercise, options, in_full=False), check="exact")
    prompt = exercise.claim if form == "sentence" else noted(exercise)
    return _cloze_item(name, exercise, options, prompt)


def _cloze_item(name: str, exercise: Exercise, options: Sequence[str], prompt: str) -> Item:
    """Return a sentence or a note up to its last word."""
    return Item(
        id=name,
        prompt=prompt,
        options=tuple(f" {option}" for option in options),
        gold=options.index(exercise.answer),
        answer=f" {exercise.answer}",
        check="exact",
        final=exercise.answer,
        stop=(".", ",", "\n"),
        steps=exercise.num_steps,
        cluster=exercise.topic,
    )


def _worked_item(name: str, exercise: Exercise, options: Sequence[str]) -> Item:
    """Return a problem: ranked by its conclusion alone, written out with its steps."""
    return Item(
        id=name,
        prompt=f"{exercise.question}\n",
        options=tuple(f"{exercise.claim} {option}." for option in options),
        gold=options.index(exercise.answer),
        answer="\n".join((*exercise.steps, exercise.conclusion)),
        check="steps",
        final=exercise.answer,
        steps=exercise.num_steps,
        cluster=exercise.topic,
    )


def _question_item(name: str, exercise: Exercise, options: Sequence[str], *, in_full: bool) -> Item:
    """Return a question as question pages ask it; facts have no steps to check."""
    claim = f"{exercise.claim} " if in_full else ""
    return Item(
        id=name,
        prompt=f"Question: {exercise.question}\nAnswer:",
        options=tuple(f" {claim}{option}." for option in options),
        gold=options.index(exercise.answer),
        answer=" " + "\n".join((*exercise.steps, exercise.conclusion)),
        check="steps" if exercise.steps else "exact",
        final=exercise.answer,
        steps=exercise.num_steps,
        cluster=exercise.topic,
    )


def _options(exercises: Sequence[Exercise], index: int, rng: Random) -> list[str]:
    """Return the answers of the item's quartet, shuffled; others where two of them are the same."""
    exercise, start = exercises[index], index - index % QUARTET
    answers = [one.answer for one in exercises[start : start + QUARTET]]
    fit = [answer for answer in answers if answer in exercise.wrong]
    wrong = dict.fromkeys([*fit, *rng.sample(exercise.wrong, len(exercise.wrong))])
    options = [exercise.answer, *list(wrong)[: NUM_OPTIONS - 1]]
    rng.shuffle(options)
    return options


def _code_item(name: str, function: Function, rng: Random) -> Item:
    """Return a signature to complete; every two options differ on some test input."""
    bodies = [option.body() for option in _code_options(function, rng)]
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
        cluster=" ".join(op for op, _ in function.operations),
    )


def _code_options(function: Function, rng: Random) -> list[Function]:
    while True:
        (tree,) = rng.choices(list(_TREES), list(_TREES.values()))
        options = [function]
        for parent in tree:
            options.append(mistaken(options[parent], rng))
        if all(differs(one, other) for i, one in enumerate(options) for other in options[:i]):
            rng.shuffle(options)
            return options


def _identity_pass_rate(functions: Sequence[Function]) -> float:
    """Return the share of the tests that a program passes which returns its argument."""
    passed = [function(value) == value for function in functions for value in TEST_INPUTS]
    return sum(passed) / len(passed)
