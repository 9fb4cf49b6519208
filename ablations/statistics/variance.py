"""How far a weighted mean over seeds x items would move with other seeds and other items.

All seeds see the same items, so both are random and crossed:
`x_si = mean + seed_s + item_i + rest_si`.
The score is a ratio (weighted sum over sum of weights), so its influence values
`z_si = I * w_i * (x_si - mean)` enter a two-way analysis of variance, and

    Var(mean) = MS_seed / (S * I) + item,   item = max(MS_item - MS_rest, 0) / (S * I)

with Satterthwaite's degrees of freedom, which stay between the smaller of S - 1 and I - 1, and
S * I. Where no item favours an arm in all seeds alike, this is the t interval on the seeds' means,
which is exact. Means of three seeds of 0/1 answers may tie by luck; so the seeds' part is not taken
to be below what single answers alone would give in 49 of 50 cases.

Where items come in clusters, "item" means the cluster throughout: it is the unit that is drawn, and
I is the number of clusters.

Coverage of nominal 95 % intervals in percent, beside others' (`benchmarks/interval_coverage.py`:
36 settings of 40 and 150 items, Gaussian and 0/1, 1,000 draws each; mean, lowest and highest):

    =================  ===================  ===================  ===================
    interval           S = 3                S = 5                S = 10
    =================  ===================  ===================  ===================
    this one           95.5 (92.5 -  97.8)  95.5 (93.7 -  97.2)  95.4 (93.0 -  97.3)
    items alone        84.9 ( 0.0 -  96.1)  84.9 ( 0.0 -  96.8)  84.7 ( 0.0 -  96.1)
    seeds alone        92.8 (69.6 -  95.8)  91.4 (56.2 -  96.5)  90.0 (50.3 -  96.4)
    crossed bootstrap  96.0 (71.9 -  99.8)  97.4 (82.5 -  99.8)  98.0 (89.6 - 100.0)
    =================  ===================  ===================  ===================

The unbiased estimate, MS_seed + MS_item - MS_rest kept above each of its parts, covers up to 98.7:
too wide where single answers are most of the noise, as in accuracies of small models. A part of
this is repeated in `tests/ablations/test_coverage.py`.

Source: Searle, Casella and McCulloch, Variance Components (1992), ch. 4 (two-way random model);
Satterthwaite, Biometrics Bulletin 2 (1946).
"""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from davinci.platform.store.records import Floats

Scope = Literal["seeds_and_items", "seeds", "items", "worlds", "fixed_worlds", "nothing"]
NAN = float("nan")
MAX_TOGETHER = 250_000
"""Values that are taken together: 2 MB, which the nearer caches hold."""


class Block(NamedTuple):
    """Values of one world: `values` (S, I), one row per replicate; `weights` (I,), all above 0.

    A column is one item, or the weighted mean of one cluster; `num_items` counts the items behind
    all columns, 0 where each column is one.
    """

    values: Floats
    weights: Floats
    num_items: int = 0


class Components(NamedTuple):
    """Parts of the variance of a score, in squared units of the score; NaN where unknown.

    With S replicates the mean's variance is `item + (seed + rest) / S`, or `world / W`.
    """

    seed: float
    item: float
    rest: float
    world: float = NAN


class Estimate(NamedTuple):
    """A mean with its standard error, its degrees of freedom, and what both speak about.

    `scope` says over what the standard error generalises: `seeds_and_items`; `seeds` (a single
    item); `items` (a single replicate: it says nothing about seeds); `worlds` (other worlds, with
    their own seeds and items); `fixed_worlds` (seeds and items within the two worlds seen);
    `nothing` (one replicate of one item). `num_clusters` counts the units (clusters, or items that
    stand for themselves), `num_items` the items; both are summed over worlds.
    """

    mean: float
    se: float
    df: float
    components: Components
    scope: Scope
    num_replicates: int
    num_worlds: int
    num_items: int
    num_clusters: int


