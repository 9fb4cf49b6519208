"""Small executable functions whose name says what they do: the code domain's exercises."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from davinci.data_levels.sources.microworld.world import World, apply

TEST_INPUTS = (0, 1, 2, 5, 9)
Operation = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function: its name, its argument, and the operations that its body does in order.

    Attributes:
        operations: `(op, operand)` pairs; `op` is `+`, `-`, `*`, `max` or `min`.
    """

    name: str
    argument: str
    operations: tuple[Operation, ...]

    def __call__(self, value: int) -> int:
        """Return what the function returns for `value`."""
        for op, right in self.operations:
            value = apply(op, value, right)
        return value

    @property
    def signature(self) -> str:
        """The `def` line, without its line end."""
        return f"def {self.name}({self.argument}):"

    def worked(self) -> str:
        """Return the source with one line for each operation."""
        name = self.argument
        lines = [f"    {name} = {_applied(name, step)}" for step in self.operations]
        return "\n".join([self.signature, *lines, f"    return {name}"])

    def body(self) -> str:
        """Return the worked source without its first line."""
        return self.worked().split("\n", 1)[1]

    def terse(self) -> str:
        """Return the source as a single expression."""
        return f"{self.signature}\n    return {self.expression()}"

    def expression(self) -> str:
        """Return the nested expression that the function computes."""
        text = self.argument
        for step in self.operations:
            if step[0] in "+-*" and not text.isidentifier() and not text.endswith(")"):
                text = f"({text})"
            text = _applied(text, step)
        return text

    def tests(self) -> tuple[str, ...]:
        """Return one assertion for each test input."""
        return tuple(f"assert {self.name}({value}) == {self(value)}" for value in TEST_INPUTS)


def make_function(world: World, operations: tuple[Operation, ...]) -> Function:
    """Return the function with the name that this world's code gives to the operations."""
    name = "_then_".join(f"{world.verbs[op]}_{right}" for op, right in operations)
    return Function(name=name, argument=world.argument, operations=operations)


def all_operations() -> tuple[Operation, ...]:
    """Return every single operation of the world; none of them leaves all values unchanged."""
    sums = [(op, right) for op in "+-" for right in range(1, 10)]
    products = [("*", right) for right in range(2, 10)]
    bounds = [(op, right) for op in ("max", "min") for right in range(1, 9)]
    return (*sums, *products, *bounds)


def draw_function(
    world: World, rng: Random, allows: Callable[[Function], bool], num_operations: int = 0
) -> Function:
    """Return a random allowed function of 1 to 3 operations (0 draws their number)."""
    while True:
        count = num_operations or rng.choices((1, 2, 3), (2, 4, 3))[0]
        operations = tuple(rng.choice(all_operations()) for _ in range(count))
        function = make_function(world, operations)
        if allows(function):
            return function


def mistaken(function: Function, rng: Random) -> Function:
    """Return a function of the same name that does something else on some test input.

    One operation has another sign or another operand, any of those that the world has: a mistake
    can be undone by a mistake, so that nothing but the name tells which of two is the right one.
    """
    while True:
        operations = list(function.operations)
        position = rng.randrange(len(operations))
        operations[position] = rng.choice(_near(operations[position]))
        other = replace(function, operations=tuple(operations))
        if differs(function, other):
            return other


def differs(function: Function, other: Function) -> bool:
    """Return whether two functions give different results on some test input."""
    return any(function(value) != other(value) for value in TEST_INPUTS)


@cache
def _near(operation: Operation) -> tuple[Operation, ...]:
    """Return the operations that differ in their sign or in their operand, not in both."""
    op, right = operation
    return tuple(other for other in all_operations() if (other[0] == op) != (other[1] == right))


def _applied(text: str, step: Operation) -> str:
    op, right = step
    return f"{text} {op} {right}" if op in "+-*" else f"{op}({text}, {right})"
