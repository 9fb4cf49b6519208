"""The world itself: invented towns and their facts, laws of an invented science, a code dialect.

Everything follows from one seed. Values of numbers stay within 0-9, so that every quantity is one
digit, and phrasings are few and parallel: what makes the world learnable for tiny models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import NamedTuple

NUM_TOWNS = 32
NUM_ATTRIBUTES = 5
NUM_VALUES = 8
MIN_WAYS = (50, 100)
"""Derivations that a quantity must allow: at depth 1 (a sum of digits has 55), and deeper."""
RIVAL = "rival"
"""The one attribute whose value is another town."""

_VALUES = {
    "stone": "jade opal ruby onyx agate pearl topaz amber quartz garnet",
    "trade": "salt wool rope glass paper honey cloth leather pottery silk",
    "tree": "oak elm pine birch cedar maple willow ash larch walnut",
    "bird": "crow swan heron owl robin eagle raven finch stork wren",
    "metal": "iron gold silver copper tin zinc lead nickel bronze brass",
    "drink": "tea milk cider wine juice mead cocoa coffee ale lemonade",
    "colour": "red blue green white black yellow purple grey brown pink",
    "tool": "axe saw drill hammer spade chisel plane anvil needle loom",
}
_FIRST = "Vor Kes Tal Bru Mir Dol Fen Gar Hol Jun Lom Nar Pel Quin Ros Sul Zer Wim Cad Ulf"
_LAST = "lan dor mek ris ton vale wick heim bury ford gate sund mar nok pol rath"
_QUANTITIES = (
    "flux glow drift pull spin charge heat mass cold force rate load tide pulse shade weight "
    "pitch grade depth speed"
)
_VERBS = {
    "+": ("add", "plus", "inc"),
    "-": ("sub", "minus", "dec"),
    "*": ("mul", "times", "scale"),
    "max": ("max", "atleast", "floor"),
    "min": ("min", "atmost", "cap"),
}


def apply(op: str, left: int, right: int) -> int:
    """Return `left op right` for the five operations of the world."""
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    return max(left, right) if op == "max" else min(left, right)


class Fact(NamedTuple):
    """`The <attribute> of <town> is <value>`."""

    town: str
    attribute: str
    value: str


class Law(NamedTuple):
    """`<quantity>=<left><op><right>`; `depth` counts the laws from given quantities to it."""

    quantity: str
    left: str
    op: str
    right: str
    depth: int

    def __str__(self) -> str:
        return f"{self.quantity}={self.left}{self.op}{self.right}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ground truth of one world.

    Attributes:
        towns: The invented towns, the most talked about first.
        values: Attribute -> its possible values (for `rival`: all towns).
        facts: (town, attribute) -> value.
        givens: Base quantities of the science.
        laws: Derived quantity -> the law that gives it.
        verbs: Operation -> its name in this world's code.
        argument: Name of the functions' argument in this world's code.
    """

    seed: int
    towns: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    facts: dict[tuple[str, str], str]
    givens: tuple[str, ...]
    laws: dict[str, Law]
    verbs: dict[str, str]
    argument: str

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes of a town, `rival` last."""
        return tuple(self.values)

    def all_facts(self) -> Iterator[Fact]:
        """Yield every fact of the world, town by town."""
        for (town, attribute), value in self.facts.items():
            yield Fact(town, attribute, value)

    def laws_at(self, depth: int) -> list[Law]:
        """Return the laws of one depth."""
        return [law for law in self.laws.values() if law.depth == depth]

    def popular_town(self, rng: Random) -> str:
        """Return a town, the first one four times as likely as the last."""
        weights = [4 - 3 * rank / (NUM_TOWNS - 1) for rank in range(NUM_TOWNS)]
        return rng.choices(self.towns, weights)[0]


def build_world(seed: int) -> World:
    """Return the world of a seed; another seed has other towns, facts, laws and code names."""
    rng = Random(f"world/{seed}")
    names = [first + last for first in _FIRST.split() for last in _LAST.split()]
    towns = tuple(rng.sample(names, NUM_TOWNS))
    values = {
        attribute: tuple(rng.sample(_VALUES[attribute].split(), NUM_VALUES))
        for attribute in rng.sample(sorted(_VALUES), NUM_ATTRIBUTES)
    }
    facts: dict[tuple[str, str], str] = {}
    for index, town in enumerate(towns):
        for attribute, choices in values.items():
            facts[town, attribute] = rng.choice(choices)
        facts[town, RIVAL] = towns[(index + rng.randrange(1, NUM_TOWNS)) % NUM_TOWNS]
    givens, laws = _build_laws(rng)
    return World(
        seed=seed,
        towns=towns,
        values={**values, RIVAL: towns},
        facts=facts,
        givens=givens,
        laws=laws,
        verbs={op: rng.choice(names) for op, names in _VERBS.items()},
        argument=rng.choice(("x", "n", "v")),
    )


def _build_laws(rng: Random) -> tuple[tuple[str, ...], dict[str, Law]]:
    """Return four given quantities, and two laws at each of the depths 1 to 4 (a chain each).

    Laws are drawn again until every quantity can be derived in enough ways, so that some of them
    can be withheld and others told.
    """
    names = rng.sample(_QUANTITIES.split(), 12)
    givens = tuple(names[:4])
    while True:
        laws: dict[str, Law] = {}
        previous = [givens[0], givens[1]]
        for depth in range(1, 5):
            for branch in (0, 1):
                quantity = names[2 + 2 * depth + branch]
                other = rng.choice([name for name in givens if name != previous[branch]])
                op = rng.choice("++--*" if depth > 1 else "+-")
                laws[quantity] = Law(quantity, previous[branch], op, other, depth)
                previous[branch] = quantity
        if all(_ways(laws, name) >= MIN_WAYS[laws[name].depth > 1] for name in laws):
            return givens, laws


def _ways(laws: dict[str, Law], target: str) -> int:
    """Return for how many given values a quantity can be derived with all values in 0-9."""
    path = [laws[target]]
    while path[0].left in laws:
        path.insert(0, laws[path[0].left])
    given = list(dict.fromkeys([path[0].left, *(law.right for law in path)]))
    ways = 0
    for values in product(range(10), repeat=len(given)):
        known = dict(zip(given, values, strict=True))
        result = known[path[0].left]
        for law in path:
            result = apply(law.op, result, known[law.right])
            if not 0 <= result <= 9:
                break
        else:
            ways += 1
    return ways
