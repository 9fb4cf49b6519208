"""A sweep judged: every arm against the baseline, per benchmark, protocol and metric.

The headline is what the report leads with: bits per byte per domain (the quietest metric), accuracy
under likelihood ranking, and the main metric of free answers. P-values are corrected by
Benjamini-Hochberg in families fixed in advance: all arms and domains of one protocol's headline are
a family, held-out text by style is one, all other metrics together are another. So a noisy protocol
does not hide what a quiet one shows, and within each family at most 5 % of the resolved differences
are expected to be false.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from davinci.ablations.alignment import (
    MetricKey,
    ReplicateKey,
    align_pairs,
    align_scores,
    outcomes_by_key,
)
from davinci.ablations.controls import MIN_REPLICATES, arm_statuses, problems
from davinci.ablations.differences import config_differences
from davinci.ablations.findings import (
    Cell,
    Direction,
    MetricComparison,
    ProtocolPair,
    SweepComparison,
)
from davinci.ablations.sentences import summarise
from davinci.ablations.statistics import (
    Effect,
    arm_score,
    correct,
    num_replicates_to_settle,
    paired_effect,
)
from davinci.data_levels.document import DOMAINS
from davinci.platform.config.recipe import PROTOCOLS
from davinci.platform.store.records import Outcomes, Sweep

__all__ = ["Cell", "MetricComparison", "ProtocolPair", "SweepComparison", "compare"]

ALPHA = 0.05
MAIN_METRICS: Mapping[str, tuple[str, ...]] = {
    "bpb": ("bits_per_byte",),
    "ppl": ("accuracy",),
    "generative": ("accuracy", "step_rate", "pass_rate"),
}
"""Per protocol, the metrics that may lead: the first one that a benchmark has."""


def compare(sweep: Sweep) -> SweepComparison:
    """Return every arm's scores, effects against the baseline, and what they say in words."""
    records = {arm.label: outcomes_by_key(arm) for arm in sweep.arms}
    keys = sorted({key for found in records.values() for key in found}, key=_rank)
    main = _main_keys(keys)
    metrics = [_compare_metric(key, key in main, records, sweep) for key in keys]
    metrics = [metric for family in _families(metrics) for metric in _correct(family)]
    result = SweepComparison(
        baseline=sweep.baseline,
        metrics=tuple(metrics),
        protocol_pairs=_protocol_pairs(metrics),
        differences=config_differences(sweep),
        arms=arm_statuses(sweep),
        problems=problems(sweep),
    )
    return replace(result, sentences=summarise(result))


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


Records = Mapping[str, Mapping[MetricKey, Mapping[ReplicateKey, Outcomes]]]


def _compare_metric(
    key: MetricKey, headline: bool, records: Records, sweep: Sweep
) -> MetricComparison:
    found = {label: arm.get(key, {}) for label, arm in records.items()}
    some = next(outcomes for arm in found.values() for outcomes in arm.values())
    bounded = key.protocol != "bpb" and _within_0_1(found.values())
    chances = [o.chance for arm in found.values() for o in arm.values() if o.chance == o.chance]
    cells = [
        _cell(arm.label, found, sweep.baseline, bounded, some.higher_is_better)
        for arm in sweep.arms
    ]
    return MetricComparison(
        key=key,
        higher_is_better=some.higher_is_better,
        chance=sum(chances) / len(chances) if chances else float("nan"),
        headline=headline,
        cells=tuple(cells),
    )


def _within_0_1(arms: Iterable[Mapping[ReplicateKey, Outcomes]]) -> bool:
    return all(
        0 <= value <= 1 or math.isnan(value)
        for arm in arms
        for outcomes in arm.values()
        for value in outcomes.values.tolist()
    )


def _cell(
    label: str,
    found: Mapping[str, Mapping[ReplicateKey, Outcomes]],
    baseline: str,
    bounded: bool,
    higher_is_better: bool,
) -> Cell:
    own = align_scores(found[label])
    if not own.worlds:
        return Cell(arm=label, score=None, notes=("no finished run has a usable score",))
    score = arm_score(own.worlds, bounded=bounded)
    notes = []
    if own.num_items_left_out:
        notes.append(f"{own.num_items_left_out} items without a usable value left out")
    if label == baseline:
        return Cell(arm=label, score=score, notes=tuple(notes))
    aligned = align_pairs(found[label], found.get(baseline, {}))
    if not aligned.pairs:
        notes.append("no seed and item in common with the baseline: no difference can be computed")
        return Cell(arm=label, score=score, notes=tuple(notes))
    effect = paired_effect(aligned.pairs, bounded=bounded)
    if len(aligned.replicates) < len(own.replicates):
        have = f"{len(aligned.replicates)} of {len(own.replicates)} seeds"
        notes.append(f"{have} have a partner in the baseline")
    if effect.mean == 0.0 and effect.components.item == effect.components.rest == 0.0:
        notes.append("no item is scored differently in the two arms")
    if effect.scope == "items":
        notes.append("one seed per world: the interval says nothing about other seeds")
    elif effect.scope == "fixed_worlds":
        notes.append("two worlds: the interval holds for these two, not for other worlds")
    if effect.num_replicates < MIN_REPLICATES and effect.scope != "items":
        notes.append(f"fewer than {MIN_REPLICATES} seeds: not enough for a claim")
    return Cell(
        arm=label,
        score=score,
        effect=effect,
        direction=_direction(effect, higher_is_better),
        settling=num_replicates_to_settle(effect),
        notes=tuple(notes),
    )


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
    effect = cell.effect
    resolved = (
        effect is not None
        and p_corrected < ALPHA
        and (effect.low > 0 or effect.high < 0)
        and effect.num_replicates >= MIN_REPLICATES
        and effect.scope not in ("items", "nothing")
    )
    return replace(cell, p_corrected=p_corrected, resolved=resolved)


def _protocol_pairs(metrics: Iterable[MetricComparison]) -> tuple[ProtocolPair, ...]:
    main = {(m.key.domain, m.key.benchmark, m.key.protocol): m for m in metrics if m.headline}
    pairs = []
    for (domain, benchmark, protocol), ppl in main.items():
        generative = main.get((domain, benchmark, "generative"))
        if protocol != "ppl" or generative is None:
            continue
        for left, right in zip(ppl.cells, generative.cells, strict=True):
            if left.score is not None or right.score is not None:
                pairs.append(
                    ProtocolPair(
                        arm=left.arm,
                        domain=domain,
                        benchmark=benchmark,
                        ppl=left.effect,
                        generative=right.effect,
                        kind=_kind(left, right),
                    )
                )
    return tuple(pairs)


def _kind(left: Cell, right: Cell) -> Literal["reversal", "swing", "agree", "unknown"]:
    directions = {left.direction, right.direction}
    if not directions <= {"better", "worse"}:
        return "unknown"
    if len(directions) == 1:
        return "agree"
    return "reversal" if left.resolved and right.resolved else "swing"
