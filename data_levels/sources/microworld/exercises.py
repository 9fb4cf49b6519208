"""Exercises over the world: a question, the steps that lead on, the answer. One shape for all.

A key tells exercises apart: chains that differ in the names of their variables alone have the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from davinci.data_levels.sources.microworld.world import RIVAL, Fact, Law, World, apply

MAX_STEPS = 4
CHAIN_NAMES = "abcde"
_DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One question with its worked answer.

    Attributes:
        question: What is asked.
        key: What the exercise is, whatever its variables are called.
        topic: What makes it hard, shared with others: `fact tree`, `rival tree`, `law flux`; ""
            where each stands for itself.
        laws: Laws that the derivation uses, each `a=b+c`; empty outside science.
        steps: Worked lines, each a sentence of its own.
        claim: The conclusion without the answer, such as `The result is`.
        answer: The bare answer, one word or digit.
        wrong: Other answers of the same kind, for false pages and for options.
        num_steps: Reasoning steps that the answer takes.
    """

    question: str
    key: str
    topic: str = ""
    laws: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    claim: str
    answer: str
    wrong: tuple[str, ...]
    num_steps: int

    @property
    def conclusion(self) -> str:
        """The claim with the answer, as a sentence."""
        return f"{self.claim} {self.answer}."


Draw = Callable[[Random], Exercise]


def draw_allowed(draw: Draw, rng: Random, allows: Callable[[Exercise], bool]) -> Exercise:
    """Return the first drawn exercise that is allowed."""
    while True:
        exercise = draw(rng)
        if allows(exercise):
            return exercise


def recall(world: World, fact: Fact) -> Exercise:
    """Return the question for one fact, as one step without lines of its own."""
    values = [value for value in world.values[fact.attribute] if value != fact.town]
    return Exercise(
        question=f"What is the {fact.attribute} of {fact.town}?",
        key=f"{fact.attribute} of {fact.town}",
        topic=f"fact {fact.attribute}",
        claim=f"The {fact.attribute} of {fact.town} is",
        answer=fact.value,
        wrong=_others(values, fact.value),
        num_steps=1,
    )


def rival_chain(world: World, town: str, attribute: str) -> Exercise:
    """Return a two-step question: an attribute of a town's rival."""
    rival = world.facts[town, RIVAL]
    value = world.facts[rival, attribute]
    return Exercise(
        question=f"What is the {attribute} of the rival of {town}?",
        key=f"{attribute} of the rival of {town}",
        topic=f"rival {attribute}",
        steps=(f"The rival of {town} is {rival}.", f"The {attribute} of {rival} is {value}."),
        claim=f"The {attribute} of the rival of {town} is",
        answer=value,
        wrong=_others(world.values[attribute], value),
        num_steps=2,
    )


def draw_recall(world: World, rng: Random, attribute: str = "") -> Exercise:
    """Return a random question for a fact; popular towns are asked about more often."""
    town = world.popular_town(rng)
    attribute = attribute or rng.choice(world.attributes)
    return recall(world, Fact(town, attribute, world.facts[town, attribute]))


def draw_rival_chain(world: World, rng: Random, attribute: str = "") -> Exercise:
    """Return a random two-step question about a rival."""
    town = world.popular_town(rng)
    return rival_chain(world, town, attribute or rng.choice(world.attributes[:-1]))


def draw_chain(rng: Random, num_steps: int = 0) -> Exercise:
    """Return a chain of named values, all in 0-9, of 1 to 4 steps (0 draws their number)."""
    num_steps = num_steps or rng.randint(1, MAX_STEPS)
    value = rng.randint(0, 9)
    names = CHAIN_NAMES[: num_steps + 1]
    clauses, steps, key = [f"Let {names[0]}={value}"], [], f"chain {value}"
    for before, name in pairwise(names):
        op, right, result = _draw_operation(value, rng)
        clauses.append(f"{name}={before}{op}{right}")
        steps.append(f"{clauses[-1]}={value}{op}{right}={result}.")
        key += f"{op}{right}"
        value = result
    return Exercise(
        question=f"{', '.join(clauses)}. What is {names[-1]}?",
        key=key,
        steps=tuple(steps),
        claim="The result is",
        answer=str(value),
        wrong=_others(_DIGITS, str(value)),
        num_steps=num_steps,
    )


def draw_expression(rng: Random, num_steps: int = 0) -> Exercise:
    """Return the value of a Python expression of 1 or 2 steps, with all values in 0-9."""
    num_steps = num_steps or rng.randint(1, 2)
    value = rng.randint(0, 9)
    expression, steps = str(value), []
    for index in range(num_steps):
        op, right, result = _draw_operation(value, rng)
        expression = f"({expression}){op}{right}" if index else f"{expression}{op}{right}"
        steps.append(f"{value}{op}{right}={result}.")
        value = result
    return Exercise(
        question=f"What is the value of {expression} in code?",
        key=expression,
        steps=tuple(steps),
        claim="The value is",
        answer=str(value),
        wrong=_others(_DIGITS, str(value)),
        num_steps=num_steps,
    )


def draw_derivation(world: World, rng: Random, depth: int = 0) -> Exercise:
    """Return a derivation by the world's laws, of 1 to 4 steps (0 draws their number)."""
    depth = depth or rng.randint(1, MAX_STEPS)
    return draw_derivation_of(world, rng, rng.choice(world.laws_at(depth)))


def draw_derivation_of(world: World, rng: Random, target: Law) -> Exercise:
    """Return a derivation of the quantity of one law, from random given values."""
    path = _path_to(world, target)
    while True:
        known = {name: rng.randint(0, 9) for name in _needed(world, path)}
        given = ", ".join(f"{name}={value}" for name, value in known.items())
        steps = []
        for law in path:
            left, right = known[law.left], known[law.right]
            known[law.quantity] = apply(law.op, left, right)
            steps.append(f"{law}={left}{law.op}{right}={known[law.quantity]}.")
        if all(0 <= value <= 9 for value in known.values()):
            break
    answer = str(known[target.quantity])
    return Exercise(
        question=f"Given {given} by the laws, what is the {target.quantity}?",
        key=f"{given}: {target.quantity}",
        topic=f"law {target.quantity}",
        laws=tuple(str(law) for law in path),
        steps=tuple(steps),
        claim=f"The {target.quantity} is",
        answer=answer,
        wrong=_others(_DIGITS, answer),
        num_steps=target.depth,
    )


def falsified(exercise: Exercise, rng: Random) -> Exercise:
    """Return the exercise with a wrong answer, and a last step that agrees with it."""
    answer = rng.choice(exercise.wrong)
    steps = exercise.steps
    if steps:
        steps = (*steps[:-1], steps[-1].removesuffix(f"{exercise.answer}.") + f"{answer}.")
    return replace(exercise, answer=answer, steps=steps)


def _draw_operation(value: int, rng: Random) -> tuple[str, int, int]:
    while True:
        op, right = rng.choice("++--*"), rng.randint(0, 9)
        result = apply(op, value, right)
        if 0 <= result <= 9 and not (op == "*" and right > 4):
            return op, right, result


def _path_to(world: World, target: Law) -> list[Law]:
    path = [target]
    while path[0].left in world.laws:
        path.insert(0, world.laws[path[0].left])
    return path


def _needed(world: World, path: list[Law]) -> list[str]:
    """Return the given quantities that a path of laws uses, in order of first use."""
    names = [name for law in path for name in (law.left, law.right)]
    return [name for name in dict.fromkeys(names) if name in world.givens]


def _others(values: Iterable[str], value: str) -> tuple[str, ...]:
    return tuple(other for other in values if other != value)
