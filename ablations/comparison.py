"""A sweep judged: every arm against the baseline, per benchmark, protocol and metric.

The headline is what the report leads with: bits per byte per domain (the quietest metric), accuracy
under likelihood ranking, and the main metric of free answers. P-values are corrected by
Benjamini-Hochberg in families fixed in advance: all arms and domains of one protocol's headline are
a family, held-out text by style is one, all other metrics together are another, and so are the
interactions between the two protocols. So a noisy protocol
does not hide what a quiet one shows, and within each family at most 5 % of the resolved differences
are expected to be false.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from davinci.ablations.alignment import Aligned, MetricKey, Replicates, outcomes_by_key
from davinci.ablations.controls import arm_statuses, problems
from davinci.ablations.differences import config_differences
from davinci.ablations.findings import (
    Cell,
    Direction,
    MetricComparison,
    ProtocolPair,
    SweepComparison,
)
from davinci.ablations.measured import Arms, Measured, measure
from davinci.ablations.protocols import protocol_pairs
from davinci.ablations.sentences import lead, summarise
from davinci.ablations.statistics import (
    MIN_REPLICATES,
    Effect,
    Score,
    correct,
    num_replicates_to_settle,
    resolved,
)
from davinci.ablations.wording import count
from davinci.data_levels.document import DOMAINS
from davinci.platform.config.recipe import PROTOCOLS
from davinci.platform.store.records import Outcomes, Sweep

__all__ = ["Cell", "MetricComparison", "ProtocolPair", "SweepComparison", "compare"]

MAIN_METRICS: Mapping[str, tuple[str, ...]] = {
    "bpb": ("bits_per_byte",),
    "ppl": ("accuracy", "bits_per_byte"),
    "generative": ("accuracy", "step_rate", "pass_rate", "pass_at_1"),
}
"""Per protocol, the metrics that may lead: the first one that a benchmark has."""

METRICS_TOGETHER = 20
"""Metrics that are compared at once; the values of all of them may not fit the memory twice."""


def compare(sweep: Sweep) -> SweepComparison:
    """Return every arm's scores, effects against the baseline, and what they say in words."""
    records = {arm.label: outcomes_by_key(arm) for arm in sweep.arms}
    keys = sorted({key for found in records.values() for key in found}, key=_rank)
    main = _main_keys(keys)
    metrics = list(_compare_metrics(keys, main, records, sweep))
    metrics = [metric for family in _families(metrics) for metric in _correct(family)]
    result = SweepComparison(
        baseline=sweep.baseline,
        metrics=tuple(metrics),
        protocol_pairs=protocol_pairs(metrics, records, sweep.baseline),
        differences=config_differences(sweep),
        arms=arm_statuses(sweep),
        problems=problems(sweep),
    )
    return replace(result, lead=lead(result), findings=summarise(result))


def _rank(key: MetricKey) -> tuple[int, int, MetricKey]:
    protocols, domains = list(PROTOCOLS), list(DOMAINS)
    protocol = protocols.index(key.protocol) if key.protocol in protocols else len(protocols)
    domain = domains.index(key.domain) if key.domain in domains else len(domains)
    return protocol, domain, key


def _main_keys(keys: Iterable[MetricKey]) -> set[MetricKey]:
    by_benchmark: dict[tuple[str, str, str], list[MetricKey]] = {}
    for key in keys:
        by_benchmark.setdefault((key.protocol, key.domain, key.benchmark), []).append(key)
    main = set()
    for (protocol, _, _), found in by_benchmark.items():
        wanted = MAIN_METRICS.get(protocol, ())
        ranked = [key for metric in wanted for key in found if key.metric == metric]
        main.update(ranked[:1])
    return main


class Scale(NamedTuple):
    """What kind of number a score is, and what can be reached from the baseline's."""

    bounded: bool
    higher_is_better: bool
    chance: float
    attainable: tuple[float, float] = (-math.inf, math.inf)
    baseline_floor: Literal["", "at", "below"] = ""


def _compare_metrics(
    keys: Sequence[MetricKey],
    main: Container[MetricKey],
    records: Mapping[str, Mapping[MetricKey, Replicates]],
    sweep: Sweep,
) -> Iterator[MetricComparison]:
    for first in range(0, len(keys), METRICS_TOGETHER):
        some = keys[first : first + METRICS_TOGETHER]
        found = [{label: arm.get(key, {}) for label, arm in records.items()} for key in some]
        scales = [_scale(key, arms) for key, arms in zip(some, found, strict=True)]
        measured = measure(found, [scale.bounded for scale in scales], sweep.baseline)
        for key, scale, arms in zip(some, scales, measured, strict=True):
            yield _compare_metric(key, key in main, scale, arms, sweep.baseline)


def _scale(key: MetricKey, arms: Arms) -> Scale:
    every = [outcomes for arm in arms.values() for outcomes in arm.values()]
    chances = [outcomes.chance for outcomes in every if outcomes.chance == outcomes.chance]
    return Scale(
        bounded=key.protocol != "bpb" and _within_0_1(every),
        higher_is_better=every[0].higher_is_better,
        chance=sum(chances) / len(chances) if chances else math.nan,
    )


