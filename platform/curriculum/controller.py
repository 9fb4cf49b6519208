"""The controller: from scores along training to the weights of what comes next.

As the paper did by hand, it first shifts weight from domains that have saturated to those that
still grow, and brings in questions and answers when shifting no longer pays. It is a pure function
of what it is shown, so every decision can be taken again.

It may see scores of held-out items that no arm is judged on, and nothing else: decisions on the
items of the final score would be training on the test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from davinci.platform.curriculum.settings import CLUSTERS, ControllerSettings
from davinci.platform.curriculum.trend import Trend, fit_trend

Action = Literal["hold", "shift", "bring in qa"]
Weights = Mapping[str, float]
OVERALL = "all together"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One checkpoint: tokens trained so far, and the score of each cluster, higher is better."""

    tokens: int
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided at a checkpoint, and on what evidence.

    Attributes:
        weights: Of the domains from here on; they sum to 1.
        reason: Why, in words.
        trends: Of each cluster, as they were seen.
    """

    tokens: int
    action: Action
    weights: Weights
    reason: str
    trends: Mapping[str, Trend]

    @property
    def acts(self) -> bool:
        """Whether the weights changed."""
        return self.action != "hold"


def decide(
    settings: ControllerSettings,
    history: Sequence[Observation],
    *,
    weights: Weights,
    past: Sequence[Decision],
    available: Sequence[str],
) -> Decision:
    """Return the decision at the last checkpoint of `history`.

    Args:
        settings: How to judge.
        history: All checkpoints so far, in order.
        weights: The weights until now.
        past: The decisions so far, in order.
        available: Domains that have data.
    """
    now = history[-1].tokens
    trends = _trends(settings, history, past)
    states = {name: trend.state for name, trend in trends.items()}
    clusters = CLUSTERS[settings.clusters]
    saturated = [name for name in clusters if states.get(name) == "saturated"]
    growing = [name for name in clusters if states.get(name) == "growing"]
    if not any(trend.num_points for trend in trends.values()):
        reason = f"Fewer than {settings.window} checkpoints since the last change."
        return _hold(now, weights, trends, reason)
    if not saturated:
        return _hold(now, weights, trends, "No cluster has saturated.")
    agreed = [_agreed(settings, past, trends, name) for name in saturated]
    if growing and any(agreed):
        ready = [name for name, yes in zip(saturated, agreed, strict=True) if yes]
        moved = _shift(settings, weights, trends, ready, growing, available)
        if moved != dict(weights):
            reason = f"{_list(ready)} saturated while {_list(growing)} still grew: weight moves."
            return Decision(tokens=now, action="shift", weights=moved, reason=reason, trends=trends)
        reason = f"{_list(ready)} saturated, but has no weight left to give."
        return _hold(now, weights, trends, reason)
    if not growing and trends[OVERALL].state == "saturated" and _nothing_grew(settings, past):
        frac = _next_qa(settings, weights)
        if frac is not None and "qa" in available:
            reason = "No cluster is seen to grow, and all together have saturated, so shifting no "
            reason += f"longer pays: {frac:.0%} qa."
            mixed = _with_qa(weights, frac, [d for names in clusters.values() for d in names])
            return Decision(
                tokens=now, action="bring in qa", weights=mixed, reason=reason, trends=trends
            )
        return _hold(now, weights, trends, "No cluster is seen to grow, and no qa is left to add.")
    reason = f"{_list(saturated)} looks saturated; waiting for {settings.patience} looks in a row."
    return _hold(now, weights, trends, reason)


def to_plain(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain data."""
    return {
        "tokens": decision.tokens,
        "action": decision.action,
        "weights": dict(decision.weights),
        "reason": decision.reason,
        "trends": {
            name: {k: None if v != v else v for k, v in trend._asdict().items()}  # NaN is no JSON
            for name, trend in decision.trends.items()
        },
    }


def from_plain(plain: Mapping[str, Any]) -> Decision:
    """Return the decision that `to_plain` made plain data of."""
    trends: dict[str, Trend] = {}
    for name, trend in plain["trends"].items():
        values: dict[str, Any] = {k: math.nan if v is None else v for k, v in trend.items()}
        trends[name] = Trend(**values)
    return Decision(**{**plain, "trends": trends})


