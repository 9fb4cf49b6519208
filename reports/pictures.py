"""From a comparison to its pictures: which points and curves, with which words beside them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from davinci.ablations.alignment import MetricKey, done_runs
from davinci.ablations.findings import Cell, MetricComparison, SweepComparison
from davinci.ablations.wording import (
    interval,
    metric_words,
    number,
    p_value,
    protocol_words,
    sample,
)
from davinci.platform.store.records import Arm, Floats, Sweep
from davinci.reports.figures import Point, Series, curve_panel, interval_panel
from davinci.reports.filters import visible
from davinci.reports.palette import ArmStyle
from davinci.reports.texts import PROTOCOL_TITLES
from davinci.reports.trajectories import Trajectory, trajectories

CURVE_AXES = {
    "loss": "training loss (nats per token)",
    "lr": "learning rate",
    "batch_tokens": "tokens per step",
    "grad_norm": "gradient norm before clipping",
}
CURVE_NOTES = {
    "loss": "Each arm's loss is on its own training text, so lower is not better: text that is "
    "easier to predict has a lower loss. "
}
HIDDEN_CURVES = ("tokens_per_s", "data_wait_frac", "memory_bytes", "mfu")
ORDER = ("loss", "lr", "batch_tokens", "grad_norm")
WHOLE = ("lr", "batch_tokens", "share_")
"""Curves whose beginning is shown: it is not larger than the rest by orders."""
ROW_CHARS = 24
MAX_ROWS = 25
"""In a picture of effects; the tables have all."""


class Picture(NamedTuple):
    """One figure with its heading and, below it, what to know for reading it."""

    heading: str
    svg: str
    caption: str


def effect_pictures(
    comparison: SweepComparison, styles: dict[str, ArmStyle]
) -> tuple[Picture, ...]:
    """Return one panel per protocol: differences to the baseline, or scores if there are none."""
    pictures = []
    protocols = dict.fromkeys(metric.key.protocol for metric in comparison.headline)
    for number_, protocol in enumerate(protocols):
        metrics = [m for m in comparison.headline if m.key.protocol == protocol]
        pictures.append(
            _effect_picture(
                number_, protocol, metrics, styles, differences=comparison.has_differences
            )
        )
    return tuple(picture for picture in pictures if picture.svg)


def _slug(text: str) -> str:
    """Return what of a name may stand in the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]


def _effect_picture(
    number_: int,
    protocol: str,
    metrics: list[MetricComparison],
    styles: dict[str, ArmStyle],
    *,
    differences: bool,
) -> Picture:
    words = list(dict.fromkeys(metric_words(metric.key.metric) for metric in metrics))
    unit = words[0] if len(words) == 1 else "score"
    make = _difference_point if differences else _score_point
    sizes = _row_sizes(metrics, differences=differences)
    kept = sorted(sizes, key=lambda row: sizes[row], reverse=True)[:MAX_ROWS]
    cut = len(sizes) - len(kept)
    metrics = [metric for metric in metrics if row_name(metric) in kept]
    found = (make(metric, cell, styles) for metric in metrics for cell in metric.cells)
    points = [point for point in found if point is not None]
    axis = f"difference in {unit}" if differences else unit
    title = PROTOCOL_TITLES.get(protocol, protocol)
    if cut:
        title += f" ({len(kept)} of {len(kept) + cut} benchmarks, the largest effects)"
    higher = {metric.higher_is_better for metric in metrics}
    better = ("right" if higher == {True} else "left") if len(higher) == 1 else ""
    svg = interval_panel(
        points,
        name=f"effects-{number_}-{_slug(protocol)}",
        title=f"{title}: {axis} by domain. " + " ".join(f"{point.tip}." for point in points),
        axis=axis,
        zero=differences,
        better=better,
        floors={} if differences else {row_name(metric): metric.chance for metric in metrics},
    )
    return Picture(title, svg, "")


def _row_sizes(
    metrics: Sequence[MetricComparison], *, differences: bool
) -> dict[str, tuple[bool, float]]:
    """Return how large every row's values are at most; resolved ones count as larger than any."""
    sizes: dict[str, tuple[bool, float]] = {}
    for metric in metrics:
        row = row_name(metric)
        for cell in metric.cells:
            shown = cell.effect if differences else cell.score
            if shown is not None:
                size = (cell.resolved or not differences, abs(shown.mean))
                sizes[row] = max(sizes.get(row, (False, 0.0)), size)
    return sizes


