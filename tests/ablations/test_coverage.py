"""A part of the simulation that chose the interval; `statistics/variance.py` has its numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from davinci.ablations.alignment import ReplicateKey, align
from davinci.ablations.statistics import Paired, paired_effect
from davinci.platform.store.records import Floats, Outcomes

ROOT = Path(__file__).resolve().parents[2]
NUM_DRAWS = 400  # one standard error of a coverage of 95 % is 1.1 points


def gaussian(rng: np.random.Generator, shape: tuple[int, int], seed: float, item: float) -> Floats:
    """Return values (S, I) whose mean has variance 1, shared out between seeds, items and rest."""
    num_seeds, num_items = shape
    seeds = rng.normal(size=(num_seeds, 1)) * np.sqrt(seed * num_seeds)
    items = rng.normal(size=(1, num_items)) * np.sqrt(item * num_items)
    rest = rng.normal(size=shape) * np.sqrt((1 - seed - item) * num_seeds * num_items)
    return np.asarray(seeds + items + rest)


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
@pytest.mark.parametrize(("seed", "item"), [(0.0, 0.9), (0.3, 0.4), (0.8, 0.1)])
def test_gaussian_intervals_cover_what_they_say(num_seeds: int, seed: float, item: float) -> None:
    rng = np.random.default_rng([num_seeds, round(seed * 10)])
    hits = 0
    for _ in range(NUM_DRAWS):
        values = gaussian(rng, (num_seeds, 60), seed, item)
        effect = paired_effect([Paired(values, np.zeros_like(values), np.ones(60))])
        hits += effect.low <= 0.0 <= effect.high
    assert 0.915 <= hits / NUM_DRAWS <= 0.985


def test_heavy_weights_do_not_break_the_coverage() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(NUM_DRAWS):
        values = gaussian(rng, (3, 100), 0.3, 0.4)
        effect = paired_effect([Paired(values, 0 * values, np.exp(rng.normal(size=100)))])
        hits += effect.low <= 0.0 <= effect.high
    assert 0.915 <= hits / NUM_DRAWS <= 0.985


@pytest.mark.parametrize("seed_sd", [0.1, 0.5])
def test_arms_that_do_not_differ_are_seldom_called_different(seed_sd: float) -> None:
    rng = np.random.default_rng(round(seed_sd * 10))
    false_alarms = 0
    for _ in range(NUM_DRAWS):
        hardness = rng.normal(size=40)
        skill = rng.normal(0.3, seed_sd, size=(2, 3, 1))
        right = (skill + rng.normal(size=(2, 3, 40)) > hardness).astype(float)
        effect = paired_effect([Paired(right[0], right[1], np.ones(40))], bounded=True)
        false_alarms += effect.p_value < 0.05
    assert false_alarms / NUM_DRAWS <= 0.08


def test_the_crossed_bootstrap_of_three_seeds_covers_far_less() -> None:
    rng = np.random.default_rng(8)
    ours = bootstrap = 0
    for _ in range(200):
        values = gaussian(rng, (3, 60), 0.8, 0.1)
        effect = paired_effect([Paired(values, np.zeros_like(values), np.ones(60))])
        ours += effect.low <= 0.0 <= effect.high
        seeds = rng.multinomial(3, np.ones(3) / 3, size=300) / 3
        items = rng.multinomial(60, np.ones(60) / 60, size=300) / 60
        low, high = np.quantile(((seeds @ values) * items).sum(axis=1), [0.025, 0.975])
        bootstrap += low <= 0.0 <= high
    assert bootstrap / 200 < 0.91 < ours / 200


def laws(rng: np.random.Generator, clusters: tuple[str, ...]) -> list[dict[ReplicateKey, Outcomes]]:
    """Return two equally good arms of three seeds; each has learnt other laws of the eight."""
    law = np.repeat(np.arange(8), (8, 11, 13, 15, 15, 17, 19, 22))
    hardness = rng.normal(size=120) * 0.3
    arms = []
    for _ in range(2):
        knows = rng.normal(size=8)
        skill = rng.normal(0, 0.1, size=(3, 1)) + knows[law]
        right = (skill + rng.normal(size=(3, 120)) > hardness).astype(float)
        arms.append(
            {
                ReplicateKey(0, seed): Outcomes(
                    benchmark="laws",
                    domain="science",
                    protocol="generative",
                    metric="accuracy",
                    higher_is_better=True,
                    item_ids=tuple(map(str, range(120))),
                    values=right[seed],
                    weights=np.ones(120),
                    clusters=clusters and tuple(map(str, law)),
                )
                for seed in range(3)
            }
        )
    return arms


def test_clones_of_eight_laws_count_as_eight_and_not_as_120() -> None:
    false_alarms = {}
    for clusters in ((), ("yes",)):
        rng = np.random.default_rng(21)
        alarms = 0
        for _ in range(NUM_DRAWS):
            effect = paired_effect(align(*laws(rng, clusters)).pairs, bounded=True)
            alarms += effect.p_value < 0.05
        false_alarms[bool(clusters)] = alarms / NUM_DRAWS
    assert false_alarms[False] > 0.3  # items taken as independent
    assert 0.02 <= false_alarms[True] <= 0.08


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verdict_errors.py", "4"), "false support"),
        (("interval_coverage.py", "4"), "crossed bootstrap"),
    ],
)
def test_the_whole_simulations_run_as_they_are_documented(
    words: tuple[str, ...], says: str
) -> None:
    name, *rest = words
    command = [sys.executable, f"benchmarks/{name}", *rest]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert says in run.stdout
