"""All benchmarks of a protocol at a glance: the paper's radar, and dots, which read better."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from davinci.ablations.findings import MetricComparison, SweepComparison
from davinci.ablations.wording import interval, number
from davinci.reports.figures import Point, interval_panel
from davinci.reports.palette import ArmStyle
from davinci.reports.pictures import row_name
from davinci.reports.svg import FAINT, INK, drawing, to_svg
from davinci.reports.texts import PROTOCOL_TITLES

MIN_SPOKES, MAX_SPOKES = 4, 24


class Glance(NamedTuple):
    """One protocol's two pictures."""

    heading: str
    radar: str
    dots: str


def glances(comparison: SweepComparison, styles: dict[str, ArmStyle]) -> tuple[Glance, ...]:
    """Return both pictures of every protocol that has some benchmarks where more is better."""
    found: list[Glance] = []
    for protocol in dict.fromkeys(metric.key.protocol for metric in comparison.headline):
        metrics = [
            metric
            for metric in comparison.headline
            if metric.key.protocol == protocol
            and metric.higher_is_better
            and any(cell.score is not None for cell in metric.cells)
        ]
        if MIN_SPOKES <= len(metrics) <= MAX_SPOKES:
            heading = PROTOCOL_TITLES.get(protocol, protocol)
            place = len(found)
            found.append(
                Glance(heading, _radar(place, metrics, styles), _dots(place, metrics, styles))
            )
    return tuple(found)


def _radar(place: int, metrics: Sequence[MetricComparison], styles: dict[str, ArmStyle]) -> str:
    """Return every arm as a polygon; each spoke ends at the best arm's score."""
    from matplotlib.figure import Figure

    angles = np.linspace(0, 2 * np.pi, len(metrics), endpoint=False)
    best = np.array([max((c.score.mean for c in m.cells if c.score), default=0) for m in metrics])
    with drawing():
        figure = Figure(figsize=(5.0, 4.2), layout="constrained")
        axes = figure.add_subplot(projection="polar")
        tips = {}
        for number_, (label, style) in enumerate(styles.items()):
            means = np.array([_mean(metric, label) for metric in metrics])
            if not np.isfinite(means).all():
                continue
            shares = np.divide(means, best, out=np.zeros_like(means), where=best > 0)
            gid = f"tip{number_}"
            axes.plot(
                np.append(angles, angles[0]), np.append(shares, shares[0]),
                color=style.placeholder, marker=style.marker, ms=4, lw=1.4, gid=gid,
            )  # fmt: skip
            tips[gid] = label
        axes.set_xticks(angles, [""] * len(angles))
        for angle, metric in zip(angles, metrics, strict=True):
            axes.text(angle, 1.12, row_name(metric), fontsize=9, **_outwards(angle))
        axes.set_yticks([0.5, 1.0], ["half", "best"], fontsize=8)
        axes.set_ylim(0, 1.05)
        axes.grid(color=FAINT, lw=0.7)
        axes.spines["polar"].set_edgecolor(INK)
        title = "Radar of scores as shares of the best arm's; the same scores stand beside."
        return to_svg(figure, name=f"radar{place}", title=title, tips=tips)


def _outwards(angle: float) -> dict[str, Any]:
    """Return the alignment of a text that begins at the rim and leads away from it."""
    across, up = np.cos(angle), np.sin(angle)
    return {
        "ha": "left" if across > 0.2 else "right" if across < -0.2 else "center",
        "va": "bottom" if up > 0.2 else "top" if up < -0.2 else "center",
    }


def _mean(metric: MetricComparison, label: str) -> float:
    cell = next((cell for cell in metric.cells if cell.arm == label), None)
    return cell.score.mean if cell and cell.score else float("nan")


def _dots(place: int, metrics: Sequence[MetricComparison], styles: dict[str, ArmStyle]) -> str:
    points = [
        Point(
            row_name(metric), styles[cell.arm], cell.score.mean, cell.score.low, cell.score.high,
            True, f"{row_name(metric)}, {cell.arm}: {number(cell.score.mean)} "
            f"{interval(cell.score.low, cell.score.high)}",
        )
        for metric in metrics
        for cell in metric.cells
        if cell.score is not None
    ]  # fmt: skip
    return interval_panel(
        points,
        name=f"dots{place}",
        title="Scores with intervals. " + " ".join(f"{point.tip}." for point in points),
        axis="score",
        zero=False,
        better="right",
        floors={row_name(metric): metric.chance for metric in metrics},
    )
