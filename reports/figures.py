"""The pictures of a report: points with intervals, and curves with seed bands."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from davinci.platform.store.records import Floats
from davinci.reports.palette import ArmStyle
from davinci.reports.sheet import CHAR_INCHES, above, rule_x, rule_y, segments, sheet
from davinci.reports.svg import INK, PAPER, drawing, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = 5.0
MIN_AXES_INCHES = 2.8
"""However long the names of the rows are."""
MAX_POINTS = 100
"""Longer curves, and such that do not share their positions, are averaged in this many bins."""
SKIPPED_FRAC = 0.05
TOKEN_UNITS = (("billion", 1e-3), ("million", 1.0), ("thousand", 1e3), ("single", 1e6))


class Point(NamedTuple):
    """One value with its interval; `solid` marks a resolved difference (or any plain score)."""

    row: str
    style: ArmStyle
    value: float
    low: float
    high: float
    solid: bool
    tip: str


class Series(NamedTuple):
    """One arm's curves along training, one per seed: (tokens, values) each."""

    style: ArmStyle
    runs: Sequence[tuple[Floats, Floats]]


def interval_panel(
    points: Sequence[Point],
    *,
    name: str,
    title: str,
    axis: str,
    zero: bool,
    better: str,
    floors: Mapping[str, float],
) -> str:
    """Return points with intervals, grouped in rows, as SVG; "" where there is nothing to draw.

    Args:
        points: In the order in which they are drawn, from the top.
        name: Unique within the page.
        title: Alternative text.
        axis: Label of the x axis, with unit.
        zero: Whether to draw a line at 0 (for differences).
        better: Side of the better values: `left`, `right`, or "" for none.
        floors: Row -> score without skill, drawn as a dotted line across the row; NaN for none.
    """
    drawn = [point for point in points if math.isfinite(point.value)]
    if not drawn:
        return ""
    rows = list(dict.fromkeys(point.row for point in drawn))
    per_row = max(sum(point.row == row for point in drawn) for row in rows)
    height = 0.95 + len(rows) * max(0.36, 0.22 * per_row)
    beside = 0.2 + CHAR_INCHES * max(len(row) for row in rows)
    with drawing():
        width = max(PANEL_INCHES, beside + MIN_AXES_INCHES)
        figure, axes = sheet(width, height, left=beside, top=0.3 if better else 0.1)
        tips = _draw_points(axes, drawn, rows)
        known = [(index, floors.get(row, math.nan)) for index, row in enumerate(rows)]
        known = [(index, floor) for index, floor in known if math.isfinite(floor)]
        tops, bottoms = ([index + side for index, _ in known] for side in (-0.4, 0.4))
        axes.vlines([floor for _, floor in known], tops, bottoms, linestyles=":", colors=INK)
        _frame(axes, rows, axis, zero=zero)
        if better:
            right = better == "right"
            words = "better \N{RIGHTWARDS ARROW}" if right else "\N{LEFTWARDS ARROW} better"
            above(axes, words, right=right)
        return to_svg(figure, name=name, title=title, tips=tips)


