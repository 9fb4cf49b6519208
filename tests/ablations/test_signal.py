"""Signal, noise and saturation of benchmarks, on planted spreads."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from davinci.ablations import signal
from davinci.ablations.comparison import compare
from davinci.ablations.saturation import saturations
from davinci.ablations.signal import benchmark_signals
from davinci.platform.store.records import Cost, Outcomes, Scored, Segment, Sweep

ARMS, SEEDS, ITEMS = 12, 6, 4000


def outcome(
    build: SimpleNamespace, share: float, rng: np.random.Generator, **changes: Any
) -> Outcomes:
    found = build.outcome("ppl", "accuracy", rng.random(ITEMS) < share, chance=0.25, **changes)
    assert isinstance(found, Outcomes)
    return found


def planted(build: SimpleNamespace, signal: float, seed_sd: float, base: float = 0.5) -> Sweep:
    rng = np.random.default_rng(1)
    arms = []
    for number in range(ARMS):
        level = base + signal * rng.normal()
        shares = level + seed_sd * rng.normal(size=SEEDS)
        runs = [build.run(seed, outcome(build, share, rng)) for seed, share in enumerate(shares)]
        arms.append(build.arm("L2" if number == 0 else f"arm{number}", runs))
    found = build.sweep(*arms)
    assert isinstance(found, Sweep)
    return found


def test_planted_signal_and_noise_are_found(build: SimpleNamespace) -> None:
    sweep = planted(build, signal=0.05, seed_sd=0.02)
    (found,) = benchmark_signals(sweep, compare(sweep))
    own = math.sqrt(0.02**2 + 0.25 / ITEMS)  # of seeds, and of items drawn anew by every run here
    assert found.seed_sd == pytest.approx(own, rel=0.25)
    assert found.signal_sd == pytest.approx(0.05, rel=0.4)
    assert found.item_se == pytest.approx(math.sqrt(0.25 / ITEMS), rel=0.05)
    assert found.signal_to_noise == pytest.approx(found.signal_sd / found.seed_sd)
    assert (found.num_arms, found.num_runs, found.num_items) == (ARMS, ARMS * SEEDS, ITEMS)
    scores = np.array([[run.outcomes[0].score for run in arm.runs] for arm in sweep.arms])
    means = scores.mean(axis=1)
    within = ((scores - means[:, None]) ** 2).sum() / (ARMS * (SEEDS - 1))
    assert found.seed_sd == pytest.approx(math.sqrt(within), rel=1e-9)
    between = means.var(ddof=1) - within / SEEDS
    assert found.signal_sd == pytest.approx(math.sqrt(between), rel=1e-9)
    assert found.spread == pytest.approx(np.ptp(means), rel=1e-9)
    above = (scores.mean() - 0.25) / found.item_se
    assert found.above_chance == pytest.approx(above, rel=1e-9)
    assert found.decides
    assert found.reason == ""
    # 2.8 standard errors of a difference of two means
    assert found.min_detectable == pytest.approx(
        2.85 * found.seed_sd * math.sqrt(2 / SEEDS), rel=0.02
    )


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("num_items", [1, 2, 30])
def test_item_noise_of_many_records_is_that_of_each(num_items: int, clustered: bool) -> None:
    rng = np.random.default_rng(num_items)
    weights = rng.random(num_items) + 0.1
    arms = [
        [
            Outcomes(
                benchmark="b",
                domain="math",
                protocol="ppl",
                metric="accuracy",
                higher_is_better=True,
                item_ids=tuple(str(number) for number in range(num_items)),
                clusters=tuple(str(number % 4) for number in range(num_items)) * clustered,
                values=rng.normal(size=num_items),
                weights=weights,
            )
            for _ in range(num_runs)
        ]
        for num_runs in (4, 0, 2)
    ]
    together, alone = signal._whole(arms), signal._one_by_one(arms)
    assert together is not None
    assert together.num_items == alone.num_items == num_items
    np.testing.assert_allclose(together.item_ses, alone.item_ses, rtol=1e-12)
    for ours, theirs in zip(together.arms, alone.arms, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_seeds_alone_are_no_signal(build: SimpleNamespace) -> None:
    sweep = planted(build, signal=0.0, seed_sd=0.03)
    (found,) = benchmark_signals(sweep, compare(sweep))
    assert found.signal_sd < 0.02
    assert found.signal_to_noise < 0.6


def test_what_does_not_beat_guessing_decides_nothing(build: SimpleNamespace) -> None:
    sweep = planted(build, signal=0.0, seed_sd=0.0, base=0.25)
    (found,) = benchmark_signals(sweep, compare(sweep))
    assert abs(found.above_chance) < 2
    assert not found.decides
    assert found.reason == "not above guessing"


def test_one_seed_leaves_its_noise_unknown(build: SimpleNamespace) -> None:
    sweep = planted(build, signal=0.05, seed_sd=0.02)
    single = replace(sweep, arms=tuple(replace(arm, runs=arm.runs[:1]) for arm in sweep.arms))
    (found,) = benchmark_signals(single, compare(single))
    assert math.isnan(found.seed_sd)
    assert math.isnan(found.min_detectable)
    assert not found.decides
    assert "one seed" in found.reason


def trained(build: SimpleNamespace, curve: list[float], noise: float = 0.0) -> Sweep:
    """Return one arm of three seeds, scored at 1000, 2000, ... tokens."""
    runs = []
    for seed in range(3):
        rng = np.random.default_rng([seed, 5])
        shares = np.array(curve) + noise * rng.normal(size=len(curve))
        scores = [outcome(build, share, rng) for share in shares]
        total = 1000 * len(curve)
        segment = Segment(
            digest=f"s{seed}", begin_tokens=0, tokens=total, flops=1.0, wall_s=1.0, cpu_s=1.0,
            settings={}, result={},
        )  # fmt: skip
        runs.append(
            build.run(
                seed,
                scores[-1],
                trajectory=tuple(
                    Scored(tokens=1000 * (place + 1), outcomes=(one,))
                    for place, one in enumerate(scores[:-1])
                ),
                segments=(segment,),
                cost=Cost(tokens=total, flops=1.0, wall_s=1.0, cpu_s=1.0),
            )
        )
    found = build.sweep(build.arm("L2", runs))
    assert isinstance(found, Sweep)
    return found


def test_a_curve_that_flattens_is_saturated_where_it_does(build: SimpleNamespace) -> None:
    sweep = trained(build, [0.3, 0.5, 0.7, 0.8, 0.8, 0.8, 0.8])
    keys = [metric.key for metric in compare(sweep).headline]
    (found,) = saturations(sweep, keys)
    assert found.low <= 4000 <= found.high
    assert found.tokens in (4000, 5000, 6000)
    assert found.low >= 3000
    assert found.gain == pytest.approx(0.5, abs=0.03)
    assert found.gains == 1.0
    assert (found.num_runs, found.num_checkpoints, found.num_items) == (3, 7, ITEMS)
    assert saturations(sweep, keys) == (found,)


def test_a_curve_that_rises_to_the_end_is_not_called_saturated(build: SimpleNamespace) -> None:
    sweep = trained(build, [0.3, 0.4, 0.5, 0.6, 0.7])
    (found,) = saturations(sweep, [metric.key for metric in compare(sweep).headline])
    assert found.tokens == found.last == 5000
    assert found.words == "may still be rising at the end"


def test_a_flat_curve_has_no_sure_gain(build: SimpleNamespace) -> None:
    sweep = trained(build, [0.5, 0.5, 0.5, 0.5, 0.5], noise=0.01)
    (found,) = saturations(sweep, [metric.key for metric in compare(sweep).headline])
    assert found.gains < 0.975
    assert found.words.startswith("no gain")


def test_checkpoint_noise_is_measured_around_a_line(build: SimpleNamespace) -> None:
    sweep = trained(build, [0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75], noise=0.03)
    (found,) = benchmark_signals(sweep, compare(sweep))
    assert found.checkpoint_sd == pytest.approx(0.03, rel=0.6)
    assert found.monotonicity > 0.8


def test_three_checkpoints_say_nothing_of_saturation(build: SimpleNamespace) -> None:
    sweep = trained(build, [0.3, 0.4, 0.5])
    assert saturations(sweep, [metric.key for metric in compare(sweep).headline]) == ()
