"""What would settle a difference that is not resolved yet."""

import bisect
import math
from typing import Literal, NamedTuple

from scipy import special

from davinci.ablations.statistics.effects import POWER, Effect, detectable
from davinci.ablations.statistics.variance import Components, satterthwaite

MAX_REPLICATES = 100


class Settling(NamedTuple):
    """`num` replicates find a true difference as large as the observed one with 80 % power.

    `num` is None where at most 100 do not, or where it is unknown; `reason` then says why:
    `items` (the choice of items alone leaves too much open), `too_small` (the difference is too
    small for any affordable number), `unknown` (nothing is known of the seeds, or no difference was
    seen).
    """

    num: int | None
    unit: Literal["seeds", "worlds"]
    reason: Literal["", "items", "too_small", "unknown"] = ""


def num_replicates_to_settle(effect: Effect) -> Settling:
    """Return how many replicates per arm, in all, would settle an effect of the observed size."""
    unit: Literal["seeds", "worlds"] = "worlds" if effect.scope == "worlds" else "seeds"
    if effect.scope not in ("seeds_and_items", "seeds", "worlds") or effect.mean == 0.0:
        return Settling(None, unit, "unknown")
    if _settles(effect, MAX_REPLICATES):
        numbers = range(2, MAX_REPLICATES)
        place = bisect.bisect_left(numbers, True, key=lambda num: _settles(effect, num))
        return Settling(numbers.start + place, unit)
    floor = float(special.ndtri(0.5 + effect.confidence / 2) + special.ndtri(POWER))
    item = 0.0 if math.isnan(effect.components.item) else effect.components.item
    by_items = abs(effect.mean) < floor * math.sqrt(item)
    return Settling(None, unit, "items" if by_items else "too_small")


def _settles(effect: Effect, num: int) -> bool:
    """Return whether so many replicates find the effect; more of them never find less."""
    variance, df = _variance_at(effect, num)
    return abs(effect.mean) >= detectable(math.sqrt(variance), df, effect.confidence)


def _variance_at(effect: Effect, num: int) -> tuple[float, float]:
    parts: Components = effect.components
    if effect.scope == "worlds":
        return parts.world / num, float(num - 1)
    if effect.scope == "seeds":
        return parts.seed / num, float(num - 1)
    return satterthwaite(parts, num, effect.num_clusters)
