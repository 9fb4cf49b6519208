"""How often 95 % intervals hold the truth: davinci's beside what others compute from the same data.

    python benchmarks/interval_coverage.py [DRAWS]

Differences of two arms over S seeds and I items, drawn anew each time: Gaussian, with their
variance shared out between seeds, items and single answers in ten ways; and 0/1 answers with other
spreads of hardness, of items that favour an arm, and of seeds, in eight. Peers: a t interval over
items alone (what evaluation harnesses print), one over seeds alone, and the crossed bootstrap.
"""

import sys
from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from davinci.ablations.statistics import Paired, paired_effect
from davinci.platform.store.records import Floats

GAUSSIAN = (
    (1, 0, 0), (0.8, 0, 0.2), (0.5, 0, 0.5), (0.2, 0, 0.8), (0, 0, 1), (0.4, 0.3, 0.3),
    (0.2, 0.6, 0.2), (0, 0.5, 0.5), (0, 0.9, 0.1), (0.05, 0.05, 0.9),
)  # fmt: skip
"""Shares of the variance of the mean: seeds, items, single answers."""
BINARY = (
    (1, 0, 0, 0), (3, 0, 0, 0), (3, 0, 0.1, 0), (1, 0.5, 0.1, -1), (3, 1, 0.2, 1),
    (0.5, 0, 0.4, 0), (6, 0, 0, 2), (6, 0.5, 0.1, 2),
)  # fmt: skip
"""In logits: spread of hardness, of what favours an arm, of seeds; and the mean."""
RESAMPLES = 400


def gaussian(rng: np.random.Generator, shape: tuple[int, int], shares: tuple) -> Floats:
    """Return differences (S, I) with mean 0; the mean of all has variance 1."""
    num_seeds, num_items = shape
    seed, item, rest = np.sqrt(shares)
    return np.asarray(
        rng.normal(size=(num_seeds, 1)) * seed * num_seeds**0.5
        + rng.normal(size=(1, num_items)) * item * num_items**0.5
        + rng.normal(size=shape) * rest * (num_seeds * num_items) ** 0.5
    )


def binary(rng: np.random.Generator, shape: tuple[int, int], spreads: tuple) -> Floats:
    """Return differences (S, I) of two arms' right and wrong answers, equally good on average."""
    hardness, favour, seed, mean = spreads
    hard = rng.normal(size=(1, shape[1])) * hardness
    arms = []
    for _ in range(2):
        logits = mean + hard + rng.normal(size=hard.shape) * favour
        logits = logits + rng.normal(size=(shape[0], 1)) * seed
        arms.append((rng.random(shape) < 1 / (1 + np.exp(-logits))).astype(float))
    return np.asarray(arms[0] - arms[1])


def intervals(values: Floats, rng: np.random.Generator) -> Iterator[tuple[str, float, float]]:
    """Yield every method's interval of the mean of differences (S, I)."""
    ours = paired_effect(
        [Paired(values, np.zeros_like(values), np.ones(values.shape[1]))],
        bounded=bool((np.abs(values) <= 1).all()),
    )
    yield "davinci", ours.low, ours.high
    for name, means in (("items alone", values.mean(axis=0)), ("seeds alone", values.mean(axis=1))):
        half = stats.t.ppf(0.975, means.size - 1) * means.std(ddof=1) / means.size**0.5
        yield name, float(means.mean() - half), float(means.mean() + half)
    num_seeds, num_items = values.shape
    seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), RESAMPLES) / num_seeds
    items = rng.multinomial(num_items, np.full(num_items, 1 / num_items), RESAMPLES) / num_items
    low, high = np.quantile(((seeds @ values) * items).sum(axis=1), [0.025, 0.975])
    yield "crossed bootstrap", float(low), float(high)


def main(draws: int) -> None:
    """Print the mean coverage of every method, and its lowest and highest."""
    covered: dict[str, dict[int, list[float]]] = {}
    kinds: Mapping = {gaussian: GAUSSIAN, binary: BINARY}
    for num_seeds in (3, 5, 10):
        for num_items in (40, 150):
            for draw, settings in kinds.items():
                for number, setting in enumerate(settings):
                    rng = np.random.default_rng([num_seeds, num_items, number])
                    hits: dict[str, int] = {}
                    for _ in range(draws):
                        values = draw(rng, (num_seeds, num_items), setting)
                        for name, low, high in intervals(values, rng):
                            hits[name] = hits.get(name, 0) + (low <= 0 <= high)
                    for name, count in hits.items():
                        covered.setdefault(name, {}).setdefault(num_seeds, []).append(count / draws)
    for name, by_seeds in covered.items():
        spans = "   ".join(
            f"{n:2d} seeds {100 * np.mean(c):4.1f} ({100 * min(c):4.1f} to {100 * max(c):5.1f})"
            for n, c in by_seeds.items()
        )
        print(f"{name:18s} {spans}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
