"""Matplotlib figures as inline SVG: text stays text, colours follow the page, same bytes again."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from davinci.reports.filters import visible
from davinci.reports.palette import BASE_LIGHT, DOMAIN_LIGHT, LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, PAPER = "#101214", "#d0d3d7", "#fefefe"
"""Placeholder colours in figures; `to_svg` turns them into the page's own."""

_VARIABLES = {INK: "var(--ink)", FAINT: "var(--rule)", PAPER: "var(--paper)"} | {
    BASE_LIGHT: "var(--base)",
    **{colour: f"var(--arm-{index})" for index, colour in enumerate(LIGHT)},
    **{colour: f"var(--domain-{index})" for index, colour in enumerate(DOMAIN_LIGHT)},
}

SETTINGS: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "davinci",
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": True,
}


_folder: ContextVar[Path | None] = ContextVar("_folder", default=None)


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Also write every figure that is drawn here into a folder, as SVG, PNG and PDF."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


_settings: ContextVar[bool] = ContextVar("_settings", default=False)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw under the page's settings; inside such a context, another costs nothing."""
    from matplotlib import rc_context

    if _settings.get():
        yield
        return
    token = _settings.set(True)
    try:
        settings: Any = dict(SETTINGS)
        with rc_context(settings):
            yield
    finally:
        _settings.reset(token)


def to_svg(
    figure: "Figure", *, name: str, title: str, tips: Mapping[str, str | Sequence[str]]
) -> str:
    """Return a figure as an `<svg>` element that reads the page's colours.

    Args:
        figure: Drawn with the colours above, inside `drawing`.
        name: Unique within the page; prefixes every id.
        title: What the picture shows, in words, for readers who do not see it.
        tips: Artist id (`gid`) -> text shown when the pointer rests on it; of a line of markers,
            one text for each.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if (folder := _folder.get()) is not None:
        _keep(figure, folder / name)
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # `savefig` would draw all twice, once to fit the axes around their labels; this does both.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(stream, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    for gid, tip in tips.items():
        svg = _with_tips(svg, f'<g id="{gid}">', tip)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', svg)
    svg = re.sub(r"(font: [^'\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--sans)", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return _with_title(svg, name, title)


def _with_tips(svg: str, group: str, tip: str | Sequence[str]) -> str:
    before, found, after = svg.partition(group)
    if isinstance(tip, str):
        return f"{before}{found}{_tip(tip)}{after}" if found else svg
    own, following, rest = after.partition('<g id="')
    parts = re.split(r"(<use [^>]*)/>", own)
    if len(parts) != 2 * len(tip) + 1:  # some markers are outside of all bounds
        return svg
    parts[1::2] = [f"{use}>{_tip(one)}</use>" for use, one in zip(parts[1::2], tip, strict=True)]
    return "".join([before, found, *parts, following, rest])


def _tip(text: str) -> str:
    return f"<title>{escape(visible(text))}</title>"


def _keep(figure: "Figure", path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        for kind, created in (("svg", "Date"), ("pdf", "CreationDate"), ("png", "")):
            metadata: Any = {created: None} if created else None
            figure.savefig(
                path.with_suffix(f".{kind}"), metadata=metadata, dpi=200, facecolor="white"
            )


def _with_title(svg: str, name: str, title: str) -> str:
    """Name the picture for assistive technology, and let the page decide on its size."""
    head, body = svg.split(">", 1)
    width = re.search(r'width="([\d.]+)pt"', head)
    head = re.sub(r' (?:width|height)="[\d.]+pt"', "", head)
    most = f' style="max-width: {float(width.group(1)):.0f}pt"' if width else ""
    return (
        f'{head} role="img" aria-labelledby="{name}-title"{most}>'
        f'<title id="{name}-title">{escape(visible(title))}</title>{body}'
    ).strip()
