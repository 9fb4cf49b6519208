"""Looking at a claim more than once, and stopping as soon as it is decided.

Looks come after 3, 4, ... `most` seeds. The level is spent by a function of the share of seeds that
is there, t: level * ln(1 + (e - 1) t), which spends early (Lan and DeMets, Biometrika 70, 1983; the
function of the Pocock type). The bound of each look is what spends its part, given that no look
before it has decided; sums of seeds are what looks have in common.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

from davinci.ablations.contrasts import contrasts_of
from davinci.ablations.declaration import Ablation
from davinci.ablations.statistics.family import ALPHA
from davinci.ablations.verdicts import Tests

Standing = Literal["supported", "contradicted", "open"]
FIRST = 3
"""Seeds before the first look: fewer carry no claim."""
PATHS = 400_000
"""Simulated for the bounds, which are so exact to about two hundredths of their level."""


@functools.cache
def nominal_levels(most: int, level: float = ALPHA) -> tuple[float, ...]:
    """Return the two-sided p-value that decides at each look, from the first to the last.

    Raises:
        ValueError: If fewer seeds are allowed than the first look needs.
    """
    if most < FIRST:
        raise ValueError(f"`most >= {FIRST}` must hold, but got {most} seeds at most.")
    rng = np.random.default_rng(0)
    sums = rng.normal(0, math.sqrt(FIRST), PATHS)
    alive = np.ones(PATHS, dtype=bool)
    spent, found = 0.0, []
    for num in range(FIRST, most + 1):
        if num > FIRST:
            sums += rng.normal(0, 1, PATHS)
        whole = level * math.log1p((math.e - 1) * num / most)
        sizes = np.abs(sums[alive]) / math.sqrt(num)
        bound = float(np.quantile(sizes, 1 - (whole - spent) * PATHS / alive.sum()))
        alive[alive] = sizes < bound
        spent = whole
        found.append(float(2 * stats.norm.sf(bound)))
    return tuple(found)


def standing(tests: Tests, num_claims: int, num_seeds: int, most: int) -> Standing:
    """Return what one look says of one of `num_claims` claims; the p-values are uncorrected."""
    if not FIRST <= num_seeds <= most:
        return "open"
    level = nominal_levels(most, ALPHA / num_claims)[num_seeds - FIRST]
    if tests.support < level:
        return "supported"
    return "contradicted" if tests.against < level else "open"


def arms_needed(ablation: Ablation, standings: Sequence[Standing]) -> tuple[str, ...]:
    """Return the arms that an open claim still needs seeds of, in their order."""
    needed = {
        arm
        for claim, state in zip(ablation.claims, standings, strict=True)
        if state == "open"
        for weights in contrasts_of(ablation, claim)
        for arm in weights
    }
    return tuple(arm for arm in ablation.arms if arm in needed)
