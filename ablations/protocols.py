"""Whether the two protocols tell different stories: the interaction, tested on the same items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from davinci.ablations.alignment import Aligned, MetricKey, Replicates, align_each
from davinci.ablations.findings import Cell, Kind, MetricComparison, ProtocolPair
from davinci.ablations.statistics import Effect, Paired, correct, paired_effects, resolved

Records = Mapping[str, Mapping[MetricKey, Replicates]]
"""Arm label -> score -> records."""


def protocol_pairs(
    metrics: Iterable[MetricComparison], records: Records, baseline: str
) -> tuple[ProtocolPair, ...]:
    """Return every arm's pair of headline differences per benchmark, corrected together.

    Opposite signs alone are a coin toss where nothing differs, so the difference between the two
    differences is what is tested, see `ProtocolPair`.
    """
    main = {(m.key.domain, m.key.benchmark, m.key.protocol): m for m in metrics if m.headline}
    both = [
        (ppl, generative)
        for (domain, benchmark, protocol), ppl in main.items()
        if protocol == "ppl" and (generative := main.get((domain, benchmark, "generative")))
    ]
    interactions = _interactions([(p.key, g.key) for p, g in both], records, baseline)
    pairs = [
        pair
        for (ppl, generative), found in zip(both, interactions, strict=True)
        for pair in _pairs(ppl, generative, found, baseline)
    ]
    raw = [pair.interaction.p_value if pair.interaction else float("nan") for pair in pairs]
    return tuple(_judge(pair, p) for pair, p in zip(pairs, correct(raw), strict=True))


def _pairs(
    ppl: MetricComparison,
    generative: MetricComparison,
    interactions: Mapping[str, Effect],
    baseline: str,
) -> list[ProtocolPair]:
    found = []
    for left, right in zip(ppl.cells, generative.cells, strict=True):
        if left.arm == baseline or (left.score is None and right.score is None):
            continue
        (ppl_low, ppl_high), (free_low, free_high) = left.attainable, right.attainable
        found.append(
            ProtocolPair(
                arm=left.arm,
                domain=ppl.key.domain,
                benchmark=ppl.key.benchmark,
                ppl=left,
                generative=right,
                interaction=interactions.get(left.arm),
                attainable=(free_low - ppl_high, free_high - ppl_low),
                p_corrected=float("nan"),
                resolved=False,
                kind="unknown",
            )
        )
    return found


def _interactions(
    keys: Sequence[tuple[MetricKey, MetricKey]], records: Records, baseline: str
) -> list[dict[str, Effect]]:
    """Return per benchmark, given as (ppl, generative), each arm's interaction.

    It is the generative minus the ppl difference, over items and seeds that all four have; an arm
    that has none of them is left out.
    """
    aligned = [_align_both(ppl, generative, records, baseline) for ppl, generative in keys]
    cases = [_differences(one) for arms in aligned for one in arms.values()]
    effects = iter(paired_effects(cases, bounded=[True] * len(cases)))
    return [{arm: next(effects) for arm in arms} for arms in aligned]


def _align_both(
    ppl: MetricKey, generative: MetricKey, records: Records, baseline: str
) -> dict[str, Aligned]:
    """Return each arm and the baseline in free answers, then both in ranking."""
    if "bits_per_byte" in (ppl.metric, generative.metric) or baseline not in records:
        return {}  # bits and shares of right answers have no difference
    labels = list(records)
    scores = [records[label].get(key, {}) for key in (generative, ppl) for label in labels]
    base, half = labels.index(baseline), len(labels)
    arms = [place for place in range(half) if place != base]
    wanted = [(place, base, half + place, half + base) for place in arms]
    found = zip(arms, align_each(scores, wanted), strict=True)
    return {labels[place]: aligned for place, aligned in found if aligned.worlds}


def _differences(aligned: Aligned) -> list[Paired]:
    return [
        Paired(v[0] - v[1], v[2] - v[3], weights, num_items)
        for v, weights, num_items in aligned.worlds
    ]


def _judge(pair: ProtocolPair, p_corrected: float) -> ProtocolPair:
    is_resolved = pair.interaction is not None and resolved(pair.interaction, p_corrected)
    kind = _kind(pair.ppl, pair.generative, is_resolved)
    opposite = {pair.ppl.direction, pair.generative.direction} == {"better", "worse"}
    if pair.interaction is None:
        proven = opposite and pair.ppl.resolved and pair.generative.resolved
        kind = "reversal" if proven else "unknown"
    return replace(pair, p_corrected=p_corrected, resolved=is_resolved, kind=kind)


def _kind(ppl: Cell, generative: Cell, is_resolved: bool) -> Kind:
    if "unknown" in (ppl.direction, generative.direction):
        return "unknown"
    if not is_resolved:
        return "unresolved"
    if {ppl.direction, generative.direction} != {"better", "worse"}:
        return "apart"
    return "reversal" if ppl.resolved and generative.resolved else "swing"
