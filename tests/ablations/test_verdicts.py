"""Verdicts on studies whose truth is known."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.ablations.studies import ablation, claim, study, verdicts

from davinci.ablations.verdicts import dirty_frac, overall
from davinci.data_levels.contamination.record import Overlap
from davinci.data_levels.contamination.settings import ContaminationRule
from davinci.platform.store.records import Contamination, Run


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_large_difference_is_supported_and_its_opposite_contradicted() -> None:
    sweep = study({"old": 1.0, "new": 0.8}, rng())
    declared = ablation(claim(), claim(expect="worse"), claim(expect="equal"))
    better, worse, equal = verdicts(declared, sweep)
    assert better.state == "supported"
    assert better.effect is not None
    assert better.effect.mean == pytest.approx(0.2, abs=0.03)
    assert better.effect.low > 0
    assert worse.state == "contradicted"
    assert worse.effect is not None
    assert worse.effect.mean == pytest.approx(-better.effect.mean)
    assert equal.state == "contradicted"
    assert overall([better, worse, equal]) == "supported"


def test_no_difference_is_a_verdict_too() -> None:
    sweep = study({"old": 1.0, "new": 1.0}, rng(), seeds=10, seed_sd=0.005, item_sd=0.02)
    declared = ablation(claim(min_effect=0.05), claim(expect="equal", min_effect=0.05))
    better, equal = verdicts(declared, sweep)
    assert better.state == "contradicted"
    assert equal.state == "supported"


def test_what_is_open_says_how_many_seeds_would_close_it() -> None:
    sweep = study({"old": 1.0, "new": 0.98}, rng(2), seed_sd=0.05)
    (found,) = verdicts(ablation(claim()), sweep)
    assert found.state == "inconclusive"
    assert found.settling is not None
    assert found.settling.num is None or found.settling.num > 3
    assert "open" in found.reason


def test_a_real_difference_that_is_smaller_than_claimed_is_not_supported() -> None:
    sweep = study({"old": 1.0, "new": 0.97}, rng(), seeds=10, seed_sd=0.004, item_sd=0.02)
    (found,) = verdicts(ablation(claim(min_effect=0.1)), sweep)
    assert found.state == "contradicted"
    assert found.effect is not None
    assert found.effect.low > 0, "it is a difference, but not one of that size"


def test_two_seeds_decide_nothing() -> None:
    sweep = study({"old": 1.0, "new": 0.5}, rng(), seeds=2)
    (found,) = verdicts(ablation(claim()), sweep)
    assert found.state == "inconclusive"
    assert "fewer than 3" in found.reason


def test_confounders_and_missing_runs_void_it() -> None:
    sweep = study({"old": 1.0, "new": 0.5}, rng())
    (confounded,) = verdicts(ablation(claim()), sweep, ["model.num_layers"])
    assert confounded.state == "void"
    assert "model.num_layers" in confounded.reason
    old, new = sweep.arms
    failed = replace(new, runs=tuple(replace(run, state="failed") for run in new.runs))
    (missing,) = verdicts(ablation(claim()), replace(sweep, arms=(old, failed)))
    assert missing.state == "void"
    assert missing.reason == "no finished run of new"
    waiting = replace(new, runs=tuple(replace(run, state="planned") for run in new.runs))
    (later,) = verdicts(ablation(claim()), replace(sweep, arms=(old, waiting)))
    assert (later.state, later.reason) == ("inconclusive", "not finished yet: new")
    (unscored,) = verdicts(ablation(claim(metric="generative/math")), sweep)
    assert unscored.state == "void"
    assert overall([confounded]) == "void"


def holding(num_dirty: int, num_items: int = 40) -> Contamination:
    """Return what a corpus holds of the held-out math texts."""
    nothing = np.zeros(num_items)
    overlap = Overlap(
        benchmark="held_out_math",
        domain="math",
        item_ids=tuple(f"0/{i}" for i in range(num_items)),
        checkable=np.ones(num_items, dtype=bool),
        question_overlap=nothing,
        overlap=nothing,
        coverage=nothing,
        num_documents=(np.arange(num_items) < num_dirty).astype(np.int64),
        examples={},
        sources={},
    )
    return Contamination(
        corpus_domain="math",
        corpus_documents=1,
        corpus_bytes=1,
        rule=ContaminationRule(),
        overlap=overlap,
    )


def test_a_benchmark_that_was_trained_on_decides_nothing() -> None:
    sweep = study({"old": 1.0, "new": 0.5}, rng())
    old, new = sweep.arms
    for num_dirty, state in ((4, "supported"), (5, "void")):
        runs = tuple(replace(run, contamination=(holding(num_dirty),)) for run in new.runs)
        (found,) = verdicts(ablation(claim()), replace(sweep, arms=(old, replace(new, runs=runs))))
        assert found.state == state
        assert dirty_frac([replace(new, runs=runs)], "held_out_math") == num_dirty / 40
    assert found.reason.startswith("contaminated: 12 % of the items of held_out_math")
    elsewhere = ablation(claim(metric="bpb/code"))
    (untouched,) = verdicts(elsewhere, replace(sweep, arms=(old, replace(new, runs=runs))))
    assert untouched.state == "supported"


def test_a_trend_is_the_rise_of_the_line() -> None:
    truth = {"a": 1.0, "b": 0.9, "c": 0.8, "d": 0.7}
    sweep = study(truth, rng(), seed_sd=0.003)
    declared = ablation(
        claim(arm="", trend=("a", "b", "c", "d")),
        claim(arm="", trend=("d", "c", "b"), expect="worse"),
        arms=list(truth),
    )
    rise, fall = verdicts(declared, sweep)
    assert rise.state == "supported"
    assert rise.effect is not None
    assert rise.effect.mean == pytest.approx(0.3, abs=0.02)
    assert fall.state == "supported"
    assert fall.effect is not None
    assert fall.effect.mean == pytest.approx(0.2, abs=0.02)


def test_an_interaction_is_a_contrast_of_four_arms() -> None:
    truth = {"a0": 1.0, "b0": 0.9, "a1": 1.0, "b1": 0.7}
    contrast = {"b1": 1.0, "a1": -1.0, "b0": -1.0, "a0": 1.0}
    sweep = study(truth, rng(), seed_sd=0.005)
    (found,) = verdicts(ablation(claim(arm="", contrast=contrast), arms=list(truth)), sweep)
    assert found.state == "supported"
    assert found.effect is not None
    assert found.effect.mean == pytest.approx(0.2, abs=0.03)  # 0.3 - 0.1


def test_the_best_must_beat_every_other() -> None:
    clear = study({"old": 1.0, "new": 0.7, "third": 0.9}, rng(), seed_sd=0.01)
    declared = ablation(claim(expect="best"), arms=("old", "new", "third"))
    (found,) = verdicts(declared, clear)
    assert (found.state, found.rival) == ("supported", "third")
    close = study({"old": 1.0, "new": 0.7, "third": 0.701}, rng(), seed_sd=0.01)
    assert verdicts(declared, close)[0].state == "inconclusive"
    beaten = study({"old": 1.0, "new": 0.9, "third": 0.6}, rng(), seed_sd=0.01)
    assert verdicts(declared, beaten)[0].state == "contradicted"


def test_the_mean_over_domains_counts_each_alike() -> None:
    sweep = study({"old": 1.0, "new": 0.8}, rng())
    shifted = tuple(
        replace(
            arm,
            runs=tuple(
                replace(
                    run,
                    outcomes=tuple(
                        replace(one, values=one.values + 0.4 * (one.domain == "code"))
                        if arm.label == "new"
                        else one
                        for one in run.outcomes
                    ),
                )
                for run in arm.runs
            ),
        )
        for arm in sweep.arms
    )
    (math_, mean) = verdicts(
        ablation(claim(), claim(metric="bpb/mean")), replace(sweep, arms=shifted)
    )
    assert math_.effect is not None
    assert mean.effect is not None
    assert math_.effect.mean == pytest.approx(0.2, abs=0.03)
    assert mean.effect.mean == pytest.approx(0.0, abs=0.03)  # 0.2 in math, -0.2 in code
    assert mean.effect.num_items == 80
    assert mean.effect.se < 0.018, "that the domains differ is no noise of their mean"


def test_many_claims_must_each_show_more() -> None:
    for seed in range(40):
        sweep = study({"old": 1.0, "new": 0.975}, rng(seed), seeds=5, seed_sd=0.012)
        (alone,) = verdicts(ablation(claim()), sweep)
        if 0.01 < alone.support < 0.05:
            break
    crowd = verdicts(ablation(*[claim()] * 6), sweep)
    assert alone.state == "supported"
    assert {found.state for found in crowd} == {"inconclusive"}
    assert crowd[0].support == pytest.approx(min(1.0, 6 * alone.support))


@pytest.mark.parametrize(("seeds", "seed_sd"), [(3, 0.03), (5, 0.0), (10, 0.03)])
def test_nothing_is_seldom_called_something(seeds: int, seed_sd: float) -> None:
    """At most 5 % (three standard errors allowed) of 120 empty studies support a difference."""
    draws = np.random.default_rng(seeds)
    declared = ablation(claim(metric="bpb/mean"), claim(expect="worse"))
    count = 0
    for _ in range(120):
        sweep = study({"old": 1.0, "new": 1.0}, draws, seeds=seeds, seed_sd=seed_sd)
        count += any(found.state == "supported" for found in verdicts(declared, sweep))
    assert count <= 120 * 0.05 + 3 * math.sqrt(120 * 0.05 * 0.95)


def test_a_metric_at_its_floor_shows_nothing(build: SimpleNamespace) -> None:
    draws = np.random.default_rng(0)

    def guessing(share: float) -> list[Run]:
        return [
            build.run(
                seed,
                build.outcome(
                    "ppl", "accuracy", draws.random(400) < share, chance=0.5, item_ids=ids
                ),
            )
            for seed in range(5)
        ]

    ids = tuple(f"i{number}" for number in range(400))
    declared = ablation(claim(metric="ppl/math", min_effect=0.2), arms=("L2", "new"))
    floored = build.sweep(build.arm("L2", guessing(0.5)), build.arm("new", guessing(0.5)))
    (found,) = verdicts(declared, floored)
    assert found.state == "inconclusive"
    assert "no arm scores above guessing" in found.reason
    skilled = build.sweep(build.arm("L2", guessing(0.8)), build.arm("new", guessing(0.8)))
    (found,) = verdicts(declared, skilled)
    assert found.state == "contradicted"


def test_claims_are_said_in_words() -> None:
    assert claim(min_effect=0.02).words("old") == (
        "bpb/math: new is better than old by 0.02 or more"
    )
    assert claim(expect="equal", against="x").words("old") == (
        "bpb/math: new is equal to x within 0.01"
    )
    trend = claim(arm="", trend=("a", "b", "c"), metric="bpb/mean")
    assert trend.words("old") == "bpb/mean improves from a to c by 0.01 or more"
    assert claim(expect="best").words("old") == "bpb/math: new is the best of all arms"
    contrast = claim(arm="", contrast={"a": 1.0, "b": -1.0, "c": -0.5, "d": 0.5})
    assert contrast.words("a").startswith("bpb/math: (a) − (b) − 0.5 (c) + 0.5 (d)")
