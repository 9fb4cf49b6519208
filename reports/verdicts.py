"""The verdicts of an ablation as a report shows them: words, numbers and one picture."""

from dataclasses import dataclass

from davinci.ablations.judgement import Judgement
from davinci.ablations.statistics import Effect
from davinci.ablations.verdicts import Verdict
from davinci.ablations.wording import count, interval, number
from davinci.reports.figures import Point, interval_panel
from davinci.reports.palette import ArmStyle

ROW_CHARS = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """One claim with its verdict; `p` is that of what decides: for it, or against it."""

    words: str
    paper: str
    state: str
    effect: Effect | None
    p: float
    why: str


def claim_rows(judgement: Judgement) -> tuple[ClaimRow, ...]:
    """Return every claim, in the order in which they were declared."""
    baseline = judgement.ablation.baseline
    return tuple(
        ClaimRow(
            words=verdict.claim.words(baseline),
            paper=verdict.claim.paper,
            state=verdict.state,
            effect=verdict.effect,
            p=verdict.against if verdict.state == "contradicted" else verdict.support,
            why=why(verdict),
        )
        for verdict in judgement.verdicts
    )


def why(verdict: Verdict) -> str:
    """Return the reason of a verdict, and what would settle it."""
    text = verdict.reason
    if verdict.rival:
        text = f"closest: {verdict.rival}" + (f"; {text}" if text else "")
    settling = verdict.settling
    if settling is not None and settling.num is not None:
        have = verdict.effect.num_replicates if verdict.effect else 0
        if settling.num > have:
            text += f"; {count(settling.num, settling.unit[:-1])} would settle an effect like this"
    elif settling is not None and settling.reason == "items":
        text += "; only more items would settle it"
    elif settling is not None and settling.reason == "too_small":
        text += "; too small for any affordable number of seeds"
    return text


def verdict_picture(judgement: Judgement, styles: dict[str, ArmStyle]) -> str:
    """Return all effects with their intervals, as multiples of the least effect that counts."""
    style = styles[judgement.ablation.baseline] if styles else None
    points: list[Point] = []
    for row in zip(judgement.verdicts, claim_rows(judgement), strict=True):
        verdict, shown = row
        effect, least = verdict.effect, verdict.claim.min_effect
        if effect is None or style is None:
            continue
        arm = styles.get(verdict.claim.arm, style)
        tip = (
            f"{shown.words}: {number(effect.mean, signed=True)} "
            f"{interval(effect.low, effect.high, signed=True)}, {verdict.state}"
        )
        label = f"{verdict.claim.metric} {verdict.claim.arm}".strip()[:ROW_CHARS]
        points.append(
            Point(
                f"{len(points) + 1}. {label}",
                arm,
                effect.mean / least,
                effect.low / least,
                effect.high / least,
                verdict.state in ("supported", "contradicted"),
                tip,
            )
        )
    return interval_panel(
        points,
        name="verdicts",
        title="Effects of all claims. " + " ".join(f"{point.tip}." for point in points),
        axis="effect / least effect that counts",
        zero=True,
        better="right",
        floors={point.row: 1.0 for point in points},
    )
