"""Mixtures as points of a cube: a search moves in the cube, and the simplex follows.

A coordinate u_d in (0, 1) becomes a gamma variable of shape concentration * prior_d by its quantile
function; normalised, they are Dirichlet distributed where the u_d are uniform (Devroye, Non-Uniform
Random Variate Generation, 1986, chapter XI.4). So random draws are Dirichlet draws around the
prior, a Sobol sequence fills the simplex around it, and every other sampler searches there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

NUM_HALVINGS = 60
DIGITS = 6
TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplex:
    """Weights of some domains that sum to 1.

    Attributes:
        domains: In order.
        prior: Where the search is centred; sums to 1, each above 0.
        concentration: How near to it: the Dirichlet parameters sum to this.
        lower: Least weight of each; upper: most.
    """

    domains: tuple[str, ...]
    prior: tuple[float, ...]
    concentration: float
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def weights(self, coordinates: Sequence[float]) -> dict[str, float]:
        """Return the mixture at a point of the cube, rounded so that it sums to 1."""
        shape = self.concentration * np.asarray(self.prior)
        gammas = gammaincinv(shape, np.clip(np.asarray(coordinates), TINY, 1 - TINY))
        total = gammas.sum()
        raw = gammas / total if total > 0 else np.asarray(self.prior)
        inside = project(raw, np.asarray(self.lower), np.asarray(self.upper))
        rounded = np.round(inside, DIGITS)
        largest = int(np.argmax(rounded))
        rounded[largest] += round(1.0 - float(rounded.sum()), DIGITS)
        return {d: round(float(w), DIGITS) for d, w in zip(self.domains, rounded, strict=True)}


def project(
    weights: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the nearest point within bounds whose parts sum to 1.

    It is clip(weights - t) for one number t, found by bisection.

    Raises:
        ValueError: If no point within the bounds sums to 1.
    """
    if lower.sum() > 1 + 1e-9 or upper.sum() < 1 - 1e-9:
        raise ValueError(
            f"no mixture keeps the bounds: the least weights sum to {lower.sum():g}, the most to "
            f"{upper.sum():g}."
        )
    low, high = float((weights - upper).min()), float((weights - lower).max())
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        if np.clip(weights - middle, lower, upper).sum() > 1:
            low = middle
        else:
            high = middle
    return np.clip(weights - (low + high) / 2, lower, upper)


def bounds_of(
    domains: Sequence[str],
    lower: Mapping[str, float],
    upper: Mapping[str, float],
    available: Mapping[str, float],
    tokens: float,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the least and the most weight of each domain.

    A domain of which so many tokens are `available` can take no larger share of `tokens` trained.
    """
    limits = {d: min(upper.get(d, 1.0), available.get(d, np.inf) / tokens) for d in domains}
    return tuple(lower.get(d, 0.0) for d in domains), tuple(min(1.0, limits[d]) for d in domains)
