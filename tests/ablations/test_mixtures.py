"""Responses to mixtures whose best point is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from davinci.ablations.mixtures import Mixed, Response, mixture_of, respond

DOMAINS = ("general", "code", "math")


def planted(num: int, noise: float, seed: int = 0, curved: bool = True) -> list[Mixed]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(num):
        w = rng.dirichlet((1.5, 1.5, 1.5))
        best = (0.3, 0.2, 0.5)
        score = -4 * sum((a - b) ** 2 for a, b in zip(w, best, strict=True)) if curved else w[2]
        scores = tuple(float(score + rng.normal(0, noise)) for _ in range(3))
        found.append(Mixed(weights=dict(zip(DOMAINS, w.tolist(), strict=True)), scores=scores))
    return found


def error_of(found: Response, name: str) -> float:
    return next(fit.error for fit in found.fits if fit.name == name)


def test_the_best_mixture_of_a_curved_response_is_found() -> None:
    found = respond(planted(30, noise=0.01))
    assert found.useful
    assert found.fits[0].name == "gaussian"
    assert found.fits[0].error < 0.2 * found.mean_error
    assert found.proposal["math"] == pytest.approx(0.5, abs=0.08)
    assert found.proposal["code"] == pytest.approx(0.2, abs=0.08)
    assert sum(found.proposal.values()) == pytest.approx(1, abs=1e-3)
    assert found.predicted[1] <= found.predicted[0] + 0.05
    assert found.predicted[0] >= found.baselines["uniform"]
    assert found.noise == pytest.approx(0.01 / math.sqrt(3), rel=0.3)


def test_a_linear_response_is_left_to_the_line() -> None:
    found = respond(planted(20, noise=0.002, curved=False), domain="math")
    assert found.fits[0].name in ("linear", "gaussian")
    assert error_of(found, "linear") < error_of(found, "boosting")
    assert found.proposal["math"] > 0.6
    assert found.baselines["most tokens"] == pytest.approx(found.predicted[0], abs=0.02)


def test_pure_noise_is_called_useless_or_hardly_better_than_the_mean() -> None:
    useless = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = [
            Mixed(
                weights=dict(zip(DOMAINS, rng.dirichlet((1, 1, 1)).tolist(), strict=True)),
                scores=tuple(rng.normal(0, 1, 2).tolist()),
            )
            for _ in range(10)
        ]
        found = respond(rows, seed=seed)
        useless += not found.useful or found.fits[0].error > 0.75 * found.mean_error
    assert useless >= 5


def test_the_proposal_stays_within_what_was_tried() -> None:
    rows = [mixed for mixed in planted(25, noise=0.01) if mixed.weights["math"] < 0.35]
    found = respond(rows)
    assert found.proposal["math"] <= max(mixed.weights["math"] for mixed in rows) + 1e-3


def test_a_mixture_is_that_of_all_stages_by_their_tokens(build: SimpleNamespace) -> None:
    stages = [
        {"tokens": 300, "weights": {"general": 1.0}},
        {"tokens": 100, "weights": {"math": 0.6, "qa": 0.4}},
    ]
    found = mixture_of(build.arm("L2", [], config={"stages": stages}))
    assert found == {"general": 0.75, "code": 0.0, "math": 0.15, "science": 0.0, "qa": 0.1}


def test_few_mixtures_are_refused() -> None:
    with pytest.raises(ValueError, match="5 mixtures or more, but 3"):
        respond(planted(3, noise=0.01))
