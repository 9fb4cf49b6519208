"""Chains of levels: which levels a corpus went through, in which order.

`L3` means the ladder L0, L1, L2, L3. `L2+L4+L3` goes up the ladder to L2, then refines (L4), then
filters by a model (L3): levels may come out of order and more than once, as in the paper.
"""

LEVELS: tuple[str, ...] = tuple(f"L{number}" for number in range(10))
"""All levels, shallowest first."""

EXPERIMENTAL: tuple[str, ...] = LEVELS[6:]
"""Levels that the papers describe but did not build."""

Chain = tuple[str, ...]


def chain_of(name: str) -> Chain:
    """Return the levels that a name stands for, from L0 on.

    Raises:
        ValueError: If a part of the name is no level, or L0 or L1 is asked for twice.
    """
    parts = name.split("+")
    unknown = [part for part in parts if part not in LEVELS]
    if unknown:
        raise ValueError(
            f"No data level {unknown[0]!r} (`data.level`); known: {', '.join(LEVELS)}, or levels "
            "in another order, such as L2+L4+L3."
        )
    if any(part in ("L0", "L1") for part in parts[1:]):
        raise ValueError(f"A chain of levels goes through L0 and L1 once, but got {name!r}.")
    ladder = LEVELS[: LEVELS.index(parts[0]) + 1]
    return (*ladder, *parts[1:])


def name_of(chain: Chain) -> str:
    """Return the shortest name of a chain; `chain_of(name_of(chain)) == chain`."""
    climbed = 0
    while climbed < len(chain) and chain[: climbed + 1] == LEVELS[: climbed + 1]:
        climbed += 1
    return "+".join((chain[climbed - 1], *chain[climbed:]))


def canonical_name(name: str) -> str:
    """Return the one name of all that mean the same chain: `L3+L4` is `L4`."""
    return name_of(chain_of(name))


def depth_of(name: str) -> str:
    """Return the deepest level of a chain."""
    return max(chain_of(name), key=LEVELS.index)
