"""What no document of the crawl may tell: exercises, their worked lines, functions, runs of notes.

Everything drawn for training is asked here first. Of an exercise of two or more steps, the worked
lines are withheld too, wherever they would stand as a contiguous part of a longer solution; of a
function of two or more operations, its body, wherever it would stand in that of another function,
so that a longer one that is cut off does not end in it either; of the notes of a held-out text, any
three facts that would follow each other in its order. What is left open because it is the world's
knowledge itself: single facts, the line of a single step (`b=a+4=3+4=7.`), that of a single
operation with its `return`, two facts in a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from davinci.data_levels.sources.microworld.exercises import Exercise
from davinci.data_levels.sources.microworld.functions import Function, Operation
from davinci.data_levels.sources.microworld.world import Fact

MIN_STEPS = 2
"""Worked lines, or operations, from which on a contiguous part counts as a solution."""
RUN_FACTS = 3
"""Facts of a held-out note that never follow each other in training."""

Step = TypeVar("Step")
Run = tuple[str, ...]
"""A town, and attributes in the order in which they are told."""


@dataclass(slots=True, kw_only=True)
class Withheld:
    """The growing set of what training never sees.

    Attributes:
        keys: Exercises that no document poses, by their keys.
        solutions: Worked lines of two or more steps that no document contains in a row.
        functions: Names of functions that no document defines.
        bodies: Operations, two or more, that no function of a document does in a row.
        runs: Towns and attributes of theirs, three or more, that no document tells in this order.
    """

    keys: set[str] = field(default_factory=set)
    solutions: set[tuple[str, ...]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    bodies: set[tuple[Operation, ...]] = field(default_factory=set)
    runs: set[Run] = field(default_factory=set)

    def allows(self, exercise: Exercise) -> bool:
        """Return whether a document may pose and solve the exercise."""
        return exercise.key not in self.keys and self.solutions.isdisjoint(_parts(exercise.steps))

    def allows_function(self, function: Function) -> bool:
        """Return whether a document may define the function."""
        allowed = self.bodies.isdisjoint(_parts(function.operations))
        return allowed and function.name not in self.functions

    def allows_notes(self, town: str, attributes: Sequence[str]) -> bool:
        """Return whether a document may tell these facts in this order.

        Facts between are passed over: cleaning may drop an unreadable one from the middle.
        """
        runs = [tuple(attributes), *combinations(attributes, RUN_FACTS)]
        return self.runs.isdisjoint((town, *run) for run in runs)

    def add(self, exercise: Exercise) -> None:
        """Withhold an exercise."""
        self.keys.add(exercise.key)
        if len(exercise.steps) >= MIN_STEPS:
            self.solutions.add(exercise.steps)

    def add_function(self, function: Function) -> None:
        """Withhold a function."""
        self.functions.add(function.name)
        if len(function.operations) >= MIN_STEPS:
            self.bodies.add(function.operations)

    def add_notes(self, facts: Sequence[Fact]) -> None:
        """Withhold every run of three consecutive facts of one town's notes.

        So are its halves the other way round, which would still be half of its words in a row.
        """
        names = [fact.attribute for fact in facts]
        for start in range(len(names) - RUN_FACTS + 1):
            self.runs.add((facts[0].town, *names[start : start + RUN_FACTS]))
        half = len(names) // 2
        self.runs.add((facts[0].town, *names[half:], *names[:half]))


def _parts(steps: tuple[Step, ...]) -> Iterable[tuple[Step, ...]]:
    """Yield every contiguous part of two or more lines or operations."""
    for start in range(len(steps) - MIN_STEPS + 1):
        for end in range(start + MIN_STEPS, len(steps) + 1):
            yield steps[start:end]