def _compare_metric(
    key: MetricKey, headline: bool, scale: Scale, arms: Mapping[str, Measured], baseline: str
) -> MetricComparison:
    scale = _with_range(scale, arms[baseline].score if baseline in arms else None)
    return MetricComparison(
        key=key,
        higher_is_better=scale.higher_is_better,
        chance=scale.chance,
        headline=headline,
        cells=tuple(
            _cell(label, found, scale, is_baseline=label == baseline)
            for label, found in arms.items()
        ),
    )


def _with_range(scale: Scale, baseline: Score | None) -> Scale:
    if baseline is None:
        return scale
    floor = _floor(baseline, scale)
    if not scale.bounded:
        return scale._replace(baseline_floor=floor)
    return scale._replace(attainable=(-baseline.mean, 1 - baseline.mean), baseline_floor=floor)


def _floor(score: Score, scale: Scale) -> Literal["", "at", "below"]:
    """Return whether a score is told apart from the one without skill."""
    if score.low <= scale.chance <= score.high:
        return "at"
    wrong_side = score.high < scale.chance if scale.higher_is_better else score.low > scale.chance
    return "below" if wrong_side else ""


def _within_0_1(records: Iterable[Outcomes]) -> bool:
    values = np.concatenate([outcomes.values for outcomes in records])
    return bool(((values >= 0) & (values <= 1) | np.isnan(values)).all())


def _floor_note(ours: str, baseline: str) -> str:
    if not (ours and baseline):
        return ""
    return "both at the floor" if ours == baseline == "at" else "neither above the floor"


def _cell(label: str, found: Measured, scale: Scale, *, is_baseline: bool) -> Cell:
    own, pair, score, effect = found
    if score is None:
        return Cell(arm=label, score=None, notes=("no finished run has a usable score",))
    floor = _floor(score, scale)
    notes = []
    if own.num_items_left_out:
        left_out = count(own.num_items_left_out, "item")
        notes.append(f"{left_out} without a usable value left out")
    if is_baseline:
        return Cell(arm=label, score=score, floor=floor, notes=tuple(notes))
    if effect is None:
        notes.append("no seed and item in common with the baseline: no difference can be computed")
        return Cell(arm=label, score=score, floor=floor, notes=tuple(notes))
    floor_note = _floor_note(floor, scale.baseline_floor)
    if floor_note:
        what = "nothing learnt" if floor == scale.baseline_floor == "at" else "no skill"
        notes.append(f"{floor_note}: {what} to compare")
    return Cell(
        arm=label,
        score=score,
        effect=effect,
        direction=_direction(effect, scale.higher_is_better),
        settling=num_replicates_to_settle(effect),
        floor=floor,
        floor_note=floor_note,
        attainable=scale.attainable,
        notes=(*notes, *_design_notes(effect, pair, own)),
    )


def _design_notes(effect: Effect, aligned: Aligned, own: Aligned) -> list[str]:
    """Return what the pairs of replicates and items leave open."""
    notes = []
    if len(aligned.replicates) < len(own.replicates):
        have = f"{len(aligned.replicates)} of {len(own.replicates)} seeds"
        notes.append(f"{have} have a partner in the baseline")
    if aligned.same:
        notes.append("no item is scored differently in the two arms")
    if effect.scope == "items":
        notes.append("one seed per world: the interval says nothing about other seeds")
    elif effect.scope == "seeds":
        notes.append("one cluster of items: the interval says nothing about other items")
    elif effect.scope == "fixed_worlds":
        notes.append("two worlds: the interval holds for these two, not for other worlds")
    if effect.num_replicates < MIN_REPLICATES and effect.scope != "items":
        notes.append(f"fewer than {MIN_REPLICATES} seeds: not enough for a claim")
    return notes


def _direction(effect: Effect, higher_is_better: bool) -> Direction:
    if math.isnan(effect.mean):
        return "unknown"
    if effect.mean == 0.0:
        return "same"
    return "better" if (effect.mean > 0) == higher_is_better else "worse"


def _families(metrics: list[MetricComparison]) -> list[list[MetricComparison]]:
    """Return the headline metrics of each protocol, the styles, then all other metrics."""
    protocols = dict.fromkeys(metric.key.protocol for metric in metrics)
    headline = [
        [metric for metric in metrics if metric.headline and metric.key.protocol == protocol]
        for protocol in protocols
    ]
    styles = [metric for metric in metrics if metric.style]
    rest = [metric for metric in metrics if not metric.headline and not metric.style]
    return [*headline, styles, rest]


def _correct(family: list[MetricComparison]) -> list[MetricComparison]:
    """Fill in the corrected p-values of one family, and what is resolved."""
    raw = [c.effect.p_value if c.effect else float("nan") for m in family for c in m.cells]
    corrected = iter(correct(raw))
    return [
        replace(metric, cells=tuple(_resolve(cell, next(corrected)) for cell in metric.cells))
        for metric in family
    ]


def _resolve(cell: Cell, p_corrected: float) -> Cell:
    is_resolved = cell.effect is not None and resolved(cell.effect, p_corrected)
    return replace(cell, p_corrected=p_corrected, resolved=is_resolved)
