"""The curriculum as a picture: per arm, the mixture over trained tokens, with its changes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Arm, Sweep
from davinci.reports.figures import TOKEN_UNITS
from davinci.reports.filters import visible
from davinci.reports.palette import DOMAIN_LIGHT
from davinci.reports.svg import INK, PAPER, drawing, to_svg
from davinci.reports.training import decision_rows, stage_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ARMS = 12
LABEL_CHARS = 18
ROW_INCHES = 0.8
ROOM_WIDTH, ROOM_SHARE = 0.07, 0.16
"""Of the width and height of a row, that a number needs to stand inside a box."""


class Stretch(NamedTuple):
    """A stretch of training with one mixture: domain -> share; `mark` says what changed there."""

    begin: float
    end: float
    weights: Mapping[str, float]
    mark: str


def timeline_picture(sweep: Sweep) -> str:
    """Return the mixtures of all arms over trained tokens as SVG; "" where none is known.

    Of an adaptive curriculum, the first seed's decisions are shown.
    """
    from matplotlib.figure import Figure

    rows = [(arm.label, found) for arm in sweep.arms if (found := stretches(sweep, arm))]
    rows = rows[:MAX_ARMS]
    if not rows:
        return ""
    most = max(found[-1].end for _, found in rows)
    unit, factor = next(u for u in TOKEN_UNITS if most / 1e6 * u[1] >= 1 or u is TOKEN_UNITS[-1])
    with drawing():
        figure = Figure(figsize=(9.0, 0.6 + ROW_INCHES * len(rows)), layout="constrained")
        every = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        tips: dict[str, str] = {}
        for number, (axes, (label, found)) in enumerate(zip(every, rows, strict=True)):
            tips |= _draw(axes, label, found, most, number)
        every[-1].set_xlabel(f"trained tokens ({unit})")
        every[-1].xaxis.set_major_formatter(lambda x, _: f"{x / 1e6 * factor:g}")
        words = "; ".join(f"{label}: {_words(found)}" for label, found in rows)
        title = f"Mixture of every arm over trained tokens. {words}."
        return to_svg(figure, name="timeline", title=title, tips=tips)


def domains_of(sweep: Sweep) -> tuple[tuple[str, str], ...]:
    """Return the domains that any stage weighs, in their usual order, with their CSS colours."""
    found = {domain for row in stage_rows(sweep) for domain in row.weights}
    usual = [domain for domain in DOMAINS if domain in found]
    return tuple(
        (domain, f"var(--domain-{DOMAIN_LIGHT.index(shade(domain))})")
        for domain in (*usual, *sorted(found - set(usual)))
    )


def stretches(sweep: Sweep, arm: Arm) -> tuple[Stretch, ...]:
    """Return an arm's mixtures in the order of training."""
    decided = [row for row in decision_rows(sweep) if row.arm == arm.label and row.acts]
    seed = min((row.seed for row in decided), default=0)
    changes = [row for row in decided if row.seed == seed]
    found: list[Stretch] = []
    begin = 0.0
    for row in (row for row in stage_rows(sweep) if row.arm == arm.label):
        end, at = begin + row.tokens, begin
        weights = {name: share / 100 for name, share in row.weights.items()}
        mark = f"stage {row.number}" if row.number > 1 else ""
        for change in changes:
            if begin <= change.tokens < end:
                if change.tokens > at:
                    found.append(Stretch(at, change.tokens, weights, mark))
                at, weights = change.tokens, dict(change.weights)
                mark = f"{change.action}: {change.reason}"
        found.append(Stretch(at, end, weights, mark))
        begin = end
    return tuple(found)


def _draw(
    axes: "Axes", label: str, found: Sequence[Stretch], most: float, number: int
) -> dict[str, str]:
    tips: dict[str, str] = {}
    for place, stretch in enumerate(found):
        bottom, width = 0.0, stretch.end - stretch.begin
        for domain, share in stretch.weights.items():
            gid = f"tip{number}x{place}x{domain}"
            axes.bar(
                stretch.begin, share, width, bottom, align="edge", color=shade(domain),
                edgecolor=PAPER, lw=0.8, gid=gid,
            )  # fmt: skip
            tips[gid] = f"{label}: {domain} {100 * share:.3g} %"
            if width > ROOM_WIDTH * most and share > ROOM_SHARE:
                axes.text(
                    stretch.begin + width / 2, bottom + share / 2, f"{100 * share:.3g}",
                    ha="center", va="center", fontsize=8,
                )  # fmt: skip
            bottom += share
        if stretch.mark:
            gid = f"tip{number}x{place}mark"
            axes.plot([stretch.begin], [1.09], "v", color=INK, ms=5, clip_on=False, gid=gid)
            axes.axvline(stretch.begin, color=INK, lw=1.0)
            tips[gid] = f"{label}: {stretch.mark}"
    shown = " ".join(visible(label).split())
    shown = shown if len(shown) <= LABEL_CHARS else shown[: LABEL_CHARS - 1] + "…"
    axes.set_yticks([0.5], [shown])
    axes.tick_params(length=0)
    axes.set_ylim(0, 1.0)
    axes.set_xlim(0, most)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return tips


def shade(domain: str) -> str:
    """Return a domain's shade; domains that are not known share the last one."""
    place = list(DOMAINS).index(domain) if domain in DOMAINS else len(DOMAIN_LIGHT) - 1
    return DOMAIN_LIGHT[min(place, len(DOMAIN_LIGHT) - 1)]


def _words(found: Sequence[Stretch]) -> str:
    return ", then ".join(
        ", ".join(f"{domain} {100 * share:.3g} %" for domain, share in stretch.weights.items())
        for stretch in found
    )
