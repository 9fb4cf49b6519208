"""The papers' findings beside ours: what they printed, what that is worth, what came out here."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from davinci.ablations.known import Finding, findings, read
from davinci.ablations.paper.read import Score, ours, study_scores
from davinci.ablations.paper.rejudge import Rejudged, rejudge
from davinci.ablations.wording import interval, number
from davinci.reports.figures import Point, Series, curve_panel, interval_panel
from davinci.reports.palette import LIGHT, ArmStyle, numbered_style

if TYPE_CHECKING:
    from sqlalchemy import Engine

PAPER_STYLE = ArmStyle("paper", "var(--base)", "#5a5f66", "D", "◆", True)
OUR_STYLE = ArmStyle("here", "var(--arm-0)", LIGHT[0], "o", "●", False)
TITLES = {"davinci": "daVinci-LLM", "data-darwinism-1": "Data Darwinism I"}
AVERAGES = ("Avg-General", "Avg-Code", "Avg-Science", "Overall")
MAX_ROWS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class OurClaim:
    """One claim of ours about a paper's finding; `finding` is None where it was not run yet."""

    words: str
    paper: str
    finding: Finding | None
    href: str

    @property
    def state(self) -> str:
        """Its verdict."""
        return self.finding.state if self.finding else "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperStudy:
    """One study of a paper: its claims as printed, our claims about the same question.

    `ablation` is "" where davinci has none. `pictures` are (heading, svg) pairs; `styles` are those
    of the arms whose scores are printed.
    """

    study: str
    title: str
    question: str
    printed: tuple[Rejudged, ...]
    ablation: str
    ours: tuple[OurClaim, ...]
    scale: str
    pictures: tuple[tuple[str, str], ...]
    styles: tuple[ArmStyle, ...]

    @property
    def num_holding(self) -> int:
        """Claims that the printed numbers agree with, noise aside."""
        return sum(one.holds is True for one in self.printed)

    @property
    def num_beyond(self) -> int:
        """Claims beyond the noise of their items."""
        return sum(one.on_items == "beyond" for one in self.printed)


def paper_studies(engine: "Engine | None") -> tuple[PaperStudy, ...]:
    """Return every study of both papers, in their order, with the newest verdicts of a store."""
    known = findings(engine) if engine is not None else []
    judged = rejudge()
    found = []
    for place, study in enumerate(dict.fromkeys(one.claim.study for one in judged)):
        printed = tuple(one for one in judged if one.claim.study == study)
        name = ours().get(study, "")
        claims = _our_claims(name, known) if name else ()
        seen = [claim.finding for claim in claims if claim.finding]
        first, styles = printed[0].claim, _styles(study_scores(study))
        found.append(
            PaperStudy(
                study=study,
                title=f"{TITLES.get(first.paper, first.paper)} {_place(first.section)}",
                question=first.question,
                printed=printed,
                ablation=name,
                ours=claims,
                scale=seen[0].content["scale"] if seen else "",
                pictures=_pictures(place, printed, claims, study),
                styles=tuple(styles.values()),
            )
        )
    return tuple(found)


def _place(section: str) -> str:
    return section if section.startswith("Appendix") else f"Section {section}"


def _our_claims(name: str, known: Sequence[Finding]) -> tuple[OurClaim, ...]:
    """Return all claims of an ablation, with the verdicts of the newest sweep that judged it."""
    ablation = read(name)
    own = [finding for finding in known if finding.ablation == name]
    newest = {f.content["words"]: f for f in own if f.sweep == own[0].sweep}
    return tuple(
        OurClaim(
            words=words,
            paper=claim.paper,
            finding=(finding := newest.get(words)),
            href=f"{finding.sweep[:12]}/index.html" if finding else "",
        )
        for claim in ablation.claims
        for words in [claim.words(ablation.baseline)]
    )


def _pictures(
    place: int,
    printed: Sequence[Rejudged],
    claims: Sequence[OurClaim],
    study: str,
) -> tuple[tuple[str, str], ...]:
    drawn = [
        ("Effects in the direction of the claims", _effects(place, printed, claims)),
        *_printed(place, study),
    ]
    return tuple((heading, svg) for heading, svg in drawn if svg)


