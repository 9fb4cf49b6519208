"""From a small scale to a large one: agreement, decisions and regret with a known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from davinci.ablations.transfer import propose, transfer

TARGET = {f"r{i}": i / 10 for i in range(8)}


def test_a_perfect_proxy_decides_everything_and_costs_nothing() -> None:
    found = transfer({name: 3 * value for name, value in TARGET.items()}, TARGET, baseline="r0")
    assert found.kendall.value == pytest.approx(1)
    assert found.decisions.value == pytest.approx(1)
    assert found.regret.value == 0
    assert found.coin_regret == pytest.approx(0.35)
    assert found.keep_regret == pytest.approx(0.7)


def test_an_opposite_proxy_is_always_wrong() -> None:
    found = transfer({name: -value for name, value in TARGET.items()}, TARGET)
    assert found.kendall.value == pytest.approx(-1)
    assert found.decisions.value == 0
    assert found.regret.value == pytest.approx(0.7)
    assert math.isnan(found.keep_regret)


def test_the_figures_are_those_of_scipy_and_the_interval_holds_a_coin() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(6):
        proxy = dict(zip(TARGET, rng.normal(size=8), strict=True))
        found = transfer(proxy, TARGET, seed=seed)
        values = list(proxy.values()), list(TARGET.values())
        assert found.kendall.value == pytest.approx(stats.kendalltau(*values).statistic)
        assert found.spearman.value == pytest.approx(stats.spearmanr(*values).statistic)
        held += found.decisions.low <= 0.5 <= found.decisions.high
    assert held >= 5


def test_two_recipes_show_nothing() -> None:
    with pytest.raises(ValueError, match="At least 3 recipes"):
        transfer({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0, "c": 3.0})


def test_the_luck_of_the_winner_is_taken_off() -> None:
    rng = np.random.default_rng(3)
    raw, corrected = [], []
    for _ in range(300):
        truth = rng.normal(0, 0.02, 8)
        scores = {f"r{i}": rng.normal(t, 0.03, 3).tolist() for i, t in enumerate(truth)}
        best = max(propose(scores), key=lambda one: one.score)
        raw.append(best.score - truth[int(best.name[1:])])
        corrected.append(best.expected - truth[int(best.name[1:])])
    assert np.mean(raw) > 0.008
    assert abs(np.mean(corrected)) < 0.4 * np.mean(raw)


def test_the_interval_of_the_winner_holds_its_truth() -> None:
    rng, held, draws = np.random.default_rng(4), 0, 400
    for _ in range(draws):
        scores = {f"r{i}": rng.normal(0.5, 0.03, 3).tolist() for i in range(8)}
        best = max(propose(scores), key=lambda one: one.score)
        held += best.low <= 0.5 <= best.high
    assert held / draws >= 0.94
    alone = propose({"a": [0.5], "b": [0.6]})
    assert math.isnan(alone[0].low), "one seed says nothing of other seeds"


def test_the_best_recipe_is_proposed_with_its_chance() -> None:
    clear = propose({"a": [0.5, 0.51], "b": [0.7, 0.71], "c": [0.4, 0.41]})
    assert (clear[0].name, clear[0].chance) == ("b", 1.0)
    close = propose({"a": [0.50, 0.62], "b": [0.53, 0.60], "c": [0.1, 0.2]})
    assert {close[0].name, close[1].name} == {"a", "b"}
    assert 0.5 <= close[0].chance < 0.7
    assert close[2].chance == 0
    shared = propose({"a": [0.1, 0.5, 0.9], "b": [0.11, 0.52, 0.9], "c": [0.05, 0.44, 0.86]})
    assert shared[0].name == "b"
    assert shared[0].chance > 0.9, "seeds that are better for all alike are no noise"
