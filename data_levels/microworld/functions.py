"""Small executable functions whose name says what they do: the code domain's exercises."""

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from davinci.data_levels.microworld.world import World, apply

MAX_OPERATIONS = 3
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
    world: World, rng: Random, withheld: Collection[str] = (), num_operations: int = 0
) -> Function:
    """Return a random function of 1 to 3 operations (0 draws their number), none withheld."""
    while True:
        count = num_operations or rng.choices((1, 2, 3), (2, 4, 3))[0]
        operations = tuple(rng.choice(all_operations()) for _ in range(count))
        function = make_function(world, operations)
        if function.name not in withheld:
            return function


def mistaken(function: Function, rng: Random) -> Function:
    """Return a function of the same name that does something else on some test input."""
    while True:
        operations = list(function.operations)
        position = rng.randrange(len(operations))
        op, right = operations[position]
        if rng.random() < 0.5:
            operations[position] = (op, rng.choice([n for n in range(1, 10) if n != right]))
        else:
            operations[position] = (rng.choice([o for o in ("+", "-", "*") if o != op]), right)
        other = Function(
            name=function.name, argument=function.argument, operations=tuple(operations)
        )
        if any(function(value) != other(value) for value in TEST_INPUTS):
            return other


def _applied(text: str, step: Operation) -> str:
    op, right = step
    return f"{text} {op} {right}" if op in "+-*" else f"{op}({text}, {right})"
