"""Correction of p-values for the number of comparisons made together."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from davinci.ablations.statistics.effects import Effect

ALPHA = 0.05
MIN_REPLICATES = 3
"""Fewer replicates carry no claim: their differences are shown, and never called resolved."""

Method = Literal["benjamini_hochberg", "holm"]


def correct(p_values: Sequence[float], method: Method = "benjamini_hochberg") -> tuple[float, ...]:
    """Return the corrected p-values, in order; NaN stays NaN and does not count as a comparison.

    Benjamini-Hochberg bounds the share of false findings (for screens), Holm the chance of any
    (for claims). Of our own, as statsmodels' `multipletests` collects all garbage at every call:
    half a second in a process that holds much.

    Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995); Holm, Scand. J. Stat. 6 (1979).

    Raises:
        ValueError: If a p-value lies outside [0, 1] or the method is unknown.
    """
    if method not in get_args(Method):
        raise ValueError(f"`method` must be one of {', '.join(get_args(Method))}; got {method!r}.")
    known = [p for p in p_values if not math.isnan(p)]
    for p in known:
        if not 0 <= p <= 1:
            raise ValueError(f"`0 <= p <= 1` must hold for every p-value, but got {p}.")
    if not known:
        return tuple(p_values)
    order = np.argsort(known)
    ranked = np.array(known)[order]
    num = len(ranked)
    if method == "holm":
        stepped = np.maximum.accumulate(ranked * np.arange(num, 0, -1))
    else:
        stepped = np.minimum.accumulate((ranked * num / np.arange(1, num + 1))[::-1])[::-1]
    corrected = np.empty(num)
    corrected[order] = np.minimum(stepped, 1)
    values = iter(corrected.tolist())
    return tuple(p if math.isnan(p) else next(values) for p in p_values)


def resolved(effect: Effect, p_corrected: float) -> bool:
    """Return whether a difference may be claimed.

    Its corrected p-value is below .05, its interval excludes 0, and it speaks about other seeds (at
    least three were run) and about other items or worlds.
    """
    return (
        p_corrected < ALPHA
        and (effect.low > 0 or effect.high < 0)
        and effect.num_replicates >= MIN_REPLICATES
        and effect.scope in ("seeds_and_items", "worlds", "fixed_worlds")
    )
