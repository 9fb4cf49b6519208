"""One colour and one marker per arm, the same in every figure and table, light and dark."""

from collections.abc import Sequence
from typing import NamedTuple

from davinci.platform.store.records import Sweep

LIGHT = ("#0072b2", "#b8480a", "#007a58", "#9c3d77", "#7d5800", "#5457bf", "#a8253a", "#2f6f80")
DARK = ("#62b8ec", "#f2935c", "#3cc79b", "#e39cc8", "#e6b84d", "#aeb1f7", "#ff8592", "#86c5d8")
BASE_LIGHT, BASE_DARK = "#5a5f66", "#a7adb5"
"""Okabe and Ito's colour-blind-safe hues, with at least 4.5:1 contrast to the background."""

DOMAIN_LIGHT = ("#e9eef3", "#ccd8e4", "#a9bed2", "#86a5bf", "#678bab")
DOMAIN_DARK = ("#20262e", "#2c3947", "#394d61", "#46617b", "#537593")
"""Shades of one hue, so that no domain is taken for an arm; numbers stand on them in ink."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
GLYPHS = ("●", "■", "◆", "▲", "▼", "✚", "✖", "⬟")


class ArmStyle(NamedTuple):
    """How an arm looks: `css` is the colour to write in HTML, `placeholder` the one in figures."""

    label: str
    css: str
    placeholder: str
    marker: str
    glyph: str
    is_baseline: bool


def arm_styles(sweep: Sweep) -> dict[str, ArmStyle]:
    """Return every arm's style by label; the baseline is grey, the others follow their order."""
    others: Sequence[str] = [arm.label for arm in sweep.arms if arm.label != sweep.baseline]
    styles = {sweep.baseline: ArmStyle(sweep.baseline, "var(--base)", "#5a5f66", "o", "○", True)}
    styles |= {label: numbered_style(label, index) for index, label in enumerate(others)}
    return {arm.label: styles[arm.label] for arm in sweep.arms}


def numbered_style(label: str, index: int) -> ArmStyle:
    """Return the style of the arm at a place; a colour that comes again has another marker."""
    colour, shape = index % len(LIGHT), (index + index // len(LIGHT)) % len(MARKERS)
    return ArmStyle(
        label, f"var(--arm-{colour})", LIGHT[colour], MARKERS[shape], GLYPHS[shape], False
    )


def variables(*, dark: bool) -> str:
    """Return the CSS custom properties of the palette."""
    colours = DARK if dark else LIGHT
    shades = DOMAIN_DARK if dark else DOMAIN_LIGHT
    pairs = [f"--arm-{index}: {colour};" for index, colour in enumerate(colours)]
    pairs += [f"--domain-{index}: {colour};" for index, colour in enumerate(shades)]
    return " ".join([*pairs, f"--base: {BASE_DARK if dark else BASE_LIGHT};"])
