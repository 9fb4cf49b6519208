"""Pieces of HTML that a report repeats by the thousand; macros take several times as long."""

import functools

from markupsafe import Markup, escape

from davinci.ablations.wording import interval, number
from davinci.reports.filters import MAX_CACHED, name, visible
from davinci.reports.palette import ArmStyle
from davinci.reports.texts import GLOSSARY

MEANINGS = {entry.key: entry.meaning for entry in GLOSSARY}


@functools.lru_cache(MAX_CACHED)
def term(key: str, text: str) -> Markup:
    """Return a word that leads to its entry in the glossary.

    Raises:
        KeyError: If the glossary has no such entry.
    """
    href, meaning = f"#g-{escape(key)}", escape(MEANINGS[key])
    return Markup(f'<a class="term" href="{href}" title="{meaning}">{escape(visible(text))}</a>')


@functools.lru_cache(MAX_CACHED)
def arm(style: ArmStyle) -> Markup:
    """Return an arm's label with its mark."""
    mark = f'<span class="mark" style="color: {style.css}" aria-hidden="true">{style.glyph}</span>'
    whole, shown = escape(visible(style.label)), escape(name(style.label))
    return Markup(f'<span class="arm">{mark}<bdi title="{whole}">{shown}</bdi></span>')


def figure(value: float, *, signed: bool = False) -> Markup:
    """Return a number as it is read, which carries all of its digits."""
    return Markup(f'<data value="{value}">{number(value, signed=signed)}</data>')


def estimate(
    mean: float, low: float, high: float, *, signed: bool = False, cut: bool = False
) -> Markup:
    """Return a number with its interval."""
    ends = interval(low, high, cut, signed=signed)
    return Markup(f'{figure(mean, signed=signed)} <span class="interval">{ends}</span>')
