"""Where a benchmark stops getting better along training, with what is not known of it.

A benchmark is saturated from the first checkpoint on after which less than a twentieth of its whole
gain is still to come. Seeds and items are drawn again, 1,000 times, to say how sure that is.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from davinci.ablations.alignment import Checkpoints, MetricKey, checkpoints
from davinci.platform.store.records import Outcomes, Sweep

REMAINING_FRAC = 0.05
MIN_CHECKPOINTS = 4
NUM_DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """One arm's benchmark along training; tokens in all.

    Attributes:
        tokens: From which on it is saturated; NaN where it did not get better.
        low: Lower end of the 95 % interval over draws of seeds and items.
        high: Upper end; the last checkpoint's tokens where it may still be rising.
        last: Tokens of the last checkpoint.
        gain: From the first checkpoint to the last, in units of the score.
        gains: Share of the draws in which it got better at all.
    """

    arm: str
    key: MetricKey
    tokens: float
    low: float
    high: float
    last: float
    gain: float
    gains: float
    num_checkpoints: int
    num_runs: int
    num_items: int

    @property
    def words(self) -> str:
        """What is known, in words."""
        if self.gains < 0.975 or math.isnan(self.tokens):
            return "no gain that other seeds and items would surely show"
        if self.high >= self.last:
            return "may still be rising at the end"
        return "saturated"


def saturations(sweep: Sweep, keys: Sequence[MetricKey]) -> tuple[Saturation, ...]:
    """Return every arm's saturation in the given metrics, where enough checkpoints are scored."""
    along = {arm.label: [checkpoints(run) for run in arm.runs] for arm in sweep.arms}
    found = (
        _saturation(label, [run[key] for run in runs if key in run], key)
        for key in keys
        for label, runs in along.items()
    )
    return tuple(one for one in found if one is not None)


def _saturation(arm: str, runs: Sequence[Checkpoints], key: MetricKey) -> Saturation | None:
    scored = list(runs)
    scored = [one for one in scored if one.keys() == scored[0].keys()]
    if not scored or len(scored[0]) < MIN_CHECKPOINTS:
        return None
    tokens = np.array(list(scored[0]), dtype=float)
    first = scored[0][int(tokens[0])]
    shared = set.intersection(*(set(o.item_ids) for one in scored for o in one.values()))
    if not shared:
        return None
    names = sorted(shared)
    values_RTI = np.array([[_of(one[int(t)], names) for t in tokens] for one in scored])
    sound = np.isfinite(values_RTI).all(axis=(0, 1))
    if not sound.any():
        return None
    names = [name for name, is_sound in zip(names, sound, strict=True) if is_sound]
    values_RTI = values_RTI[:, :, sound]
    if not first.higher_is_better:
        values_RTI = -values_RTI
    weight_of = dict(zip(first.item_ids, first.weights, strict=True))
    weights_I = np.array([weight_of[name] for name in names])
    curve_T = values_RTI.mean(axis=0) @ weights_I / weights_I.sum()
    draws = _draws(values_RTI, weights_I, tokens, _seed(arm, key))
    known = draws[np.isfinite(draws)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (math.nan, math.nan)
    return Saturation(
        arm=arm,
        key=key,
        tokens=_saturated_at(curve_T, tokens),
        low=float(low),
        high=float(high),
        last=float(tokens[-1]),
        gain=float(curve_T[-1] - curve_T[0]),
        gains=float(np.isfinite(draws).mean()),
        num_checkpoints=len(tokens),
        num_runs=len(scored),
        num_items=len(names),
    )


def _of(outcomes: Outcomes, names: Sequence[str]) -> np.ndarray:
    place = {name: index for index, name in enumerate(outcomes.item_ids)}
    return np.asarray(outcomes.values[[place[name] for name in names]])


def _draws(
    values_RTI: np.ndarray, weights_I: np.ndarray, tokens: np.ndarray, seed: int
) -> np.ndarray:
    """Return where each draw of runs and items is saturated; NaN where it does not rise."""
    rng = np.random.default_rng(seed)
    num_runs, _, num_items = values_RTI.shape
    even = (np.full(num, 1 / num) for num in (num_runs, num_items))
    runs_DR, items_DI = (rng.multinomial(len(p), p, NUM_DRAWS) for p in even)
    items_DI = items_DI * weights_I
    sums_DT = np.einsum("dr,rti,di->dt", runs_DR, values_RTI, items_DI, optimize=True)
    curves_DT = sums_DT / (num_runs * items_DI.sum(axis=1, keepdims=True))
    return np.array([_saturated_at(curve_T, tokens) for curve_T in curves_DT])


def _saturated_at(curve_T: np.ndarray, tokens: np.ndarray) -> float:
    """Return the tokens of the first checkpoint after which the curve stays near its end."""
    gain = curve_T[-1] - curve_T[0]
    if not gain > 0:
        return math.nan
    short = np.flatnonzero(curve_T < curve_T[-1] - REMAINING_FRAC * gain)
    return float(tokens[short[-1] + 1])


def _seed(arm: str, key: MetricKey) -> int:
    return zlib.crc32("\0".join((arm, *key)).encode())
