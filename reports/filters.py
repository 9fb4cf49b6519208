"""How values turn into text in the templates; plain text, escaped later, unless they say markup."""

import functools
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from davinci.ablations import wording
from davinci.ablations.findings import Cell
from davinci.ablations.statistics.power import MAX_REPLICATES

MAX_TEXT_CHARS = 3_000
MAX_NAME_CHARS = 90
MAX_CACHED = 10_000
"""Names remembered in their printed form: those of benchmarks, arms and items come again."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BIDI = {0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def visible(text: Any) -> str:
    """Return a text with control and text-direction characters made visible."""
    whole = str(text)
    if whole.isprintable():  # by far the most: neither controls nor directions are printable
        return whole
    shown = _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", whole)
    return "".join(
        f"[{unicodedata.name(char, 'control').lower()}]" if ord(char) in _BIDI else char
        for char in shown
    )


def finalize(value: Any) -> Any:
    """Make every text that a template prints visible; finished markup passes."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def passage(text: Any) -> str:
    """Return a document or an answer, cut where it is long, saying how much is missing."""
    shown = visible(text)
    if len(shown) <= MAX_TEXT_CHARS:
        return shown
    return f"{shown[:MAX_TEXT_CHARS]} … ({len(shown) - MAX_TEXT_CHARS:,} more characters)"


def codes(names: Iterable[Any]) -> Markup:
    """Return names as code, escaped, with commas between them."""
    return Markup(", ".join([_code(str(one)) for one in names]))


@functools.lru_cache(MAX_CACHED)
def _code(text: str) -> str:
    return f"<code><bdi>{escape(name(text))}</bdi></code>"


def name(text: Any) -> str:
    """Return a name on one line, cut where it is long."""
    return _name(str(text))


@functools.lru_cache(MAX_CACHED)
def _name(text: str) -> str:
    shown = " ".join(visible(text).split())
    return shown if len(shown) <= MAX_NAME_CHARS else shown[: MAX_NAME_CHARS - 1] + "…"


def size(num_bytes: float) -> str:
    """Return a number of bytes with its unit, decimal prefixes."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(num_bytes) < 1_000:
            return f"{num_bytes:.3g} {unit}" if unit != "B" else f"{num_bytes:.0f} B"
        num_bytes /= 1_000
    return f"{num_bytes:.3g} TB"


def tokens(number: float) -> str:
    """Return a number of tokens: `1.25M`, `8T`."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return "not known" if math.isnan(number) else f"{number:.0f}"


def scientific(value: float) -> str:
    """Return a large number as `9.8 × 10^11` with a true superscript."""
    if value <= 0 or not math.isfinite(value):
        return "not known"
    exponent = math.floor(math.log10(value))
    powers = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{value / 10**exponent:.2f} × 10{str(exponent).translate(powers)}"


def duration(seconds: float) -> str:
    """Return seconds as `58 s`, `3 min 5 s` or `2 h 10 min`."""
    if not math.isfinite(seconds):
        return "not known"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def percent(part: float, whole: float) -> str:
    """Return a share in percent, or a dash where the whole is 0."""
    return f"{100 * part / whole:.0f} %" if whole else wording.DASH


def moment(text: str) -> str:
    """Return an ISO time as `2026-11-23 16:00 UTC`, or the text itself where it is none."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return name(text)
    zone = f" {parsed.tzname()}" if parsed.tzname() else ""
    return f"{parsed:%Y-%m-%d %H:%M}{zone}"


def flat(mapping: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Return nested plain data as (dotted name, text) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, value in mapping.items():
        here = f"{path}.{key}" if path else str(key)
        pairs += flat(value, here) if isinstance(value, Mapping) else [(here, str(value))]
    return pairs


def settle(cell: Cell) -> str:
    """Return how many seeds would settle a difference that is not resolved yet."""
    if cell.resolved or cell.settling is None or cell.effect is None:
        return ""
    num, unit, reason = cell.settling
    if num is not None and num <= cell.effect.num_replicates:
        return f"a few more {unit}"
    if num is not None:
        return wording.count(num, unit.removesuffix("s"))
    units = "clusters" if cell.effect.num_clusters < cell.effect.num_items else "items"
    return {
        "items": f"more {units}, not seeds",
        "too_small": f"more than {MAX_REPLICATES} {unit}",
    }.get(reason, "not known")


def groupby_kept(rows: Iterable[Any], path: str) -> list[tuple[Any, list[Any]]]:
    """Return (value, rows) by a dotted attribute, in the order of first occurrence."""
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        value = row
        for part in path.split("."):
            value = getattr(value, part)
        groups.setdefault(value, []).append(row)
    return list(groups.items())


FILTERS: Mapping[str, Callable[..., Any]] = {
    "visible": visible,
    "passage": passage,
    "name": name,
    "size": size,
    "tokens": tokens,
    "scientific": scientific,
    "duration": duration,
    "percent": percent,
    "moment": moment,
    "flat": flat,
    "number": wording.number,
    "p": wording.p_value,
    "metric": wording.metric_words,
    "protocol": wording.protocol_words,
    "groupby_kept": groupby_kept,
}
