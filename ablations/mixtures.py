"""From mixtures to scores: four regressions, their cross-validated error, and a proposal.

    linear       score = a + b . w
    log-linear   score = a + b . log(w + eps)
    boosting     gradient boosted trees (scikit-learn)
    gaussian     Gaussian process with an anisotropic Matern kernel and a noise term (scikit-learn)

Every error is over mixtures that were left out whole, with all their seeds, beside that of the mean
of all others and the noise of the seeds, below which no regression can be. The proposal is the best
predicted mixture within the box of what was tried: nothing is said of corners that nobody has seen.

Source: mixing laws: Ye et al. 2024; regression over small proxies: Liu et al. 2024 (RegMix).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Arm, Floats

EPS = 0.01
"""Added to weights before their logarithm, which 0 does not have."""
MIN_MIXTURES = 5
NUM_CANDIDATES = 4000
NUM_DRAWS = 50
Predict = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """One mixture (weights by domain, summing to 1) with the score of each of its seeds."""

    weights: Mapping[str, float]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One regression: its cross-validated error, in units of the score."""

    name: str
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How a score answers to the mixture; more is better.

    Attributes:
        fits: By their error, the best first.
        mean_error: Of predicting the mean of all other mixtures.
        noise: Standard error of one mixture's score from its seeds; NaN with one seed each.
        proposal: The best predicted mixture.
        predicted: Its predicted score, with the range of 90 % of refits on drawn mixtures.
        baselines: What the same regression predicts of trivial mixtures: `uniform`, `best tried`
            (the mixture with the highest mean), `most tokens` (all that the box allows on the
            domain that the score is about).
        useful: Whether the regression is better than the mean; if not, do not use the proposal.
    """

    num_mixtures: int
    fits: tuple[Fit, ...]
    mean_error: float
    noise: float
    proposal: Mapping[str, float]
    predicted: tuple[float, float, float]
    baselines: Mapping[str, float]
    useful: bool


def respond(mixtures: Sequence[Mixed], domain: str = "", seed: int = 0) -> Response:
    """Fit all regressions, and propose a mixture.

    Args:
        mixtures: Each once.
        domain: What the score is about, "" for all domains.
        seed: Of candidates and refits.

    Raises:
        ValueError: If there are fewer than five mixtures.
    """
    if len(mixtures) < MIN_MIXTURES:
        raise ValueError(
            f"A response needs {MIN_MIXTURES} mixtures or more, but {len(mixtures)} were run."
        )
    domains = list(mixtures[0].weights)
    w_MD = np.array([[mixed.weights[name] for name in domains] for mixed in mixtures])
    y_M = np.array([float(np.mean(mixed.scores)) for mixed in mixtures])
    fits = sorted(
        (Fit(name=name, error=_error(fit, w_MD, y_M)) for name, fit in MODELS.items()),
        key=lambda one: one.error,
    )
    others = np.array([np.delete(y_M, place).mean() for place in range(len(y_M))])
    mean_error = float(np.sqrt(np.mean((others - y_M) ** 2)))
    fit = MODELS[fits[0].name]
    rng = np.random.default_rng(seed)
    candidates = _candidates(w_MD, rng)
    predict = fit(w_MD, y_M)
    best = candidates[int(np.argmax(predict(candidates)))]
    uniform = np.full(len(domains), 1 / len(domains))
    trivial = {"uniform": uniform, "best tried": w_MD[int(np.argmax(y_M))]}
    if domain in domains:
        trivial["most tokens"] = candidates[int(np.argmax(candidates[:, domains.index(domain)]))]
    return Response(
        num_mixtures=len(mixtures),
        fits=tuple(fits),
        mean_error=mean_error,
        noise=_noise(mixtures),
        proposal={name: round(float(w), 4) for name, w in zip(domains, best, strict=True)},
        predicted=_range(fit, w_MD, y_M, best, rng),
        baselines={name: float(predict(w[None])[0]) for name, w in trivial.items()},
        useful=fits[0].error < mean_error,
    )


def mixture_of(arm: Arm) -> dict[str, float]:
    """Return what share of an arm's tokens each domain has, over all its stages."""
    total: dict[str, float] = dict.fromkeys(DOMAINS, 0.0)
    tokens = 0.0
    for stage in arm.config["stages"]:
        tokens += stage["tokens"]
        for domain, weight in stage["weights"].items():
            total[domain] += weight * stage["tokens"]
    return {domain: round(value / tokens, 6) for domain, value in total.items()}


def _error(fit: Callable[[Floats, Floats], Predict], w_MD: Floats, y_M: Floats) -> float:
    """Return the root mean square error over mixtures that were left out, each once."""
    missed = []
    for place in range(len(y_M)):
        kept = np.arange(len(y_M)) != place
        predict = fit(w_MD[kept], y_M[kept])
        missed.append(float(predict(w_MD[place : place + 1])[0]) - float(y_M[place]))
    return float(np.sqrt(np.mean(np.square(missed))))


def _range(
    fit: Callable[[Floats, Floats], Predict],
    w_MD: Floats,
    y_M: Floats,
    best_D: Floats,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Return the prediction, and between what 90 % of refits on drawn mixtures lie."""
    drawn = []
    for _ in range(NUM_DRAWS):
        places = rng.integers(len(y_M), size=len(y_M))
        drawn.append(float(fit(w_MD[places], y_M[places])(best_D[None])[0]))
    low, high = np.quantile(drawn, [0.05, 0.95])
    return float(fit(w_MD, y_M)(best_D[None])[0]), float(low), float(high)


def _candidates(w_MD: Floats, rng: np.random.Generator) -> Floats:
    """Return mixtures between those tried: convex combinations, so within what was seen."""
    shares = rng.dirichlet(np.full(len(w_MD), 0.3), NUM_CANDIDATES)
    return np.vstack([w_MD, shares @ w_MD])


def _noise(mixtures: Sequence[Mixed]) -> float:
    df = sum(len(mixed.scores) - 1 for mixed in mixtures)
    if df <= 0:
        return math.nan
    squares = sum(float(((np.array(m.scores) - np.mean(m.scores)) ** 2).sum()) for m in mixtures)
    per_mixture = float(np.mean([len(mixed.scores) for mixed in mixtures]))
    return math.sqrt(squares / df / per_mixture)


def _linear(w_MD: Floats, y_M: Floats) -> Predict:
    return _ridge(w_MD, y_M, lambda w: w)


def _log_linear(w_MD: Floats, y_M: Floats) -> Predict:
    return _ridge(w_MD, y_M, lambda w: np.log(w + EPS))


def _ridge(w_MD: Floats, y_M: Floats, features: Callable[[Floats], Floats]) -> Predict:
    """Fit a line with a little ridge: weights sum to 1, so that one of them is not free."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1e-3).fit(features(w_MD), y_M)
    return lambda w: _predict(model, features(w))


def _boosting(w_MD: Floats, y_M: Floats) -> Predict:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0)
    model.fit(w_MD, y_M)
    return lambda w: _predict(model, w)


def _gaussian(w_MD: Floats, y_M: Floats) -> Predict:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    kernel = Matern(length_scale=np.full(w_MD.shape[1], 0.5), nu=2.5) + WhiteKernel(0.1)
    model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is no fault
        model.fit(w_MD, y_M)
    return lambda w: _predict(model, w)


def _predict(model: Any, features: Floats) -> Floats:
    return np.asarray(model.predict(features), dtype=np.float64)


MODELS: Mapping[str, Callable[[Floats, Floats], Predict]] = {
    "linear": _linear,
    "log-linear": _log_linear,
    "boosting": _boosting,
    "gaussian": _gaussian,
}
