"""Looking after every seed: early decisions, and no more errors than a single look makes."""

import math

import numpy as np
import pytest
from tests.ablations.studies import ablation, claim, study

from davinci.ablations.racing import arms_needed, judge_looks, look, nominal_levels
from davinci.ablations.verdicts import Evidence

MOST = 8


def test_the_levels_add_up_to_the_level() -> None:
    levels = nominal_levels(10)
    assert len(levels) == 8
    assert all(0.01 < level < 0.03 for level in levels)
    assert sum(levels) > 0.05, "looks share their seeds, so their levels may sum to more"
    assert nominal_levels(3)[0] == pytest.approx(0.05, rel=0.02)
    with pytest.raises(ValueError, match="most >= 3"):
        nominal_levels(2)
    # paths of sums cross the bounds as often as the level says
    rng = np.random.default_rng(5)
    sums = rng.normal(size=(100_000, 10)).cumsum(axis=1)[:, 2:] / np.sqrt(np.arange(3, 11))
    p_values = np.vectorize(math.erfc)(np.abs(sums) / math.sqrt(2))
    assert (p_values < np.array(levels)).any(axis=1).mean() == pytest.approx(0.05, abs=0.003)


def one_look(*tests: Evidence, num_seeds: int = 5) -> tuple[str, ...]:
    return look(tests, ["open"] * len(tests), num_seeds, 10)


def test_one_look_decides_by_its_own_bound() -> None:
    bound = nominal_levels(10)[2]
    assert one_look(Evidence(bound * 0.9, 1.0)) == ("supported",)
    assert one_look(Evidence(bound * 1.1, 1.0)) == ("open",)
    assert one_look(Evidence(1.0, bound * 0.9)) == ("contradicted",)
    assert one_look(Evidence(0.0, 1.0), num_seeds=2) == ("open",), "there is no look yet"
    assert one_look(Evidence(math.nan, math.nan)) == ("open",)


def test_claims_share_the_level_and_a_decided_one_leaves_its_own() -> None:
    bound = nominal_levels(10)[2]
    near, far = Evidence(bound * 0.9, 1.0), Evidence(1.0, 1.0)
    assert one_look(near, far) == ("open", "open")
    assert one_look(near, Evidence(0.0, 1.0)) == ("supported", "supported")
    assert look([near, far], ["open", "supported"], 5, 10) == ("supported", "supported")
    against = Evidence(1.0, 0.0)
    assert one_look(near, against) == ("open", "contradicted"), "of the other kind: no share"
    assert look([far, near], ["supported", "open"], 5, 10)[0] == "supported", "it stays decided"
    assert look([near, far], ["open", "contradicted"], 5, 10)[0] == "open", "still no share"


def test_only_arms_of_open_claims_go_on() -> None:
    declared = ablation(claim(), claim(arm="third"), arms=("old", "new", "third"))
    assert arms_needed(declared, ("open", "open")) == ("old", "new", "third")
    assert arms_needed(declared, ("supported", "open")) == ("old", "third")
    assert arms_needed(declared, ("supported", "contradicted")) == ()


def test_a_clear_difference_is_decided_at_the_first_look() -> None:
    sweep = study({"old": 1.0, "new": 0.6}, np.random.default_rng(0), seeds=MOST)
    (found,), standings = judge_looks(ablation(claim()), sweep, MOST)
    assert standings == ("supported",)
    assert found.state == "supported"
    assert found.reason == "decided after 3 of at most 8 seeds"
    assert found.effect is not None
    assert found.effect.num_replicates == 3


def test_what_stays_open_says_so() -> None:
    sweep = study({"old": 1.0, "new": 0.99}, np.random.default_rng(1), seeds=4, seed_sd=0.05)
    (found,), standings = judge_looks(ablation(claim()), sweep, MOST)
    assert standings == ("open",)
    assert (found.state, found.reason) == ("inconclusive", "open after 4 of at most 8 seeds")


def test_many_looks_at_nothing_seldom_see_something() -> None:
    rng, count = np.random.default_rng(2), 0
    for _ in range(60):
        sweep = study({"old": 1.0, "new": 1.0}, rng, seeds=MOST, items=12, domains=("math",))
        _, (stands,) = judge_looks(ablation(claim(min_effect=1e-6)), sweep, MOST)
        count += stands == "supported"
    assert count <= 60 * 0.05 + 3 * math.sqrt(60 * 0.05 * 0.95)
