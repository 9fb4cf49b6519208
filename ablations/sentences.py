"""A comparison in plain sentences: what is resolved, what is not, and with how much data.

Protocols are corrected as families of their own, so they are counted apart and never pooled.
"""

from davinci.ablations.findings import Cell, Finding, MetricComparison, SweepComparison
from davinci.ablations.wording import (
    count,
    interval,
    listed,
    metric_words,
    number,
    protocol_short,
    protocol_words,
    quoted,
    repeats,
    spanned,
)

MAX_NAMED = 3
"""More swings than this are counted in the summary, not named: they stand in their own table."""

Tested = list[tuple[MetricComparison, Cell]]


def lead(comparison: SweepComparison) -> str:
    """Return one sentence that counts what is resolved, protocol by protocol."""
    texts = [
        f"{protocol_short(protocol)} {_tally(found)}"
        for protocol, metrics in _protocols(comparison).items()
        if (found := _tested(metrics))
    ]
    if not texts:
        return "No arm can be compared with a baseline, so nothing is concluded."
    return f"Resolved against {quoted(comparison.baseline)}: {'; '.join(texts)}."


def summarise(comparison: SweepComparison) -> tuple[Finding, ...]:
    """Return what each family shows, most important first; the styles follow bits per byte."""
    findings = []
    for protocol, metrics in _protocols(comparison).items():
        findings += _finding(comparison, metrics)
        if protocol == "bpb":
            for style in dict.fromkeys(metric.style for metric in comparison.styles):
                own = [metric for metric in comparison.styles if metric.style == style]
                findings += _finding(comparison, own)
    if not findings:
        return ()
    more = (*_protocol_sentences(comparison), *_confounder_sentences(comparison))
    return (*findings, *(Finding(text=text) for text in more))


def _protocols(comparison: SweepComparison) -> dict[str, list[MetricComparison]]:
    found: dict[str, list[MetricComparison]] = {}
    for metric in comparison.headline:
        found.setdefault(metric.key.protocol, []).append(metric)
    return found


def _tested(metrics: list[MetricComparison], arm: str = "") -> Tested:
    """Return all cells with a difference, of one arm or of all."""
    return [
        (metric, cell)
        for metric in metrics
        for cell in metric.cells
        if cell.effect is not None and arm in ("", cell.arm)
    ]


def _tally(found: Tested) -> str:
    """Return `4 of 5 (3 better, 1 worse)`."""
    counts = _counts(found)
    if not counts:
        return f"none of {len(found)}"
    parts = [f"{num} {direction}" for direction, num in counts.items()]
    return f"{sum(counts.values())} of {len(found)} ({', '.join(parts)})"


def _counts(found: Tested) -> dict[str, int]:
    """Return how many are resolved in each direction, directions without any left out."""
    directions = [cell.direction for _, cell in found if cell.resolved]
    return {d: directions.count(d) for d in ("better", "worse") if d in directions}


def _finding(comparison: SweepComparison, metrics: list[MetricComparison]) -> list[Finding]:
    """Return the line of one family; arms of which the same can be said share a sentence."""
    found = _tested(metrics)
    if not found:
        return []
    arms_of: dict[tuple[str, str], list[str]] = {}
    for arm in dict.fromkeys(cell.arm for _, cell in found):
        own = _tested(metrics, arm)
        arms_of.setdefault((_design(own), _arm_text(own)), []).append(quoted(arm))
    name, counts = _family_name(found), _counts(found)
    if len(arms_of) == 1:
        (((design, text), arms),) = arms_of.items()
        pair = f"{listed(arms)} against {quoted(comparison.baseline)}"
        if counts:
            text = f"{sum(counts.values())} of {len(found)} resolved, {text}"
        return [Finding(text=f"{name}, {pair} ({design}): {text}.")]
    parts = listed([f"{num} {direction}" for direction, num in counts.items()])
    said = f"{sum(counts.values()) or 'none'} of {len(found)} resolved"
    designs = {design for design, _ in arms_of}
    shared = f" ({designs.pop()})" if len(designs) == 1 else ""
    return [
        Finding(
            text=f"{name}{shared}: {said}{', ' if parts else ''}{parts}.",
            details=tuple(
                f"{listed(arms)}{'' if shared else f' ({design})'}: {text}."
                for (design, text), arms in arms_of.items()
            ),
        )
    ]


def _family_name(found: Tested) -> str:
    words = listed(list(dict.fromkeys(metric_words(metric.key.metric) for metric, _ in found)))
    protocol = protocol_words(found[0][0].key.protocol)
    return f"{protocol[:1].upper()}{protocol[1:]}, {words}"


def _arm_text(found: Tested) -> str:
    clauses = []
    for direction in ("better", "worse"):
        texts = [_effect_text(m, c) for m, c in found if c.resolved and c.direction == direction]
        if texts:
            clauses.append(f"{direction} in {listed(texts)}")
    open_ = [metric.key.domain for metric, cell in found if not cell.resolved]
    if len(open_) == len(found) > 1:
        clauses.append(f"none of {len(found)} resolved")
    elif open_:
        clauses.append(f"not resolved in {listed(open_)}")
    return "; ".join(clauses)


def _effect_text(metric: MetricComparison, cell: Cell) -> str:
    assert cell.effect is not None
    floor = f", {cell.floor_note}" if cell.floor_note else ""
    return (
        f"{metric.key.domain} ({number(cell.effect.mean, signed=True)} "
        f"{interval(*cell.shown, signed=True)}{floor})"
    )


def _design(found: Tested) -> str:
    effects = [cell.effect for _, cell in found if cell.effect is not None]
    designs = {repeats(effect.num_replicates, effect.num_worlds) for effect in effects}
    items = spanned([e.num_items for e in effects])
    text = f"{' or '.join(sorted(designs))} × {items} item{'' if items == '1' else 's'}"
    if any(effect.num_clusters < effect.num_items for effect in effects):
        text += f" in {spanned([e.num_clusters for e in effects])} clusters"
    return f"{text} per domain"


def _protocol_sentences(comparison: SweepComparison) -> list[str]:
    sentences = []
    for kind, rule in (
        ("reversal", "both protocols and their difference are resolved, with opposite signs"),
        ("swing", "the protocols point in opposite directions and their difference is resolved"),
    ):
        names = [
            f"{p.domain} ({quoted(p.arm)})" for p in comparison.protocol_pairs if p.kind == kind
        ]
        if len(names) > MAX_NAMED:
            sentences.append(f"{count(len(names), kind)} between the two protocols: {rule}.")
        elif names:
            sentences.append(f"{kind.capitalize()} in {listed(names)}: {rule}.")
    return sentences


def _confounder_sentences(comparison: SweepComparison) -> list[str]:
    names = [f"`{difference.field}`" for difference in comparison.confounders]
    if not names:
        return []
    return [
        f"Confounded: the arms also differ in {listed(names)}, which was not varied on purpose."
    ]
