"""Laws of loss in compute: planted laws are found, and a law that is none is not trusted."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.ablations.studies import study

from davinci.ablations.promotion import promotion
from davinci.ablations.scaling import scaling, words
from davinci.platform.store.records import Cost

AMOUNTS = {"a": 1.5, "b": 1.7, "c": 2.1, "d": 1.9}
COMPUTES = (1e15, 4e15, 1.6e16, 6.4e16)


def planted(floor: float, exponent: float, noise: float = 0.0) -> dict[float, dict[str, float]]:
    rng = np.random.default_rng(0)
    return {
        c: {
            name: floor + amount * (c / COMPUTES[0]) ** -exponent + rng.normal(0, noise)
            for name, amount in AMOUNTS.items()
        }
        for c in COMPUTES
    }


def test_both_solvers_find_a_planted_law() -> None:
    found = scaling(planted(0.8, 0.3), target=1e18)
    assert found is not None
    assert found.floor == pytest.approx(0.8, abs=1e-3)
    assert found.exponent == pytest.approx(0.3, rel=1e-3)
    for name, amount in AMOUNTS.items():
        truth = 0.8 + amount * 1e3**-0.3
        assert found.foretold[name] == pytest.approx((truth, truth), rel=0.01)
    by_method = {one.method: one for one in found.held_out}
    assert by_method["least squares"].error < 1e-4
    assert by_method["robust"].error < 0.02
    assert by_method["robust"].decisions == 1
    assert by_method["as before"].error > 0.1
    assert found.worth_it
    assert "a would be the best" in words(found)[1]


def test_one_bad_run_moves_the_robust_fit_less() -> None:
    losses = planted(0.8, 0.3)
    losses[COMPUTES[1]]["a"] += 0.4
    found = scaling(losses)
    assert found is not None
    by_method = {one.method: one for one in found.held_out}
    assert by_method["robust"].error < by_method["least squares"].error


def test_where_nothing_improves_no_law_is_trusted() -> None:
    rng = np.random.default_rng(1)
    losses = {c: {name: 1.0 + rng.normal(0, 0.05) for name in AMOUNTS} for c in COMPUTES}
    losses[COMPUTES[-1]] = dict(losses[COMPUTES[-2]])
    found = scaling(losses)
    assert found is not None
    assert not found.worth_it
    assert "do not trust it" in words(found)[0]


def test_a_promotion_over_three_scales_says_what_a_law_is_worth() -> None:
    rng, sweeps = np.random.default_rng(2), []
    for flops in COMPUTES[:3]:
        power = (flops / COMPUTES[0]) ** -0.3
        truth = {"old": 0.8 + 1.9 * power, "new": 0.8 + 1.6 * power}
        made = study(truth, rng, seed_sd=0.002, item_sd=0.01)
        arms = tuple(
            replace(
                arm,
                runs=tuple(
                    replace(run, cost=Cost(tokens=10, flops=flops, wall_s=1.0, cpu_s=1.0))
                    for run in arm.runs
                ),
            )
            for arm in made.arms
        )
        sweeps.append(replace(made, arms=arms))
    found = promotion(sweeps, "bpb/mean")
    assert found is not None
    assert found.proposals[0].name == "new"
    assert found.law is not None
    assert found.law.computes == COMPUTES[:3]
    assert found.law.foretold["new"] < found.law.foretold["old"]
    last = promotion(sweeps[:2], "bpb/mean")
    assert last is not None
    assert last.law is None, "two scales cannot check a law"


def test_too_few_scales_or_recipes_say_nothing() -> None:
    losses = planted(0.8, 0.3)
    assert scaling({c: losses[c] for c in COMPUTES[:2]}) is None
    assert scaling({c: {"a": losses[c]["a"]} for c in COMPUTES}) is None
    losses[COMPUTES[0]].pop("b")
    found = scaling(losses)
    assert found is not None
    assert set(found.foretold) == {"a", "c", "d"}


def test_a_loss_below_zero_is_refused() -> None:
    losses = planted(0.8, 0.3)
    losses[COMPUTES[0]]["a"] = -1.0
    with pytest.raises(ValueError, match="above 0"):
        scaling(losses)
    losses[COMPUTES[0]]["a"] = math.nan
    with pytest.raises(ValueError, match="finite"):
        scaling(losses)
