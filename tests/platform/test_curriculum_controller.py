"""The controller, on curves whose truth is known."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from davinci.platform.config.identity import canonical
from davinci.platform.curriculum.controller import (
    Decision,
    Observation,
    decide,
    from_plain,
    to_plain,
)
from davinci.platform.curriculum.settings import ControllerSettings
from davinci.platform.curriculum.task import cluster_scores, read_weights, take_decision
from davinci.platform.curriculum.trend import fit_trend
from davinci.platform.evaluation.outcomes import write_outcomes
from davinci.platform.store.records import Outcomes

DOMAINS = ("general", "code", "math", "science", "qa")
EVEN = dict.fromkeys(DOMAINS[:4], 0.25)
SETTINGS = ControllerSettings(window=6)
Curve = Callable[[float], float]
"""A score by doublings of the tokens."""


def replay(
    curves: Mapping[str, Curve],
    settings: ControllerSettings = SETTINGS,
    *,
    num: int = 30,
    noise: float = 0.0,
    seed: int = 0,
    available: Sequence[str] = DOMAINS,
) -> list[Decision]:
    """Return the decisions along curves, one look every million tokens."""
    rng = np.random.default_rng(seed)
    history: list[Observation] = []
    past: list[Decision] = []
    for step in range(1, num + 1):
        tokens = step * 1_000_000
        scores = {n: f(np.log2(tokens / 1e6)) + noise * rng.normal() for n, f in curves.items()}
        history.append(Observation(tokens=tokens, scores=scores))
        weights = past[-1].weights if past else EVEN
        past.append(decide(settings, history, weights=weights, past=past, available=available))
    return past


def flat(_: float) -> float:
    return 1.0


def rising(doublings: float) -> float:
    return 1.0 + 0.2 * doublings


def actions(decisions: Sequence[Decision]) -> list[tuple[int, str]]:
    return [(d.tokens // 1_000_000, d.action) for d in decisions if d.acts]


def test_a_trend_is_the_regression_over_doublings_relative_to_the_level() -> None:
    tokens, scores = [1.0, 2.0, 4.0, 8.0, 16.0], [1.0, 1.3, 1.5, 1.9, 2.1]
    found = fit_trend(tokens, scores, confidence=0.9, min_gain=0.03)
    fit = stats.linregress([0, 1, 2, 3, 4], scores)
    level = np.mean(scores)
    assert found.slope == pytest.approx(fit.slope / level)
    assert found.high - found.slope == pytest.approx(1.637744 * fit.stderr / level, rel=1e-5)
    assert found.low == pytest.approx(2 * found.slope - found.high)
    assert (found.state, found.num_points) == ("growing", 5)


@pytest.mark.parametrize(
    ("scores", "state"),
    [
        ([1.0, 1.0001, 1.0, 1.0001, 1.0], "saturated"),
        ([1.0, 1.5, 0.7, 1.4, 0.9], "undecided"),
        ([1.0, 1.01, 1.02, 1.03, 1.04], "saturated"),
        ([-2.0, -1.8, -1.6, -1.4, -1.2], "growing"),
        ([1.0, 1.1, 1.2], "undecided"),
    ],
)
def test_states_follow_the_bounds(scores: list[float], state: str) -> None:
    tokens = [2.0**n for n in range(len(scores))]
    assert fit_trend(tokens, scores, confidence=0.9, min_gain=0.03).state == state


def test_weight_moves_from_the_saturated_to_those_that_grow_after_patience() -> None:
    found = replay({"general": flat, "code": rising, "math": rising, "science": rising})
    first = next(d for d in found if d.acts)
    assert (first.tokens, first.action) == (7_000_000, "shift")  # 6 to a window, 2 looks
    assert first.weights["general"] == pytest.approx(0.15)
    assert first.weights["code"] == pytest.approx(0.25 + 0.1 / 3, abs=1e-5)
    assert "qa" not in first.weights
    assert first.trends["general"].state == "saturated"
    assert "general saturated while code and math and science still grew" in first.reason
    later = [d for d in found if d.acts][1]
    assert later.tokens >= first.tokens + 6_000_000, "a window must fill before it acts again"


def test_when_nothing_grows_questions_come_in_in_two_steps_and_then_it_holds() -> None:
    found = replay(dict.fromkeys(DOMAINS[:4], flat))
    assert actions(found) == [(7, "bring in qa"), (14, "bring in qa")]
    assert [round(d.weights.get("qa", 0), 6) for d in found if d.acts] == [0.3, 0.7]
    assert found[-1].weights["code"] == pytest.approx(0.075)
    assert "no qa is left to add" in found[-1].reason


def test_without_qa_data_it_holds() -> None:
    found = replay(dict.fromkeys(DOMAINS[:4], flat), available=DOMAINS[:4])
    assert actions(found) == []


def test_while_everything_grows_nothing_is_done() -> None:
    assert actions(replay(dict.fromkeys(DOMAINS[:4], rising))) == []


def test_a_shift_leaves_a_floor() -> None:
    curves = {"general": flat, "code": rising}
    found = replay(curves, replace(SETTINGS, step=0.5, floor=0.1), num=60)
    assert min(d.weights["general"] for d in found) == pytest.approx(0.1)


def test_weights_stay_shares_of_domains_with_data_on_any_curves() -> None:
    for seed in range(150):
        rng = np.random.default_rng(seed)
        slopes = dict(zip(DOMAINS[:4], rng.choice([0.0, 0.01, 0.3], 4), strict=True))
        curves = {n: (lambda x, s=s: 1 + s * x) for n, s in slopes.items()}
        available = ("general", "code", "math", "science", "qa")[: int(rng.integers(4, 6))]
        for decision in replay(curves, noise=0.01, seed=seed, available=available):
            assert sum(decision.weights.values()) == pytest.approx(1.0, abs=1e-9)
            assert min(decision.weights.values()) > 0
            assert set(decision.weights) <= set(available)


def test_how_often_a_growing_cluster_is_called_saturated_and_a_flat_one_is_missed() -> None:
    """False and missed saturations over 16 looks, at a noise of half the worthwhile gain."""
    settings = replace(SETTINGS, window=8)
    noise, num = 0.015, 200

    def rate(slope: float) -> float:
        called = 0
        for seed in range(num):
            found = replay(
                {"code": lambda x: 1 + slope * x}, settings, num=24, noise=noise, seed=seed
            )
            called += any(d.acts for d in found)
        return called / num

    assert rate(0.12) <= 0.05, "four times the worthwhile gain is hardly ever given up"
    assert rate(0.0) >= 0.60, "a flat score is mostly found"


def test_a_decision_survives_as_plain_json_and_is_taken_again_alike() -> None:
    found = replay({"general": flat, "code": rising, "math": rising, "science": rising})
    for decision in found:
        text = json.dumps(to_plain(decision), allow_nan=False)
        assert from_plain(json.loads(text)) == decision
    assert replay({"general": flat, "code": rising, "math": rising, "science": rising}) == found


def outcomes(domain: str, value: float, metric: str = "bits_per_byte") -> Outcomes:
    return Outcomes(
        benchmark=f"held_out_{domain}",
        domain=domain,
        protocol="bpb",
        metric=metric,
        higher_is_better=False,
        item_ids=("a", "b"),
        values=np.array([value, value]),
        weights=np.ones(2),
    )


def test_bits_per_byte_are_watched_negated_and_styles_are_not() -> None:
    given = [outcomes("math", 2.0), outcomes("science", 1.0), outcomes("math", 9.0, "other")]
    assert cluster_scores(ControllerSettings(), given) == {"math": -2.0, "science": -1.0}
    paper = ControllerSettings(clusters="paper")
    assert cluster_scores(paper, given) == {"science": -1.5}


def test_a_chain_of_tasks_decides_as_one_replay_would(tmp_path: Path) -> None:
    settings = ControllerSettings(window=4, patience=1)
    previous: Path | None = None
    for number in range(1, 6):
        evaluation, out = tmp_path / f"e{number}", tmp_path / f"d{number}"
        out.mkdir()
        write_outcomes([outcomes("math", 2.0), outcomes("code", 2.0 - 0.1 * number)], evaluation)
        take_decision(
            {
                "controller": canonical(settings),
                "weights": {"math": 0.5, "code": 0.5},
                "available": ["code", "math"],
                "tokens": number * 1000,
            },
            evaluation=evaluation,
            previous=previous,
            out=out,
        )
        previous = out
    assert read_weights(tmp_path / "d3") == {"math": 0.5, "code": 0.5}
    assert read_weights(tmp_path / "d4") == {"math": 0.4, "code": 0.6}
    assert read_weights(tmp_path / "d5") == {"math": 0.4, "code": 0.6}
    shown = json.loads((tmp_path / "d4" / "decision.json").read_text())
    assert shown["action"] == "shift"
    assert shown["scores"] == {"math": -2.0, "code": -1.6}