def estimate(blocks: Sequence[Block]) -> Estimate:
    """Return the mean over worlds, each counting the same, with its standard error.

    One world: its weighted mean with the two-way standard error. Two: their average, with the
    uncertainty within these two worlds (`fixed_worlds`; two worlds cannot tell how worlds differ).
    Three or more: the world is the unit, so that items and seeds, which differ between worlds, come
    along with it (`worlds`).

    Raises:
        ValueError: If there is no block, the shapes of one disagree, or a value or weight is
            unusable.
    """
    (found,) = estimates([blocks])
    return found


def estimates(cases: Sequence[Sequence[Block]]) -> list[Estimate]:
    """Return `estimate` of every case, to the same bits: worlds of one shape are taken together.

    A report has thousands of small cases; together they take a tenth of the time.

    Raises:
        ValueError: As `estimate`.
    """
    if not all(cases):
        raise ValueError(
            "`len(blocks) >= 1` must hold, but got no world; pass one block per world."
        )
    parts = iter(_crossed_estimates([block for blocks in cases for block in blocks]))
    return [_over_worlds([next(parts) for _ in blocks]) for blocks in cases]


def _over_worlds(parts: Sequence[Estimate]) -> Estimate:
    if len(parts) == 1:
        return parts[0]
    means = np.array([part.mean for part in parts])
    if len(parts) == 2:
        se, df = _stratified(parts)
        scope: Scope = "items" if any(p.num_replicates == 1 for p in parts) else "fixed_worlds"
        components = Components(NAN, NAN, NAN)
    else:
        world = float(means.var(ddof=1))
        se, df, scope = float(np.sqrt(world / len(parts))), float(len(parts) - 1), "worlds"
        components = Components(NAN, NAN, NAN, world)
    return Estimate(
        mean=float(means.mean()),
        se=se,
        df=df,
        components=components,
        scope=scope,
        num_replicates=sum(part.num_replicates for part in parts),
        num_worlds=len(parts),
        num_items=sum(part.num_items for part in parts),
        num_clusters=sum(part.num_clusters for part in parts),
    )


def satterthwaite(components: Components, num_seeds: int, num_items: int) -> tuple[float, float]:
    """Return the variance and the degrees of freedom of a crossed mean with these components."""
    seed_part = (components.seed + components.rest) / num_seeds
    item_part = components.item + components.rest / num_seeds
    rest_part = components.rest / num_seeds
    return _combine(seed_part, item_part, rest_part, num_seeds, num_items)


def _combine(
    seed_part: float, item_part: float, rest_part: float, num_seeds: int, num_items: int
) -> tuple[float, float]:
    """Return variance and degrees of freedom from the three mean squares over S * I."""
    seed_part = max(seed_part, rest_part * _luckiest(num_seeds - 1))
    item = max(item_part - rest_part, 0.0)
    spread = seed_part**2 / (num_seeds - 1)
    if item > 0:
        spread += item_part**2 / (num_items - 1)
        spread += rest_part**2 / ((num_seeds - 1) * (num_items - 1))
    variance = seed_part + item
    df = variance**2 / spread if spread > 0 else num_items - 1
    return variance, float(max(min(df, num_seeds * num_items), min(num_seeds, num_items) - 1))


@functools.cache
def _luckiest(df: int) -> float:
    """Return the share of its expectation that a mean square falls below once in fifty times."""
    return float(special.chdtri(df, 0.98) / df)


