"""A page for every run: how it was made, what it scored, what it won and lost, what it wrote."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from davinci.ablations.alignment import MetricKey, done_runs, key_of
from davinci.ablations.findings import SweepComparison
from davinci.ablations.statistics import mcnemar
from davinci.ablations.wording import metric_words, number, p_value
from davinci.platform.store.records import Arm, Curve, Floats, Outcomes, Run, Sweep
from davinci.reports.costs import run_command
from davinci.reports.filters import MAX_CACHED, codes, flat, name, visible

MAX_NAMED = 8
"""Items named among those won and lost; the counts are of all."""
MAX_SAMPLES = 6
MAX_RUN_PAGES = 300
"""A sweep of more runs gets no pages of them: they would take minutes and gigabytes."""
SPARK_POINTS = 120


class Against(NamedTuple):
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


class Scored(NamedTuple):
    """One record of a run; `right` is which items have a 1, None where any has neither 0 nor 1."""

    key: MetricKey
    outcomes: Outcomes
    score: float
    right: NDArray[np.bool_] | None


Read = dict[str, Mapping[MetricKey, Scored]]
"""Digest of a run of the baseline -> its records that have items."""


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


def run_context(
    sweep: Sweep, comparison: SweepComparison, arm: Arm, run: Run, read: Read
) -> dict[str, Any]:
    """Return what the page of a run shows.

    `read` is what was read of the baseline's runs for other pages; what is read now is added.
    """
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
    scored = list(_against(run, partner, read))
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


def _scored(run: Run) -> Iterator[Scored]:
    for one in run.outcomes:
        if len(one.values):
            yield Scored(key_of(one), one, one.score, _right(one.values))


def _right(values: Floats) -> NDArray[np.bool_] | None:
    right: NDArray[np.bool_] = values == 1.0
    return right if np.count_nonzero(right) == np.count_nonzero(values) else None


def _against(run: Run, partner: Run | None, read: Read) -> Iterator[Against]:
    others: Mapping[MetricKey, Scored] = {}
    if partner is not None:
        if partner.digest not in read:
            read[partner.digest] = {other.key: other for other in _scored(partner)}
        others = read[partner.digest]
    for one in _scored(run):
        yield _compared(one, others.get(one.key))


def _compared(one: Scored, other: Scored | None) -> Against:
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    p = None
    if other is not None and one.right is not None and other.right is not None:
        won, lost = _won_and_lost(one, other)
        p = _p_value(len(won), len(lost))
    return Against(
        key=one.key,
        higher_is_better=one.outcomes.higher_is_better,
        score=one.score,
        num_items=len(one.outcomes.item_ids),
        partner=other.score if other is not None else None,
        won=won,
        lost=lost,
        p=p,
    )


def _won_and_lost(one: Scored, other: Scored) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the items, of those that both have, that one alone has right, and the other alone."""
    assert one.right is not None
    assert other.right is not None
    items, ours, theirs = one.outcomes.item_ids, one.right, other.right
    if other.outcomes.item_ids != items:
        right = dict(zip(other.outcomes.item_ids, theirs.tolist(), strict=True))
        theirs = np.array([right.get(item, mine) for item, mine in zip(items, ours, strict=True)])
    differ = (ours != theirs).nonzero()[0].tolist()
    won = tuple([items[place] for place in differ if ours[place]])
    return won, tuple([items[place] for place in differ if theirs[place]])


_p_value = functools.cache(mcnemar)


def against_rows(rows: Iterable[Against]) -> Markup:
    """Return the rows of a table: they are so many that a template would take most of the time."""
    return Markup("\n".join([_against_row(row) for row in rows]))


def _against_row(row: Against) -> str:
    partner = "" if row.partner is None else number(row.partner)
    difference = "" if row.difference is None else number(row.difference, signed=True)
    against = ""
    if row.p is not None:
        against = (
            f"{len(row.won)} won, {len(row.lost)} lost "
            f'<span class="muted">{escape(p_value(row.p))}, these items, this seed</span>'
        )
        named = _named("won", row.won) + _named("lost", row.lost)
        if named:
            against += f'<details class="nested"><summary>which</summary>{named}</details>'
    return (
        f"<tr>{_row_head(row.key, row.higher_is_better)}"
        f'<td class="num"><data value="{row.score}">{number(row.score)}</data></td>'
        f'<td class="num">{row.num_items}</td><td class="num">{partner}</td>'
        f'<td class="num">{difference}</td><td>{against}</td></tr>'
    )


@functools.lru_cache(MAX_CACHED)
def _row_head(key: MetricKey, higher_is_better: bool) -> str:
    benchmark, protocol = escape(name(key.benchmark)), escape(name(key.protocol))
    better = f"{'higher' if higher_is_better else 'lower'} is better"
    return (
        f'<th scope="row"><bdi>{benchmark}</bdi></th><td>{protocol}</td>'
        f'<td>{escape(visible(metric_words(key.metric)))}<span class="sub">{better}</span></td>'
    )


def _named(what: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
    return f"<p>{what}: {codes(items[:MAX_NAMED])}{more}</p>"


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
    points = " ".join([f"{x:.1f},{y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True)])
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
