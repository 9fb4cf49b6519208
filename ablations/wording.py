"""Numbers and names as readers see them: one way to write each, with its unit."""

import math
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
CUT = "\N{DAGGER}"
"""Marks a printed interval that was cut to what a score can reach."""

MAX_LABEL_CHARS = 80

METRIC_WORDS = {
    "bits_per_byte": "bits per byte",
    "accuracy": "accuracy",
    "accuracy_per_byte": "accuracy, likelihood per byte",
    "accuracy_other_prompt": "accuracy after another item's prompt",
    "accuracy_per_char": "accuracy, likelihood per character",
    "accuracy_pmi": "accuracy, likelihood gained by the question",
    "gold_probability": "probability of the right option",
    "written_greedily": "right answers that greedy decoding writes",
    "solved": "share of programs that pass all tests",
    "step_rate": "share of steps right",
    "pass_rate": "share of tests passed",
}
PROTOCOL_WORDS = {
    "bpb": "held-out text",
    "ppl": "likelihood ranking (ppl)",
    "generative": "free answers (generative)",
}
PROTOCOL_SHORT = {"bpb": "bits per byte"}
FLOOR_WORDS = {
    "ppl": "random guessing",
    "generative": "best answer that ignores the question",
}


def metric_words(metric: str) -> str:
    """Return a metric's name in words."""
    head, _, style = metric.partition("bits_per_byte_")
    if style and not head:
        return f"bits per byte of {style} text"
    if metric.startswith("pass_at_"):
        return f"pass@{metric.removeprefix('pass_at_')}"
    return METRIC_WORDS.get(metric, metric.replace("_", " "))


def protocol_words(protocol: str) -> str:
    """Return a protocol's name in words."""
    return PROTOCOL_WORDS.get(protocol, protocol)


def protocol_short(protocol: str) -> str:
    """Return a protocol's name for lines that have little room."""
    return PROTOCOL_SHORT.get(protocol, protocol)


def floor_words(protocol: str) -> str:
    """Return what reaches the score without skill under a protocol."""
    return FLOOR_WORDS.get(protocol, "no skill")


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number with a true minus sign; "not known" for NaN."""
    if not math.isfinite(value):
        infinite = f"{MINUS if value < 0 else ''}\N{INFINITY}"
        return "not known" if math.isnan(value) else infinite
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if abs(value) < 1 and float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def interval(low: float, high: float, cut: bool = False, *, signed: bool = False) -> str:
    """Return `[low, high]`, `[low, high]†` where an end is cut, or "no interval"."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    mark = CUT if cut else ""
    return f"[{number(low, signed=signed)}, {number(high, signed=signed)}]{mark}"


def p_value(value: float) -> str:
    """Return `p = .012` or `p < .001`."""
    if math.isnan(value):
        return "p not known"
    if value < 0.001:
        return "p < .001"
    return f"p = {value:.3f}".replace("0.", ".", 1)


def count(num: float, noun: str, plural: str = "") -> str:
    """Return `1 seed`, `3 seeds`, `1,200 items`."""
    return f"{num:,} {noun if num == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str], joiner: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joiner} {parts[-1]}"


def quoted(label: str) -> str:
    """Return an arm's label in quotation marks, on one line, cut where it is long."""
    shown = " ".join(label.split())
    return f"“{shown if len(shown) <= MAX_LABEL_CHARS else shown[: MAX_LABEL_CHARS - 1] + '…'}”"


def repeats(num_replicates: int, num_worlds: int = 1) -> str:
    """Return `3 seeds`, or `6 runs in 3 worlds`."""
    if num_worlds > 1:
        return f"{count(num_replicates, 'run')} in {count(num_worlds, 'world')}"
    return count(num_replicates, "seed")


def spanned(counts: Sequence[int]) -> str:
    """Return `120`, or `112 to 120`."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def sample(num_replicates: int, num_worlds: int, num_items: int, num_clusters: int) -> str:
    """Return `3 seeds × 120 items in 11 clusters`; clusters only where items are clustered."""
    text = f"{repeats(num_replicates, num_worlds)} × {count(num_items, 'item')}"
    return f"{text} in {count(num_clusters, 'cluster')}" if num_clusters < num_items else text
