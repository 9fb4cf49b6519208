"""Looking at a claim more than once, and stopping as soon as it is decided.

Looks come after 3, 4, ... `most` seeds. The level is spent by a function of the share of seeds that
is there, t: level * ln(1 + (e - 1) t), which spends early (Lan and DeMets, Biometrika 70, 1983; the
function of the Pocock type). The bound of each look is what spends its part, given that no look
before it has decided; sums of seeds are what looks have in common.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import special

from davinci.ablations.comparison import compare
from davinci.ablations.contrasts import contrasts_of
from davinci.ablations.declaration import FIRST, Ablation
from davinci.ablations.statistics.family import ALPHA
from davinci.ablations.verdicts import AT_FLOOR, Evidence, Verdict, judge, raw_evidence
from davinci.platform.store.records import Sweep

Standing = Literal["supported", "contradicted", "open"]
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
        found.append(float(2 * special.ndtr(-bound)))
    return tuple(found)


def look(
    tests: Sequence[Evidence], before: Sequence[Standing], num_seeds: int, most: int
) -> tuple[Standing, ...]:
    """Return where every claim stands after a look; what was decided before stays so.

    The p-values are uncorrected. A claim that is decided leaves its share of the level to those
    that are still open (Holm's procedure over looks: Ye, Li, Liu and Yao, Statistics in Medicine
    32, 2013), for what supports and for what contradicts separately.
    """
    found: list[Standing] = list(before)
    if not FIRST <= num_seeds <= most:
        return tuple(found)
    families: dict[Standing, list[float]] = {
        "supported": [test.support for test in tests],
        "contradicted": [test.against for test in tests],
    }
    for kind, ps in families.items():
        for place in np.argsort(ps, kind="stable"):
            share = ALPHA / (len(tests) - found.count(kind) or 1)
            level = nominal_levels(most, share)[num_seeds - FIRST]
            if found[place] == "open" and ps[place] < level:
                found[place] = kind
    return tuple(found)


def judge_looks(
    ablation: Ablation, sweep: Sweep, most: int, confounders: Sequence[str] = ()
) -> tuple[tuple[Verdict, ...], tuple[Standing, ...]]:
    """Return the verdict on every claim at the look that decided it, and where each stands.

    Looks are repeated from the sweep's own runs, so that they are the same whenever one asks.
    """
    standings: tuple[Standing, ...] = tuple("open" for _ in ablation.claims)
    verdicts: list[Verdict] = []
    for num in range(FIRST, most + 1):
        part = _first_seeds(sweep, num)
        if verdicts and ("open" not in standings or part == _first_seeds(sweep, num - 1)):
            break
        comparison = compare(part)
        tests = raw_evidence(ablation, part, comparison)
        looked = judge(ablation, part, comparison, confounders)
        verdicts = verdicts or list(looked)
        before, standings = standings, look(tests, standings, num, most)
        for place, verdict in enumerate(looked):
            if before[place] == "open":
                verdicts[place] = _at_look(verdict, standings[place], num, most)
    return tuple(verdicts), standings


def _at_look(verdict: Verdict, stands: Standing, num: int, most: int) -> Verdict:
    """Return a verdict as the bounds of its look have it, not those of a single one."""
    if verdict.state == "void" or verdict.reason == AT_FLOOR:
        return verdict
    when = f"after {num} of at most {most} seeds"
    if stands == "open":
        return replace(verdict, state="inconclusive", reason=f"open {when}")
    return replace(verdict, state=stands, reason=f"decided {when}", settling=None)


def _first_seeds(sweep: Sweep, num: int) -> Sweep:
    """Return the sweep with the first `num` seeds of every arm."""
    seeds = sorted({run.seed for arm in sweep.arms for run in arm.runs})[:num]
    arms = tuple(
        replace(arm, runs=tuple(run for run in arm.runs if run.seed in seeds)) for arm in sweep.arms
    )
    return replace(sweep, arms=arms)


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