def _draw_points(
    axes: "Axes", points: Sequence[Point], rows: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Draw the points of one look together: one artist for each costs most of the time."""
    alike: dict[tuple[ArmStyle, bool], list[tuple[float, Point]]] = {}
    for row_index, row in enumerate(rows):
        own = [point for point in points if point.row == row]
        step = min(0.8 / len(own), 0.3)
        for index, point in enumerate(own):
            y = row_index + (index - (len(own) - 1) / 2) * step
            alike.setdefault((point.style, point.solid), []).append((y, point))
    tips: dict[str, Sequence[str]] = {}
    for (style, solid), placed in alike.items():
        gid, colour = f"tips{len(tips)}", style.placeholder
        bars = [(y, p.low, p.high) for y, p in placed if math.isfinite(p.low + p.high)]
        segments(axes, [((low, high), (y, y)) for y, low, high in bars], color=colour, lw=1.8)
        axes.plot(
            [point.value for _, point in placed],
            [y for y, _ in placed],
            linestyle="none",
            marker=style.marker,
            ms=6.5,
            mew=1.6,
            color=colour,
            mfc=colour if solid else PAPER,
            gid=gid,
            zorder=3,
        )
        tips[gid] = [point.tip for _, point in placed]
    return tips


def _frame(axes: "Axes", rows: Sequence[str], label: str, *, zero: bool) -> None:
    beside = axes.get_yaxis_transform()
    for index, row in enumerate(rows):  # plain texts: a tick is five artists, and slow
        axes.text(-0.015, index, row, transform=beside, ha="right", va="center_baseline")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.06)
    rule_x(axes, label)
    if zero:
        axes.axvline(0.0, color=INK, lw=1.0)


def curve_panel(
    series: Sequence[Series], *, name: str, title: str, axis: str, whole: bool = False
) -> str:
    """Return learning curves over trained tokens: mean over seeds, band from lowest to highest.

    Unless the `whole` is asked for, the first 5 % of training are outside the picture, so that its
    end can be read. Returns "" where there is nothing to draw.
    """
    binned = [(each.style, *_bands(each.runs)) for each in series]
    drawn = [band for band in binned if band[1].size]
    if not drawn:
        return ""
    with drawing():
        figure, axes = sheet(7.2, 3.4, left=1.05, top=0.15)
        _draw_bands(axes, drawn)
        tips = {}
        for index, (style, tokens, _, means, _) in enumerate(drawn):
            gid = f"tip{index}"
            axes.plot(tokens, means, color=style.placeholder, lw=1.8, gid=gid)
            tips[gid] = style.label
        most = max(float(band[1].max()) for band in drawn)
        _crop(axes, drawn, most, 0.0 if whole else SKIPPED_FRAC)
        unit, factor = next(u for u in TOKEN_UNITS if most * u[1] >= 1)
        rule_x(axes, f"trained tokens ({unit})", lambda x: f"{x * factor:g}")
        rule_y(axes, axis)
        return to_svg(figure, name=name, title=title, tips=tips)


Band = tuple[Floats, Floats, Floats, Floats]
Drawn = tuple[ArmStyle, Floats, Floats, Floats, Floats]


def _draw_bands(axes: "Axes", drawn: Sequence[Drawn]) -> None:
    """Draw all bands together; the limits of the axes are set later."""
    from matplotlib.collections import PolyCollection

    around = [
        np.column_stack([np.append(tokens, tokens[::-1]), np.append(lows, highs[::-1])])
        for _, tokens, lows, _, highs in drawn
    ]
    colours = [style.placeholder for style, *_ in drawn]
    bands = PolyCollection(around, facecolors=colours, alpha=0.18, linewidths=0)
    axes.add_collection(bands, autolim=False)


def _bands(runs: Sequence[tuple[Floats, Floats]]) -> Band:
    """Return token positions in millions, and lowest, mean and highest value over the seeds."""
    nothing = np.zeros(0)
    usable = [_finite(tokens, values) for tokens, values in runs]
    usable = [pair for pair in usable if pair[0].size >= 2]
    if not usable:
        return nothing, nothing, nothing, nothing
    first = usable[0][0]
    if first.size <= MAX_POINTS and all(np.array_equal(first, tokens) for tokens, _ in usable):
        curves = np.array([values for _, values in usable])
        return first / 1e6, curves.min(axis=0), curves.mean(axis=0), curves.max(axis=0)
    end = min(float(tokens.max()) for tokens, _ in usable)
    num_bins = min(MAX_POINTS, min(tokens.size for tokens, _ in usable))
    edges = np.linspace(0.0, end, num_bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    curves = np.array([_binned(tokens, values, edges, centres) for tokens, values in usable])
    return centres / 1e6, curves.min(axis=0), curves.mean(axis=0), curves.max(axis=0)


def _finite(tokens: Floats, values: Floats) -> tuple[Floats, Floats]:
    tokens, values = np.asarray(tokens, float).ravel(), np.asarray(values, float).ravel()
    num = min(tokens.size, values.size)
    tokens, values = tokens[:num], values[:num]
    usable = np.isfinite(tokens) & np.isfinite(values)
    order = np.argsort(tokens[usable], kind="stable")
    return tokens[usable][order], values[usable][order]


def _binned(tokens: Floats, values: Floats, edges: Floats, centres: Floats) -> Floats:
    """Return the mean of the values per bin; empty bins are interpolated."""
    bins = np.clip(np.searchsorted(edges, tokens, side="right") - 1, 0, len(centres) - 1)
    counts = np.bincount(bins, minlength=len(centres))
    sums = np.bincount(bins, weights=values, minlength=len(centres))
    filled = counts > 0
    return np.interp(centres, centres[filled], sums[filled] / counts[filled])


def _crop(
    axes: "Axes",
    drawn: Sequence[Drawn],
    most: float,
    skipped_frac: float,
) -> None:
    kept = [
        (lows[t >= skipped_frac * most], highs[t >= skipped_frac * most])
        for _, t, lows, _, highs in drawn
    ]
    bottom = min(float(lows.min()) for lows, _ in kept if lows.size)
    top = max(float(highs.max()) for _, highs in kept if highs.size)
    margin = 0.05 * (top - bottom) or 0.05
    axes.set_ylim(bottom - margin, top + margin)
    axes.set_xlim(0.0, most)