def _difference_point(
    metric: MetricComparison, cell: Cell, styles: dict[str, ArmStyle]
) -> Point | None:
    effect = cell.effect
    if effect is None:
        return None
    state = "resolved" if cell.resolved else "not resolved"
    if cell.floor_note:
        state += f", {cell.floor_note}"
    size = sample(effect.num_replicates, effect.num_worlds, effect.num_items, effect.num_clusters)
    tip = (
        f"{metric.key.domain}, {cell.arm}: {number(effect.mean, signed=True)} "
        f"{interval(*cell.shown, signed=True)}, corrected {p_value(cell.p_corrected)}, "
        f"{state}; {size}"
    )
    row, style, ends = row_name(metric), styles[cell.arm], cell.shown
    return Point(row, style, effect.mean, ends.low, ends.high, cell.resolved, tip)


def _score_point(metric: MetricComparison, cell: Cell, styles: dict[str, ArmStyle]) -> Point | None:
    score = cell.score
    if score is None:
        return None
    tip = f"{metric.key.domain}, {cell.arm}: {number(score.mean)} {interval(score.low, score.high)}"
    if metric.chance == metric.chance:
        tip += f", floor {number(metric.chance)}"
    row, style = row_name(metric), styles[cell.arm]
    return Point(row, style, score.mean, score.low, score.high, True, tip)


def row_name(metric: MetricComparison) -> str:
    """Return what a metric's row is called: its domain, or the benchmark where that has its own."""
    own = metric.key.benchmark.startswith(("held_out_", "microworld_", "world_"))
    row = " ".join(visible(metric.key.domain if own else metric.key.benchmark).split())
    return row if len(row) <= ROW_CHARS else row[: ROW_CHARS - 1] + "…"


def curve_pictures(
    sweep: Sweep, styles: dict[str, ArmStyle], keys: Sequence[MetricKey]
) -> tuple[Picture, ...]:
    """Return the learning curves, the loss first, then scores along training, rate and mixture."""
    names = {curve.name for arm in sweep.arms for run in arm.runs for curve in run.curves}
    shown = sorted(names - set(HIDDEN_CURVES), key=_place)
    drawn = [_curve_picture(sweep, styles, index, name) for index, name in enumerate(shown)]
    first, rest = drawn[:1], drawn[1:]
    scores = [
        _trajectory_picture(found, styles, index)
        for index, found in enumerate(trajectories(sweep, keys))
    ]
    return tuple(picture for picture in [*first, *scores, *rest] if picture.svg)


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _curve_picture(sweep: Sweep, styles: dict[str, ArmStyle], index: int, name: str) -> Picture:
    series = [Series(styles[arm.label], _curves(arm, name)) for arm in sweep.arms]
    axis = CURVE_AXES.get(name, name.replace("share_", "share of ").replace("_", " "))
    whole = name.startswith(WHOLE)
    svg = curve_panel(
        series,
        name=f"curve-{index}-{_slug(name)}",
        title=f"{axis} over trained tokens, one line per arm",
        axis=axis,
        whole=whole,
    )
    seeds = " / ".join(str(len(each.runs)) for each in series)
    caption = CURVE_NOTES.get(name, "") + (
        f"Mean over seeds (n = {seeds}, in the order of the arms); the band reaches from "
        "the lowest to the highest seed. Long curves are averaged in 100 bins"
    )
    caption += "." if whole else "; the first 5 % of training lie outside the picture."
    return Picture(axis, svg, caption)


def _trajectory_picture(found: Trajectory, styles: dict[str, ArmStyle], index: int) -> Picture:
    axis = f"{found.benchmark.replace('_', ' ')}: {metric_words(found.metric)}"
    axis += "" if found.protocol == "bpb" else f", {protocol_words(found.protocol)}"
    svg = curve_panel(
        [Series(styles[label], runs) for label, runs in found.runs.items()],
        name=f"trajectory-{index}-{_slug(found.benchmark)}",
        title=f"{axis} of the checkpoints along training, one line per arm",
        axis=metric_words(found.metric),
        whole=True,
    )
    seeds = " / ".join(str(len(runs)) for runs in found.runs.values())
    caption = f"Checkpoints along training; mean over seeds (n = {seeds}), band from the lowest "
    return Picture(axis, svg, caption + "to the highest seed.")


def _curves(arm: Arm, name: str) -> list[tuple[Floats, Floats]]:
    return [
        (curve.tokens, curve.values)
        for run in done_runs(arm).values()
        for curve in run.curves
        if curve.name == name
    ]
