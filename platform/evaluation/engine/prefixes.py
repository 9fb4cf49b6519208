"""Which sequences begin alike, so that their common beginning is computed once.

The few-shot examples of a benchmark are often the same for every item, and are most of its tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_SHARED_TOKENS = 16
"""A shorter beginning is not worth a pass of its own."""
MIN_SHARED_FRAC = 0.3
"""Of the shorter of two neighbours; less, and the group may be better off in parts."""


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences, by their places, that share their first `length` tokens."""

    members: tuple[int, ...]
    length: int


def group_by_prefix(sequences: Sequence[Sequence[int]]) -> list[Group]:
    """Return groups of sequences that begin alike; each sequence is in one of them.

    What is shared ends before the last token of every member, so that each has something of its
    own to read. A group of one shares nothing.
    """
    order = sorted(range(len(sequences)), key=lambda index: (sequences[index], index))
    groups: list[Group] = []
    members: list[int] = []
    length = 0
    for index in order:
        if not members:
            members, length = [index], len(sequences[index]) - 1
            continue
        shared = common_length(sequences[members[-1]], sequences[index])
        if _worth_sharing(shared, sequences[members[-1]], sequences[index]):
            members.append(index)
            length = min(length, shared)
        else:
            groups.append(_group(members, length))
            members, length = [index], len(sequences[index]) - 1
    if members:
        groups.append(_group(members, length))
    return groups


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences share before the last token of either."""
    most = min(len(first), len(second)) - 1
    for place in range(most):
        if first[place] != second[place]:
            return place
    return max(most, 0)


def _worth_sharing(shared: int, first: Sequence[int], second: Sequence[int]) -> bool:
    shorter = min(len(first), len(second))
    return shared >= MIN_SHARED_TOKENS and shared >= MIN_SHARED_FRAC * shorter


def _group(members: Sequence[int], length: int) -> Group:
    return Group(tuple(members), length if len(members) > 1 else 0)
