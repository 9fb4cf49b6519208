"""Whether a small scale ranks recipes as a large one: agreement, decisions, regret.

Scores of the same recipes at two scales. Intervals draw recipes, not pairs of them: pairs share
recipes, so that they are no independent evidence. Every figure stands beside those of trivial
baselines: a coin, and keeping the baseline recipe.

Source: decision accuracy as in Magnusson et al. 2025 (DataDecide); tau-b of Kendall 1938.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from davinci.platform.store.records import Floats

NUM_DRAWS = 2000
MIN_RECIPES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval over draws of recipes; NaN where none can be computed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How well scores at a proxy scale foretell those at a target scale; more is better in both.

    Attributes:
        kendall: Rank correlation.
        spearman: Rank correlation.
        decisions: Share of pairs of recipes whose better one the proxy names; 0.5 by a coin. A pair
            that is equal at either scale counts half.
        regret: What the proxy's best recipe lacks of the target's best, in units of the score.
        coin_regret: The same of a recipe that is drawn at random.
        keep_regret: The same of the baseline recipe; NaN where there is none.
    """

    num_recipes: int
    kendall: Estimate
    spearman: Estimate
    decisions: Estimate
    regret: Estimate
    coin_regret: float
    keep_regret: float


def transfer(
    proxy: Mapping[str, float], target: Mapping[str, float], baseline: str = "", seed: int = 0
) -> Transfer:
    """Compare the recipes that were scored at both scales.

    Args:
        proxy: Recipe -> score, more is better.
        target: The same at the larger scale.
        baseline: The recipe that one would keep without any experiment.
        seed: Of the draws.

    Raises:
        ValueError: If fewer than three recipes are scored at both.
    """
    names = [name for name in proxy if name in target]
    if len(names) < MIN_RECIPES:
        raise ValueError(
            f"At least {MIN_RECIPES} recipes must be scored at both scales, but {len(names)} are."
        )
    small = np.array([proxy[name] for name in names])
    large = np.array([target[name] for name in names])
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(names), size=(NUM_DRAWS, len(names)))
    best = float(large.max())
    return Transfer(
        num_recipes=len(names),
        kendall=_estimate(_kendall, small, large, draws),
        spearman=_estimate(_spearman, small, large, draws),
        decisions=_estimate(_decisions, small, large, draws),
        regret=_estimate(_regret, small, large, draws),
        coin_regret=best - float(large.mean()),
        keep_regret=best - target[baseline] if baseline in names else math.nan,
    )


def _estimate(
    figure: Callable[[Floats, Floats], float],
    small: Floats,
    large: Floats,
    draws: NDArray[np.int64],
) -> Estimate:
    values = np.array([figure(small[draw], large[draw]) for draw in draws])
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (math.nan, math.nan)
    return Estimate(value=figure(small, large), low=float(low), high=float(high))


def _kendall(small: Floats, large: Floats) -> float:
    signs = _signs(small) * _signs(large)
    ties = np.abs(_signs(small)).sum() * np.abs(_signs(large)).sum()
    return float(signs.sum() / math.sqrt(ties)) if ties > 0 else math.nan


def _spearman(small: Floats, large: Floats) -> float:
    from scipy.stats import rankdata

    first, second = (rankdata(v) - (len(v) + 1) / 2 for v in (small, large))
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 0 else math.nan


def _decisions(small: Floats, large: Floats) -> float:
    """Return the share of right decisions; a recipe that is drawn twice is no pair."""
    signs = _signs(small) * _signs(large)
    both = (_signs(small) != 0) | (_signs(large) != 0)
    return float((signs[both] + 1).mean() / 2) if both.any() else math.nan


def _regret(small: Floats, large: Floats) -> float:
    chosen = small == small.max()
    return float(large.max() - large[chosen].mean())


def _signs(values: Floats) -> Floats:
    """Return the sign of every pair's difference, each pair once."""
    left, right = np.triu_indices(len(values), 1)
    return np.sign(values[left] - values[right])


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A recipe with the chance that it is the best at the scale where it was run.

    `low` and `high` hold the score that many seeds would give; they are so wide that they hold for
    all recipes at once, in 95 of 100 cases, and so for the one that looks best, too.
    `chance` counts draws of seeds; recipes that share it cannot be told apart yet. `expected` is
    what new seeds would score: the best of many is lucky, too, so that scores are drawn towards
    their mean by the share of their spread that is noise (Efron and Morris 1975).
    """

    name: str
    score: float
    expected: float
    chance: float
    low: float
    high: float


def propose(scores: Mapping[str, Sequence[float]], seed: int = 0) -> tuple[Proposal, ...]:
    """Return recipes by their chance to be the best, over draws of their seeds.

    Args:
        scores: Recipe -> score of each seed, more is better; in the same order of seeds, so that
            what they share is no noise.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    names = list(scores)
    spread = _pooled_sd(_paired(list(scores.values())))
    means = np.array([float(np.mean(values)) for values in scores.values()])
    errors = np.array([spread / math.sqrt(len(values)) for values in scores.values()])
    draws = rng.normal(means, np.nan_to_num(errors), (NUM_DRAWS, len(names)))
    wins = np.bincount(draws.argmax(axis=1), minlength=len(names)) / NUM_DRAWS
    expected = _shrunk(means, np.nan_to_num(errors))
    half = _widths(list(scores.values()))
    found = [
        Proposal(
            name=name,
            score=float(means[place]),
            expected=float(expected[place]),
            chance=float(wins[place]),
            low=float(means[place] - half[place]),
            high=float(means[place] + half[place]),
        )
        for place, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda one: (-one.chance, -one.score, one.name)))


def _widths(groups: Sequence[Sequence[float]]) -> Floats:
    """Return half the width of every recipe's interval, all of which hold together.

    Source: the studentised maximum modulus (Stoline and Ury, Technometrics 21, 1979), drawn here.
    """
    df = sum(len(group) - 1 for group in groups)
    if df <= 0:
        return np.full(len(groups), math.nan)
    sizes = np.sqrt([len(group) for group in groups])
    widths: Floats = _maximum_modulus(len(groups), df) * _pooled_sd(groups) / sizes
    return widths


@functools.cache
def _maximum_modulus(num: int, df: int) -> float:
    rng = np.random.default_rng(0)
    most = np.abs(rng.normal(size=(100_000, num))).max(axis=1)
    return float(np.quantile(most / np.sqrt(rng.chisquare(df, 100_000) / df), 0.95))


def _shrunk(means: Floats, errors: Floats) -> Floats:
    """Return what is left of every recipe's distance to the mean when noise is taken off."""
    if len(means) < 4:  # three means say too little of their own spread
        return means
    noise = float(np.mean(errors**2))
    spread = float(means.var(ddof=1)) * (len(means) - 1) / (len(means) - 3)
    kept = max(0.0, 1 - noise / spread) if spread > 0 else 0.0
    shrunk: Floats = means.mean() + kept * (means - means.mean())
    return shrunk


def _paired(groups: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Return scores without what all recipes share of a replicate, where each has all of them."""
    if len(groups) < 2 or len({len(group) for group in groups}) > 1:
        return list(groups)
    values = np.array(groups)
    return list((values - values.mean(axis=0) + values.mean()).tolist())


def _pooled_sd(groups: Sequence[Sequence[float]]) -> float:
    df = sum(len(group) - 1 for group in groups)
    if df <= 0:
        return math.nan
    squares = sum(float(((np.array(g) - np.mean(g)) ** 2).sum()) for g in groups)
    return math.sqrt(squares / df)