def _trends(
    settings: ControllerSettings, history: Sequence[Observation], past: Sequence[Decision]
) -> dict[str, Trend]:
    """Return each cluster's trend over the last window; not fitted until one is full.

    A window begins after the last action. All together are the mean of the clusters' scores, each
    relative to its own level.
    """
    acted = [decision.tokens for decision in past if decision.acts]
    since = [seen for seen in history if not acted or seen.tokens > acted[-1]]
    recent = since[-settings.window :]
    complete = len(recent) == settings.window
    names = [n for n in CLUSTERS[settings.clusters] if all(n in seen.scores for seen in recent)]
    levels = {name: _level([seen.scores[name] for seen in recent]) for name in names}
    series = {name: [seen.scores[name] for seen in recent] for name in names}
    series[OVERALL] = [
        sum(seen.scores[name] / levels[name] for name in names) / len(names) for seen in recent
    ]
    return {
        name: fit_trend(
            [seen.tokens for seen in recent] if complete else [],
            scores if complete else [],
            confidence=settings.confidence,
            min_gain=settings.min_gain,
        )
        for name, scores in series.items()
    }


def _level(scores: Sequence[float]) -> float:
    return max(abs(sum(scores) / len(scores)), 1e-12)


def _agreed(
    settings: ControllerSettings, past: Sequence[Decision], trends: Mapping[str, Trend], name: str
) -> bool:
    """Return whether a cluster has looked saturated `patience` times in a row, now included."""
    before = list(past)[len(past) - (settings.patience - 1) :] if settings.patience > 1 else []
    looks = [d.trends[name].state for d in before if not d.acts and name in d.trends]
    looks.append(trends[name].state)
    return len(looks) == settings.patience and set(looks) == {"saturated"}


def _nothing_grew(settings: ControllerSettings, past: Sequence[Decision]) -> bool:
    """Return whether no cluster grew in the looks before this one that `patience` asks for."""
    wanted = settings.patience - 1
    before = list(past)[len(past) - wanted :] if wanted else []
    calm = [
        not decision.acts
        and decision.trends[OVERALL].state == "saturated"
        and all(trend.state != "growing" for trend in decision.trends.values())
        for decision in before
    ]
    return len(calm) == wanted and all(calm)


def _shift(
    settings: ControllerSettings,
    weights: Weights,
    trends: Mapping[str, Trend],
    saturated: Sequence[str],
    growing: Sequence[str],
    available: Sequence[str],
) -> dict[str, float]:
    """Return the weights after moving at most `step` to growing clusters, by their slopes.

    Questions and answers neither give nor take here: they come in by a decision of their own.
    """
    clusters = CLUSTERS[settings.clusters]
    givers = [d for name in saturated for d in clusters[name] if d != "qa"]
    takers = [(d, trends[name].low) for name in growing for d in clusters[name] if d != "qa"]
    takers = [(domain, low) for domain, low in takers if domain in available]
    spare = {d: max(0.0, weights.get(d, 0.0) - settings.floor) for d in givers}
    moved = min(settings.step, sum(spare.values()))
    if moved <= 0 or not takers:
        return dict(weights)
    after = dict(weights)
    for domain, much in spare.items():
        after[domain] = after.get(domain, 0.0) - moved * much / sum(spare.values())
    total = sum(low for _, low in takers)
    for domain, low in takers:
        after[domain] = after.get(domain, 0.0) + moved * low / total
    return _rounded(after)


def _next_qa(settings: ControllerSettings, weights: Weights) -> float | None:
    larger = [frac for frac in settings.qa_fracs if frac > weights.get("qa", 0.0) + 1e-9]
    return larger[0] if larger else None


def _with_qa(weights: Weights, frac: float, domains: Sequence[str]) -> dict[str, float]:
    """Return weights with a share of qa; the others keep their proportions."""
    rest = sum(weight for domain, weight in weights.items() if domain != "qa")
    others = {d: w * (1 - frac) / rest for d, w in weights.items() if d != "qa" and rest > 0}
    return _rounded({**others, "qa": frac})


def _rounded(weights: Weights) -> dict[str, float]:
    """Return weights of six digits that sum to 1; the largest takes what rounding leaves."""
    found = {domain: round(weight, 6) for domain, weight in weights.items() if weight > 5e-7}
    largest = max(found, key=lambda domain: found[domain])
    found[largest] = round(1.0 - sum(w for d, w in found.items() if d != largest), 6)
    return found


def _hold(tokens: int, weights: Weights, trends: Mapping[str, Trend], reason: str) -> Decision:
    return Decision(
        tokens=tokens, action="hold", weights=dict(weights), reason=reason, trends=trends
    )


def _list(names: Sequence[str]) -> str:
    return " and ".join(names)
