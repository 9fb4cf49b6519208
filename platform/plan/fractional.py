"""Two-level fractional factorials: half, a quarter, ... of a grid, and what that cannot tell apart.

Levels are bits. The last factors are the exclusive or of some of the others (their generator), so
the point with every factor at its first level is always there. A product of factors whose bits
always cancel is a word of the defining relation; the shortest word's length is the resolution
(Box, Hunter and Hunter, Statistics for Experimenters, 2nd edition, chapter 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

MAX_TRIES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fraction:
    """A fraction of the points of two-level factors.

    Attributes:
        points: Level (0 or 1) of each factor, in standard order.
        words: The defining relation: sets of factors (by position) whose bits always cancel.
    """

    points: tuple[tuple[int, ...], ...]
    words: tuple[frozenset[int], ...]

    @property
    def resolution(self) -> int:
        """Length of the shortest word; 0 for a full factorial, which confuses nothing."""
        return min((len(word) for word in self.words), default=0)

    def aliases(self, names: Sequence[str]) -> list[str]:
        """Return which main effects and two-factor interactions cannot be told apart."""
        effects = [
            frozenset(some) for size in (1, 2) for some in combinations(range(len(names)), size)
        ]
        seen: set[frozenset[int]] = set()
        told = []
        for effect in effects:
            same = [effect, *(o for word in self.words if (o := effect ^ word) in effects)]
            if len(same) > 1 and effect not in seen:
                told.append(" = ".join(" × ".join(names[i] for i in sorted(each)) for each in same))
            seen.update(same)
        return told


def fractional(num_factors: int, halvings: int) -> Fraction:
    """Return the fraction 1 / 2^halvings of the best resolution that is found.

    Raises:
        ValueError: If there are too few factors to halve their points so often.
    """
    num_free = num_factors - halvings
    if not halvings >= 0 or num_free < 2 or halvings > 2**num_free - num_free - 1:
        raise ValueError(f"{num_factors} factors of two levels cannot be halved {halvings} times.")
    generators = _best_generators(num_free, halvings)
    points = tuple(
        (*bits, *(sum(bits[i] for i in generator) % 2 for generator in generators))
        for bits in product((0, 1), repeat=num_free)
    )
    return Fraction(points=points, words=_words(num_free, generators))


def _best_generators(num_free: int, halvings: int) -> tuple[frozenset[int], ...]:
    """Return generators with the longest shortest word, then with the fewest words of it."""
    longest_first = [
        frozenset(some)
        for size in range(num_free, 1, -1)
        for some in combinations(range(num_free), size)
    ]
    best: tuple[frozenset[int], ...] = ()
    best_key = (-1, 0)
    for number, chosen in enumerate(combinations(longest_first, halvings)):
        words = _words(num_free, chosen)
        shortest = min((len(word) for word in words), default=0)
        key = (shortest, -sum(len(word) == shortest for word in words))
        if key > best_key:
            best, best_key = chosen, key
        if number >= MAX_TRIES:
            break
    return best


def _words(num_free: int, generators: Sequence[frozenset[int]]) -> tuple[frozenset[int], ...]:
    own = [generator | {num_free + index} for index, generator in enumerate(generators)]
    found = []
    for size in range(1, len(own) + 1):
        for some in combinations(own, size):
            word: frozenset[int] = frozenset()
            for each in some:
                word = word ^ each
            found.append(word)
    return tuple(found)