def _effects(place: int, printed: Sequence[Rejudged], claims: Sequence[OurClaim]) -> str:
    """Return the paper's effects and ours on one axis, in points of 100."""
    points = []
    for one in printed:
        if one.effect is None:
            continue
        low, high = one.interval or (np.nan, np.nan)
        row = one.claim.metric + (f" at {one.claim.tokens_B:g}B" if one.claim.tokens_B else "")
        tip = f"paper: {one.claim.words}: {one.effect:+.2f} points, {one.reason}"
        solid = one.on_items == "beyond"
        points.append(Point(row, PAPER_STYLE, one.effect, low, high, solid, tip))
    points = points[:MAX_ROWS]
    for claim in claims:
        content = claim.finding.content if claim.finding else {}
        if content.get("effect") is None or str(content["metric"]).startswith("bpb/"):
            continue
        low, high = (
            np.nan if content[end] is None else 100 * content[end] for end in ("low", "high")
        )
        tip = f"here: {claim.words}: {100 * content['effect']:+.2f} points, {claim.state}"
        solid = claim.state in ("supported", "contradicted")
        row = f"here: {content['metric']}"
        points.append(Point(row, OUR_STYLE, 100 * content["effect"], low, high, solid, tip))
    return interval_panel(
        points,
        name=f"study{place}-effects",
        title="Effects of the paper and of davinci. " + " ".join(f"{p.tip}." for p in points),
        axis="effect in points of 100",
        zero=True,
        better="right",
        floors={},
    )


def _styles(scores: Mapping[str, Sequence[Score]]) -> dict[str, ArmStyle]:
    names = dict.fromkeys(score.arm for every in scores.values() for score in every)
    return {name: numbered_style(name, place) for place, name in enumerate(names)}


@functools.cache
def _printed(place: int, study: str) -> tuple[tuple[str, str], ...]:
    """Return the printed scores anew: curves where there are checkpoints, else points."""
    scores = study_scores(study)
    styles = _styles(scores)
    along = {
        metric: every
        for metric, every in scores.items()
        if metric in AVERAGES and len({score.tokens for score in every}) > 2
    }
    drawn = []
    for number_, (metric, every) in enumerate(along.items()):
        series = []
        for name in styles:
            own = sorted((s.tokens, s.value) for s in every if s.arm == name)
            if len(own) > 1:
                series.append(Series(styles[name], [tuple(np.array(own).T)]))
        svg = curve_panel(
            series,
            name=f"study{place}-curve{number_}",
            title=f"{metric} as printed: {', '.join(each.style.label for each in series)}",
            axis=f"{metric} (points of 100)",
            whole=True,
        )
        drawn.append((f"{metric}, as printed", svg))
    last = {m: _last(every) for m, every in scores.items() if m not in along}
    points = [
        Point(metric, styles[s.arm], s.value, np.nan, np.nan, True, f"{s.arm}: {s.value:g}")
        for metric, every in list(last.items())[:MAX_ROWS]
        for s in every
    ]
    if points:
        svg = interval_panel(
            points,
            name=f"study{place}-scores",
            title="Printed scores. " + " ".join(f"{p.row}, {p.tip}." for p in points),
            axis="score in points of 100",
            zero=False,
            better="right",
            floors={},
        )
        drawn.append(("Scores, as printed", svg))
    return tuple(drawn)


def _last(scores: Sequence[Score]) -> list[Score]:
    """Return every arm's score at its last tokens."""
    return list({s.arm: s for s in sorted(scores, key=lambda s: s.tokens)}.values())


def ours_numbers(finding: Finding) -> str:
    """Return a verdict's effect with its interval, in the unit of its metric."""
    content = finding.content
    if content["effect"] is None:
        return ""
    if content["low"] is None:
        return number(content["effect"], signed=True)
    ends = interval(content["low"], content["high"], signed=True)
    return f"{number(content['effect'], signed=True)} {ends}"
