"""Whether a score still grows: its slope over the last checkpoints, with its uncertainty."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from davinci.platform.curriculum.settings import MIN_POINTS

State = Literal["growing", "saturated", "undecided"]


class Trend(NamedTuple):
    """A slope relative to the level of the score, per doubling of the trained tokens.

    Attributes:
        slope: 0.03 means 3 % better for twice the tokens.
        low: One-sided lower confidence bound of it; `high` the upper one.
        num_points: Checkpoints it was fitted to.
    """

    state: State
    slope: float
    low: float
    high: float
    num_points: int


def fit_trend(
    tokens: Sequence[float], scores: Sequence[float], *, confidence: float, min_gain: float
) -> Trend:
    """Return the trend of a score, of which higher is better.

    A straight line over log2(tokens) by least squares, as losses and benchmark scores are nearly
    linear in it over short stretches; bounds from Student's t with n - 2 degrees of freedom.
    Saturated: the upper bound is below `min_gain`. Growing: it is not, and the lower bound is above
    0. All else, or fewer than 4 points: undecided.
    """
    num_points = len(tokens)
    if num_points < MIN_POINTS:
        return Trend("undecided", math.nan, math.nan, math.nan, num_points)
    x, y = np.log2(np.asarray(tokens, float)), np.asarray(scores, float)
    x, centred = x - x.mean(), y - y.mean()
    fitted = float(x @ centred / (x @ x))
    residuals = centred - fitted * x
    # not scipy's, which knows no error of a score that never changes
    error = math.sqrt(float(residuals @ residuals) / (num_points - 2) / float(x @ x))
    level = max(abs(float(y.mean())), 1e-12)
    reach = float(stats.t.ppf(confidence, num_points - 2)) * error / level
    slope = fitted / level
    low, high = slope - reach, slope + reach
    state: State = "undecided"
    if high < min_gain:
        state = "saturated"
    elif low > 0:
        state = "growing"
    return Trend(state, slope, low, high, num_points)