def _crossed_estimates(blocks: Sequence[Block]) -> list[Estimate]:
    """Return the weighted mean of each world's values with its two-way standard error."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, block in enumerate(blocks):
        _check_shape(block)
        alike.setdefault(block.values.shape, []).append(place)
    found: dict[int, Estimate] = {}
    for shape, places in alike.items():
        step = max(1, MAX_TOGETHER // (shape[0] * shape[1]))
        for some in (places[first : first + step] for first in range(0, len(places), step)):
            together = _alike_estimates([blocks[place] for place in some])
            found.update(zip(some, together, strict=True))
    return [found[place] for place in range(len(blocks))]


def _alike_estimates(blocks: Sequence[Block]) -> list[Estimate]:
    """Return the estimates of worlds of one shape; B counts them."""
    values_BSI = np.array([block.values for block in blocks])
    weights_BI = np.array([block.weights for block in blocks])
    _check_usable(values_BSI, weights_BI)
    _, num_seeds, num_items = values_BSI.shape
    total_B = weights_BI.sum(axis=1)
    sum_BS = (values_BSI @ weights_BI[:, :, None])[:, :, 0]  # of whole numbers, without rounding
    mean_B = (sum_BS / total_B[:, None]).mean(axis=1)
    weights_BI = weights_BI / total_B[:, None]
    z_BSI = num_items * weights_BI[:, None] * (values_BSI - mean_B[:, None, None])
    rounding_B = 1e-12 * np.maximum(np.abs(values_BSI).max(axis=(1, 2)), 1.0)
    z_BSI[np.abs(z_BSI) < rounding_B[:, None, None]] = 0.0  # no spread
    found = _one_way(z_BSI) if 1 in (num_seeds, num_items) else _two_way(z_BSI)
    scope = _scope(num_seeds, num_items)
    return [
        Estimate(
            mean=mean,
            se=math.sqrt(variance),
            df=df,
            components=components,
            scope=scope,
            num_replicates=num_seeds,
            num_worlds=1,
            num_items=block.num_items or num_items,
            num_clusters=num_items,
        )
        for block, mean, (variance, df, components) in zip(
            blocks, mean_B.tolist(), found, strict=True
        )
    ]


Spread = tuple[float, float, Components]
"""Variance of a mean, its degrees of freedom, and its parts."""


def _two_way(z_BSI: Floats) -> Iterator[Spread]:
    _, num_seeds, num_items = z_BSI.shape
    z_BS, z_BI, z_B = z_BSI.mean(axis=2), z_BSI.mean(axis=1), z_BSI.mean(axis=(1, 2))
    rest_BSI = z_BSI - z_BS[:, :, None] - z_BI[:, None, :] + z_B[:, None, None]
    seed_parts = z_BS.var(axis=1, ddof=1) / num_seeds
    item_parts = z_BI.var(axis=1, ddof=1) / num_items
    mean_squares = (rest_BSI**2).sum(axis=(1, 2)) / ((num_seeds - 1) * (num_items - 1))
    rest_parts = mean_squares / (num_seeds * num_items)
    for seed_part, item_part, rest_part in zip(
        seed_parts.tolist(), item_parts.tolist(), rest_parts.tolist(), strict=True
    ):
        components = Components(
            seed=max(seed_part - rest_part, 0.0) * num_seeds,
            item=max(item_part - rest_part, 0.0),
            rest=rest_part * num_seeds,
        )
        variance, df = _combine(seed_part, item_part, rest_part, num_seeds, num_items)
        yield variance, df, components


def _one_way(z_BSI: Floats) -> Iterator[Spread]:
    """Only one of the two, seeds or items, is repeated: say nothing about the other."""
    _, num_seeds, num_items = z_BSI.shape
    num, scope = num_seeds * num_items, _scope(num_seeds, num_items)
    for z_SI in z_BSI:
        variance = float(z_SI.var(ddof=1)) / num if num > 1 else NAN
        components = Components(
            seed=variance * num if scope == "seeds" else NAN,
            item=variance if scope == "items" else NAN,
            rest=NAN,
        )
        yield variance, float(num - 1), components


def _scope(num_seeds: int, num_items: int) -> Scope:
    if num_seeds > 1:
        return "seeds_and_items" if num_items > 1 else "seeds"
    return "items" if num_items > 1 else "nothing"


def _stratified(parts: Sequence[Estimate]) -> tuple[float, float]:
    variances = np.array([part.se**2 for part in parts]) / len(parts) ** 2
    spread = float((variances**2 / np.array([max(part.df, 1.0) for part in parts])).sum())
    total = float(variances.sum())
    df = total**2 / spread if spread > 0 else min(part.df for part in parts)
    return float(np.sqrt(total)), df


def _check_shape(block: Block) -> None:
    values, weights = block.values, block.weights
    if values.ndim != 2 or values.size == 0 or weights.shape != values.shape[1:]:
        raise ValueError(
            "`values` (S, I) and `weights` (I,) must agree and not be empty, but got "
            f"{values.shape} and {weights.shape}."
        )


def _check_usable(values: Floats, weights: Floats) -> None:
    if not (np.isfinite(values).all() and np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(
            "values must be finite and weights finite and above 0; leave unusable items out first."
        )
