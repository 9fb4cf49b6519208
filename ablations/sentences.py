"""A comparison in plain sentences: what is resolved, what is not, and with how much data."""

from davinci.ablations.findings import Cell, MetricComparison, SweepComparison
from davinci.ablations.wording import (
    count,
    interval,
    listed,
    metric_words,
    number,
    protocol_words,
    quoted,
    repeats,
)

MAX_NAMED = 3
"""More swings than this are counted in the summary, not named: they stand in their own table."""


def summarise(comparison: SweepComparison) -> tuple[str, ...]:
    """Return the summary of a sweep, most important sentence first."""
    tested = [cell for metric in comparison.headline for cell in metric.cells if cell.effect]
    if not tested:
        return ("No arm can be compared with a baseline, so nothing is concluded.",)
    sentences = [_overall(comparison, tested)]
    for protocol in dict.fromkeys(metric.key.protocol for metric in comparison.headline):
        own = [metric for metric in comparison.headline if metric.key.protocol == protocol]
        sentences += _summary(comparison, own)
        if protocol == "bpb":
            for style in dict.fromkeys(metric.style for metric in comparison.styles):
                own = [metric for metric in comparison.styles if metric.style == style]
                sentences += _summary(comparison, own)
    return (*sentences, *_protocol_sentences(comparison), *_confounder_sentences(comparison))


def _overall(comparison: SweepComparison, tested: list[Cell]) -> str:
    resolved = [cell for cell in tested if cell.resolved]
    better = sum(cell.direction == "better" for cell in resolved)
    worse = len(resolved) - better
    base = f"{count(len(tested), 'headline difference')} to {quoted(comparison.baseline)}"
    if not resolved:
        return f"None of {base} is resolved."
    parts = [f"{better} better" if better else "", f"{worse} worse" if worse else ""]
    verb = "is" if len(resolved) == 1 else "are"
    return f"{len(resolved)} of {base} {verb} resolved: {listed([p for p in parts if p])}."


def _summary(comparison: SweepComparison, metrics: list[MetricComparison]) -> list[str]:
    """Return one sentence per arm over metrics of one protocol; arms with the same share one."""
    by_text: dict[str, list[str]] = {}
    for arm in comparison.arms:
        found = [
            (metric, cell)
            for metric in metrics
            for cell in metric.cells
            if cell.arm == arm.label and cell.effect is not None
        ]
        if found:
            by_text.setdefault(_arm_text(found), []).append(quoted(arm.label))
    return [
        f"{listed(labels)} against {quoted(comparison.baseline)}, {text}"
        for text, labels in by_text.items()
    ]


def _arm_text(found: list[tuple[MetricComparison, Cell]]) -> str:
    clauses = []
    for direction in ("better", "worse"):
        texts = [_effect_text(m, c) for m, c in found if c.resolved and c.direction == direction]
        if texts:
            clauses.append(f"{direction} in {listed(texts)}")
    open_ = [metric.key.domain for metric, cell in found if not cell.resolved]
    if len(open_) == len(found) > 1:
        clauses.append("not resolved in any domain")
    elif open_:
        clauses.append(f"not resolved in {listed(open_)}")
    words = listed(list(dict.fromkeys(metric_words(metric.key.metric) for metric, _ in found)))
    protocol = protocol_words(found[0][0].key.protocol)
    return f"{protocol}, {words} ({_design(found)}): {'; '.join(clauses)}."


def _effect_text(metric: MetricComparison, cell: Cell) -> str:
    assert cell.effect is not None
    effect = cell.effect
    return (
        f"{metric.key.domain} ({number(effect.mean, signed=True)} "
        f"{interval(effect.low, effect.high, signed=True)})"
    )


def _design(found: list[tuple[MetricComparison, Cell]]) -> str:
    effects = [cell.effect for _, cell in found if cell.effect is not None]
    designs = {repeats(effect.num_replicates, effect.num_worlds) for effect in effects}
    items = sorted({effect.num_items for effect in effects})
    span = f"{items[0]:,}" if len(items) == 1 else f"{items[0]:,} to {items[-1]:,}"
    return f"{' or '.join(sorted(designs))}, {span} items per domain"


def _protocol_sentences(comparison: SweepComparison) -> list[str]:
    sentences = []
    for kind, rule in (
        ("reversal", "both protocols are resolved, with opposite signs"),
        ("swing", "the two protocols point in opposite directions, but not both are resolved"),
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
