"""The papers' own claims, judged from what they printed: effects, item noise, verdicts.

Both papers print one run per arm, so that no claim can be supported by our rule, which asks for
three seeds. What can be said is how a difference compares with the noise of the items: that of two
independent binomial samples, of the numbers of items that the printed decimals give away
(`items.csv`). Averages over benchmarks take the standard error of the averages of Table 6, at the
released model's scores, tasks as independent. Differences along one run share their items, so that
this errs on the wide side there.
"""

import functools
import math
import re
from dataclasses import dataclass
from typing import Literal

from scipy import special

from davinci.ablations.averages import CLUSTER_OF
from davinci.ablations.paper.read import final_models, rows
from davinci.ablations.statistics import correct
from davinci.ablations.statistics.family import ALPHA
from davinci.platform.evaluation.harness.suite import suite

OnItems = Literal["beyond", "within", "opposite", "unknown"]
State = Literal["inconclusive", "contradicted", "void"]
AGGREGATES = {"Avg-General": "general", "Avg-Code": "code", "Avg-Science": "science"}
SAME_TOKENS_FRAC = 0.005
EQUAL_POINTS = 0.6
"""Differences that still count as none, where a paper says that two arms are alike."""
MODEL = "daVinci-LLM-3B"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperClaim:
    """One published claim; `arms` are compared first minus second, or stand in order."""

    study: str
    paper: str
    section: str
    question: str
    metric: str
    arms: tuple[str, ...]
    direction: str
    claimed: float | None
    tokens_B: float | None
    best: str
    stated: bool
    evidence: str

    @property
    def words(self) -> str:
        """What is claimed, in words."""
        at = f" at {self.tokens_B:g}B" if self.tokens_B else ""
        if self.direction == "best_is":
            return f"{self.metric}{at}: {self.best} is the best"
        if self.direction == "monotonic_increasing":
            return f"{self.metric}{at} rises over {', '.join(self.arms)}"
        way = {"less": "below", "approx_equal": "about", "not_less": "not below"}
        other = self.arms[1] if len(self.arms) > 1 else ""
        return f"{self.metric}{at}: {self.arms[0]} {way.get(self.direction, 'above')} {other}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """One claim, judged; all in points of 100.

    Attributes:
        effect: In the claim's direction: first minus second, last minus first of an order, the
            best minus the next; None where the papers print no such numbers.
        se: Of its item noise, None where numbers of items are not known.
        p: Two-sided, from the items alone, corrected by Holm within the study; NaN if unknown.
        on_items: `beyond` their noise in the claimed direction, `within` it, or beyond it in the
            `opposite` one; so also where arms are called alike that are not.
        state: By our rule; of one run per arm `inconclusive`, `contradicted` where even the items
            speak against it, `void` where nothing can be computed.
        holds: Whether the printed numbers say what is claimed, noise aside; None if not printed.
    """

    claim: PaperClaim
    effect: float | None
    se: float | None
    p: float
    on_items: OnItems
    state: State
    holds: bool | None
    reason: str

    @property
    def z(self) -> float:
        """The effect in standard errors; NaN where one of them is not known."""
        return self.effect / self.se if self.effect is not None and self.se else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, from the items alone."""
        if self.effect is None or self.se is None:
            return None
        half = float(special.ndtri(0.975)) * self.se
        return self.effect - half, self.effect + half


@functools.cache
def claims() -> tuple[PaperClaim, ...]:
    """Return every claim of both papers."""
    return tuple(
        PaperClaim(
            study=row["study"],
            paper=row["paper"],
            section=row["section"],
            question=row["question"],
            metric=row["metric"],
            arms=tuple(row["arms"].split("|")),
            direction=row["direction"],
            claimed=float(row["claimed"]) if row["claimed"] else None,
            tokens_B=float(row["tokens_B"]) if row["tokens_B"] else None,
            best=row["best"],
            stated=row["stated"] == "yes",
            evidence=row["evidence"],
        )
        for row in rows("claims.csv")
    )


def rejudge() -> tuple[Rejudged, ...]:
    """Return every claim with its verdict, in the papers' order."""
    found: list[Rejudged] = []
    for study in dict.fromkeys(claim.study for claim in claims()):
        own = [claim for claim in claims() if claim.study == study]
        measured = [_measure(claim) for claim in own]
        raw = [_p_value(effect, se) for effect, se, _ in measured]
        for claim, (effect, se, holds), p in zip(own, measured, correct(raw, "holm"), strict=True):
            found.append(_judged(claim, effect, se, p, holds))
    return tuple(found)


