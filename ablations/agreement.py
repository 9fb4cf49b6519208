"""Whether two protocols rank the same models alike, and which reversals are more than a toss.

A reversal counts only if both protocols' differences are significant, with opposite signs. Opposite
signs alone are a swing: where one difference is close to 0, its sign is a coin's.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from davinci.ablations.statistics.family import ALPHA, correct
from davinci.platform.store.records import Floats

MAX_COUNTED = 7
"""Subjects whose orders are all counted: 5,040 of them."""
Reading = Literal["agree", "reversal", "swing", "open"]


class Measured(NamedTuple):
    """One model's score under one protocol, more is better; `se` NaN where it is not known."""

    score: float
    se: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, arm or run, scored under both protocols."""

    name: str
    ppl: Measured
    generative: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReading:
    """Two subjects compared under both protocols: first minus second, in units of the score.

    `reading` is `agree` (both significant, one sign), `reversal` (both significant, opposite
    signs), `swing` (opposite signs, not both significant) or `open` (anything else). `ppl_p` and
    `generative_p` are corrected by Holm over all pairs and both protocols.
    """

    first: str
    second: str
    ppl: float
    generative: float
    ppl_p: float
    generative_p: float
    reading: Reading

    @property
    def shift(self) -> float:
        """How much the difference moves from `ppl` to `generative`."""
        return self.generative - self.ppl


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike two protocols rank: rank correlations (-1 to 1, NaN below three subjects).

    Source: Kendall, Biometrika 30 (1938), tau-b; Spearman, Am. J. Psychology 15 (1904).
    Of seven subjects or fewer, both p-values count all orders; of more, they are scipy's.
    """

    name: str
    num_subjects: int
    kendall: float
    kendall_p: float
    spearman: float
    spearman_p: float
    pairs: tuple[PairReading, ...]

    def count(self, reading: Reading) -> int:
        """Return how many pairs read so."""
        return sum(pair.reading == reading for pair in self.pairs)


def agreement(name: str, subjects: Sequence[Subject]) -> Agreement:
    """Compare the rankings of all subjects, and every pair of them.

    Differences are tested by their standard errors, subjects taken as independent; items that they
    share make the test conservative.
    """
    ppl = [subject.ppl.score for subject in subjects]
    generative = [subject.generative.score for subject in subjects]
    kendall = kendall_p = spearman = spearman_p = math.nan
    if len(subjects) >= 3 and len(set(ppl)) > 1 and len(set(generative)) > 1:
        kendall, kendall_p = _kendall(ppl, generative)
        spearman, spearman_p = _spearman(ppl, generative)
    return Agreement(
        name=name,
        num_subjects=len(subjects),
        kendall=kendall,
        kendall_p=kendall_p,
        spearman=spearman,
        spearman_p=spearman_p,
        pairs=_pairs(subjects),
    )


def binomial(points: float, num_items: int) -> Measured:
    """Return a printed score in points of 100 with its sampling error over `num_items` items."""
    rate = points / 100
    return Measured(points, 100 * math.sqrt(rate * (1 - rate) / num_items))


def _kendall(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return tau-b and its two-sided p-value."""
    if len(first) > MAX_COUNTED:
        from scipy import stats

        found = stats.kendalltau(first, second)
        return float(found.statistic), float(found.pvalue)
    left, right = _signs(first), _signs(second)
    orders = _orders(len(right))
    sums = (right[orders[:, :, None], orders[:, None, :]] * left).sum(axis=(1, 2))
    concordant = int((right * left).sum())
    as_far = np.abs(sums) >= abs(concordant)
    return concordant / math.sqrt((left**2).sum() * (right**2).sum()), float(as_far.mean())


def _signs(values: Sequence[float]) -> NDArray[np.int64]:
    """Return for every pair, (N, N), which of the two is larger: 1, 0 or -1."""
    column = np.array(values)[:, None]
    return (column > values).astype(np.int64) - (column < values)


def _spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the rank correlation and its two-sided p-value."""
    if len(first) > MAX_COUNTED:
        from scipy import stats

        found = stats.spearmanr(first, second)
        return float(found.statistic), float(found.pvalue)
    left, right = _centred_ranks(first), _centred_ranks(second)
    products = np.abs(right[_orders(len(right))] @ left)
    product = float(left @ right)
    as_far = products >= abs(product) * (1 - 1e-12)
    return product / math.sqrt(left @ left * (right @ right)), float(as_far.mean())


def _centred_ranks(values: Sequence[float]) -> Floats:
    """Return the ranks less their mean; values that tie share the mean of their ranks."""
    ranks: Floats = _signs(values).sum(axis=1) / 2
    return ranks


@functools.cache
def _orders(num: int) -> NDArray[np.intp]:
    """Return all orders of so many places, one per row."""
    return np.array(list(itertools.permutations(range(num))))


def _pairs(subjects: Sequence[Subject]) -> tuple[PairReading, ...]:
    pairs = list(itertools.combinations(subjects, 2))
    raw = [
        _p_value(getattr(first, protocol), getattr(second, protocol))
        for protocol in ("ppl", "generative")
        for first, second in pairs
    ]
    corrected = correct(raw, "holm")
    found = []
    for number, (first, second) in enumerate(pairs):
        ppl = first.ppl.score - second.ppl.score
        generative = first.generative.score - second.generative.score
        ppl_p, generative_p = corrected[number], corrected[number + len(pairs)]
        found.append(
            PairReading(
                first=first.name,
                second=second.name,
                ppl=ppl,
                generative=generative,
                ppl_p=ppl_p,
                generative_p=generative_p,
                reading=_reading(ppl, generative, ppl_p, generative_p),
            )
        )
    return tuple(found)


def _p_value(first: Measured, second: Measured) -> float:
    from scipy import special

    se = math.hypot(first.se, second.se)
    if not se > 0:  # also where it is not known
        return math.nan
    return float(2 * special.ndtr(-abs(first.score - second.score) / se))


def _reading(ppl: float, generative: float, ppl_p: float, generative_p: float) -> Reading:
    both = ppl_p < ALPHA and generative_p < ALPHA
    if ppl * generative < 0:
        return "reversal" if both else "swing"
    return "agree" if both else "open"
