"""A figure whose margins and rulers are laid out by hand, which takes a third of the time.

Matplotlib finds the margins by drawing all once, and each of its ticks is five artists.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from davinci.ablations.wording import MINUS
from davinci.reports.svg import FAINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOTTOM_INCHES, RIGHT_INCHES, GAP_INCHES = 0.6, 0.25, 0.07
CHAR_INCHES = 0.092
"""Width of a letter in a picture's own size of text, on average."""
POINTS_PER_INCH = 72
NUM_STEPS = 5
"""Between the numbers of a ruler, at most."""
UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
Segment = tuple[tuple[float, float], tuple[float, float]]
"""Both x and both y of a straight line."""


def sheet(width: float, height: float, *, left: float, top: float) -> "tuple[Figure, Axes]":
    """Return a figure with axes inside margins in inches; below is room for a ruler."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    rest = (width - left - RIGHT_INCHES, height - top - BOTTOM_INCHES)
    place = (left / width, BOTTOM_INCHES / height, rest[0] / width, rest[1] / height)
    axes = figure.add_axes(place)
    axes.set_xticks([])
    axes.set_yticks([])
    return figure, axes


def segments(axes: "Axes", ends: Sequence[Segment], **look: Any) -> None:
    """Draw straight lines as a single artist: many would be slow."""
    xs, ys = ([at for end in ends for at in (*end[side], math.nan)] for side in (0, 1))
    axes.plot(xs, ys, solid_capstyle="butt", **look)


def rule_x(axes: "Axes", label: str, words: Callable[[float], str] | None = None) -> None:
    """Draw lines at round values of x, with their numbers and a label below.

    Call it when all that is drawn is there; `words` says how a number is written.
    """
    low, high = axes.get_xlim()
    places = round_values(low, high)
    gap = GAP_INCHES / _inches(axes)[1]
    beside = axes.get_xaxis_transform()
    lines = [((place, place), (0.0, 1.0)) for place in places]
    segments(axes, lines, transform=beside, color=FAINT, lw=0.7, zorder=0.5)
    numbers = [words(place) for place in places] if words else numerals(places)
    for place, number in zip(places, numbers, strict=True):
        axes.text(place, -gap, number, transform=beside, ha="center", va="top")
    axes.set_xlim(low, high)
    axes.set_xlabel(label, labelpad=20)


def rule_y(axes: "Axes", label: str) -> None:
    """Draw lines at round values of y, with their numbers and a label on the left."""
    low, high = axes.get_ylim()
    places = round_values(low, high)
    gap = GAP_INCHES / _inches(axes)[0]
    beside = axes.get_yaxis_transform()
    lines = [((0.0, 1.0), (place, place)) for place in places]
    segments(axes, lines, transform=beside, color=FAINT, lw=0.7, zorder=0.5)
    numbers = numerals(places)
    for place, number in zip(places, numbers, strict=True):
        axes.text(-gap, place, number, transform=beside, ha="right", va="center_baseline")
    axes.set_ylim(low, high)
    widest = 1 + max(map(len, numbers), default=0)
    axes.set_ylabel(label, labelpad=POINTS_PER_INCH * (GAP_INCHES + CHAR_INCHES * widest))


def above(axes: "Axes", text: str, *, right: bool) -> None:
    """Write above the axes, at one of the ends."""
    y = 1 + GAP_INCHES / _inches(axes)[1]
    align: Literal["left", "right"] = "right" if right else "left"
    x = float(right)
    axes.text(x, y, text, transform=axes.transAxes, ha=align, va="bottom", fontsize=10)


def _inches(axes: "Axes") -> tuple[float, float]:
    """Return the width and the height of axes."""
    scale = axes.get_figure(root=True).dpi_scale_trans.inverted()  # type: ignore[union-attr]
    box = axes.get_window_extent().transformed(scale)
    return box.width, box.height


def round_values(low: float, high: float) -> list[float]:
    """Return a few round numbers from low to high."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(NUM_STEPS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    rounding = 1e-9 * (high - low)
    return [float(place) for place in found if low - rounding <= place <= high + rounding]


def numerals(places: Sequence[float]) -> list[str]:
    """Return numbers with as many digits as tell them apart: `0.25`, `1.5M`, `2e−07`."""
    most = max(map(abs, places), default=0.0)
    size, unit = next(((size, unit) for size, unit in UNITS if most >= size), (1.0, ""))
    scaled = [place / size for place in places]
    step = scaled[1] - scaled[0] if len(scaled) > 1 else most / size
    digits = next((d for d in range(7) if all(_is_round(p, d, step) for p in scaled)), None)
    if digits is None or most >= 1_000 * UNITS[0][0]:
        return [f"{place:.3g}".replace("-", MINUS) for place in places]
    return [f"{place:.{digits}f}{unit}".replace("-", MINUS) if place else "0" for place in scaled]


def _is_round(value: float, digits: int, step: float) -> bool:
    return abs(round(value, digits) - value) < step / 1_000