def _judged(
    claim: PaperClaim, effect: float | None, se: float | None, p: float, holds: bool | None
) -> Rejudged:
    on_items: OnItems = "unknown"
    state: State = "inconclusive"
    if effect is not None and not math.isnan(p):
        on_items = "within" if p >= ALPHA else "beyond" if effect > 0 else "opposite"
        if claim.direction == "approx_equal" and on_items == "beyond":
            on_items = "opposite"
    if effect is None:
        state, reason = "void", "the numbers are not printed"
    elif on_items == "opposite":
        state, reason = "contradicted", "more than the items explain, against what is claimed"
    else:
        alone = abs(effect) / se if se else 0.0
        words = {
            "beyond": "beyond the noise of the items, but seeds are not known",
            "within": "within the noise of the items",
            "unknown": "not even the number of items is known",
        }
        if on_items == "within" and alone > special.ndtri(1 - ALPHA / 2):
            words["within"] = "beyond the noise of the items alone, not among the study's claims"
        state, reason = "inconclusive", f"one run per arm: {words[on_items]}"
    return Rejudged(
        claim=claim,
        effect=effect,
        se=se,
        p=p,
        on_items=on_items,
        state=state,
        holds=holds,
        reason=reason,
    )


def _measure(claim: PaperClaim) -> tuple[float | None, float | None, bool | None]:
    """Return effect, standard error, and whether the printed numbers say what is claimed."""
    values = [_value(claim, arm) for arm in claim.arms]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None, None, None
    if claim.direction == "best_is":
        others = [v for arm, v in zip(claim.arms, known, strict=True) if arm != claim.best]
        effect = known[claim.arms.index(claim.best)] - max(others)
        pair = (known[claim.arms.index(claim.best)], max(others))
        holds = effect > 0
    elif claim.direction == "monotonic_increasing":
        effect, pair = known[-1] - known[0], (known[-1], known[0])
        holds = all(later > before for before, later in zip(known, known[1:], strict=False))
    else:
        sign = -1 if claim.direction == "less" else 1
        effect, pair = sign * (known[0] - known[1]), (known[0], known[1])
        holds = abs(effect) <= EQUAL_POINTS if claim.direction == "approx_equal" else effect > 0
    return effect, _standard_error(claim.metric, pair), holds


def _p_value(effect: float | None, se: float | None) -> float:
    if effect is None or not se:
        return math.nan
    return float(2 * special.ndtr(-abs(effect) / se))


def _value(claim: PaperClaim, arm: str) -> float | None:
    """Return the printed score of an arm, at its own tokens, the claim's, or the last ones."""
    config, _, at = arm.partition("@")
    metric, protocol = claim.metric, ""
    if gap := re.fullmatch(r"(\S+) gap \((\w+)\)", claim.metric):
        metric, protocol = gap[1], gap[2]
    found = [
        row
        for row in (rows(f"results/{claim.evidence}.csv") if claim.evidence else ())
        if row["config"] == config
        and row["benchmark_or_aggregate"] == metric
        and protocol in ("", row["protocol"])
        and row["unit"].startswith("percent")
    ]
    found.sort(key=lambda row: row["read_how"] != "printed")  # printed before read off a figure
    wanted = float(at.removesuffix("B")) if at else claim.tokens_B
    if wanted is None:
        most = max((float(row["tokens_B"] or 0) for row in found), default=0.0)
        found = [row for row in found if float(row["tokens_B"] or 0) == most]
    else:
        room = SAME_TOKENS_FRAC * max(wanted, 100)
        found = [row for row in found if abs(float(row["tokens_B"] or 0) - wanted) <= room]
    return float(found[0]["value"]) if found else None


def _standard_error(metric: str, pair: tuple[float, float]) -> float | None:
    metric = metric.partition(" gap")[0]
    if metric in AGGREGATES or metric == "Overall":
        return math.sqrt(2) * _average_se(AGGREGATES.get(metric, ""))
    num = _items().get(metric)
    if num is None:
        return None
    return 100 * math.sqrt(sum(p / 100 * (1 - p / 100) / num for p in pair))


@functools.cache
def _items() -> dict[str, int]:
    return {row["benchmark"]: int(row["num_items"]) for row in rows("items.csv")}


@functools.cache
def _average_se(cluster: str) -> float:
    """Return the item noise of an average of the released model; of all 19 for ""."""
    scores = final_models()[MODEL]
    chosen = [
        benchmark
        for name, benchmark in suite().items()
        if name in scores and cluster in ("", CLUSTER_OF.get(benchmark.domain, benchmark.domain))
    ]
    variances = [
        scores[b.name] / 100 * (1 - scores[b.name] / 100) / _items()[b.title] for b in chosen
    ]
    return 100 * math.sqrt(sum(variances)) / len(chosen)
