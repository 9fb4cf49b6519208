"""Whether the two protocols tell different stories: the interaction, tested on the same items."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from davinci.ablations.alignment import MetricKey, Replicates, align
from davinci.ablations.findings import Cell, Kind, MetricComparison, ProtocolPair
from davinci.ablations.statistics import Effect, Paired, correct, paired_effect, resolved

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
    pairs = []
    for (domain, benchmark, protocol), ppl in main.items():
        generative = main.get((domain, benchmark, "generative"))
        if protocol == "ppl" and generative is not None:
            pairs += _pairs(ppl, generative, records, baseline)
    raw = [pair.interaction.p_value if pair.interaction else float("nan") for pair in pairs]
    return tuple(_judge(pair, p) for pair, p in zip(pairs, correct(raw), strict=True))


def _pairs(
    ppl: MetricComparison, generative: MetricComparison, records: Records, baseline: str
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
                interaction=_interaction(ppl.key, generative.key, records, left.arm, baseline),
                attainable=(free_low - ppl_high, free_high - ppl_low),
                p_corrected=float("nan"),
                resolved=False,
                kind="unknown",
            )
        )
    return found


def _interaction(
    ppl: MetricKey, generative: MetricKey, records: Records, arm: str, baseline: str
) -> Effect | None:
    """Return the generative minus the ppl difference, over items and seeds that all four have."""
    if "bits_per_byte" in (ppl.metric, generative.metric):
        return None  # bits and shares of right answers have no difference
    ours, theirs = records[arm], records.get(baseline, {})
    aligned = align(
        ours.get(generative, {}), theirs.get(generative, {}), ours.get(ppl, {}), theirs.get(ppl, {})
    )
    if not aligned.worlds:
        return None
    differences = [
        Paired(v[0] - v[1], v[2] - v[3], weights, num_items)
        for v, weights, num_items in aligned.worlds
    ]
    return paired_effect(differences, bounded=True)


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
