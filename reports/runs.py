"""A page for every run: how it was made, what it scored, what it won and lost, what it wrote."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from davinci.ablations.alignment import MetricKey, done_runs, key_of
from davinci.ablations.findings import SweepComparison
from davinci.ablations.statistics import mcnemar
from davinci.platform.store.records import Arm, Curve, Outcomes, Run, Sweep
from davinci.reports.costs import run_command
from davinci.reports.filters import flat

MAX_NAMED = 8
"""Items named among those won and lost; the counts are of all."""
MAX_SAMPLES = 6
MAX_RUN_PAGES = 300
"""A sweep of more runs gets no pages of them: they would take minutes and gigabytes."""
SPARK_POINTS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One score of a run beside that of the baseline's run with the same seed and world.

    Attributes:
        partner: Score of that run; None where there is none.
        won: Items that this run alone has right, `lost` those that the other alone has; empty for
            scores that are not right or wrong.
        p: McNemar's exact p-value, uncorrected; None for such scores.
    """

    key: MetricKey
    higher_is_better: bool
    score: float
    num_items: int
    partner: float | None
    won: tuple[str, ...]
    lost: tuple[str, ...]
    p: float | None

    @property
    def difference(self) -> float | None:
        """Score minus partner."""
        return None if self.partner is None else self.score - self.partner


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """One curve as a small line: `points` for an SVG of 240 x 60, with its ends in numbers."""

    name: str
    points: Markup
    first: float
    last: float
    low: float
    high: float
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item on record."""

    benchmark: str
    protocol: str
    sample: Mapping[str, str]


def page_of(digest: str) -> str:
    """Return the name of a run's page, whatever its digest is made of."""
    return re.sub(r"[^0-9A-Za-z]", "_", digest)[:12] + ".html"


def run_context(sweep: Sweep, comparison: SweepComparison, arm: Arm, run: Run) -> dict[str, Any]:
    """Return what the page of a run shows."""
    base = next((one for one in sweep.arms if one.label == sweep.baseline), None)
    partner = None
    if base is not None and base.label != arm.label:
        partner = next(
            (
                other
                for key, other in done_runs(base).items()
                if (key.world_seed, key.seed) == (run.world_seed, run.seed)
            ),
            None,
        )
    headline = {metric.key for metric in comparison.headline}
    scored = list(_against(run, partner))
    return {
        "sweep": sweep,
        "label": arm.label,
        "run": run,
        "command": run_command(arm, run),
        "baseline": sweep.baseline,
        "partner": partner,
        "scores": [one for one in scored if one.key in headline],
        "others": [one for one in scored if one.key not in headline],
        "sparks": [spark for curve in run.curves if (spark := _spark(curve)) is not None],
        "answers": list(_answers(run)),
        "config": flat(arm.config),
    }


def _against(run: Run, partner: Run | None) -> Iterator[Against]:
    others = {key_of(one): one for one in partner.outcomes} if partner else {}
    for one in run.outcomes:
        if len(one.values):
            yield _compared(one, others.get(key_of(one)))


def _compared(one: Outcomes, other: Outcomes | None) -> Against:
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    p = None
    if other is not None and _is_right_or_wrong(one) and _is_right_or_wrong(other):
        theirs = dict(zip(other.item_ids, other.values.tolist(), strict=True))
        ours = dict(zip(one.item_ids, one.values.tolist(), strict=True))
        differ = [item for item in ours if ours[item] != theirs.get(item, ours[item])]
        won = tuple(item for item in differ if ours[item])
        lost = tuple(item for item in differ if not ours[item])
        p = mcnemar(len(won), len(lost))
    return Against(
        key=key_of(one),
        higher_is_better=one.higher_is_better,
        score=one.score,
        num_items=len(one.item_ids),
        partner=other.score if other is not None and len(other.values) else None,
        won=won,
        lost=lost,
        p=p,
    )


def _is_right_or_wrong(outcomes: Outcomes) -> bool:
    values = outcomes.values
    return bool(((values == 0.0) | (values == 1.0)).all())


def _spark(curve: Curve) -> Spark | None:
    tokens, values = curve.tokens, curve.values
    sound = np.isfinite(tokens) & np.isfinite(values)
    tokens, values = tokens[sound], values[sound]
    if len(values) < 2 or tokens[-1] <= tokens[0]:
        return None
    if len(values) > SPARK_POINTS:
        parts = np.array_split(np.arange(len(values)), SPARK_POINTS)
        tokens = np.array([tokens[part].mean() for part in parts])
        values = np.array([values[part].mean() for part in parts])
    low, high = float(values.min()), float(values.max())
    xs = 240 * (tokens - tokens[0]) / (tokens[-1] - tokens[0])
    ys = 58 - 56 * (values - low) / ((high - low) or 1.0)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return Spark(
        name=curve.name,
        points=Markup(points),
        first=float(values[0]),
        last=float(values[-1]),
        low=low,
        high=high,
        tokens=float(tokens[-1]),
    )


def _answers(run: Run) -> Iterator[Answer]:
    ranked: Sequence[Outcomes] = sorted(run.outcomes, key=lambda one: one.protocol != "generative")
    for one in ranked:
        if one.protocol != "bpb":
            for sample in one.samples[:MAX_SAMPLES]:
                yield Answer(benchmark=one.benchmark, protocol=one.protocol, sample=sample)
