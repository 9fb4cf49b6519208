"""A page for every run: how it was made, what it scored, what it won and lost, what it wrote."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape

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
    won: Sequence[str]
    lost: Sequence[str]
    p: float | None

    @property
    def difference(self) -> float | None:
        """Score minus partner."""
        return None if self.partner is None else self.score - self.partner


class Result(NamedTuple):
    """One record of a run with its score."""

    outcomes: Outcomes
    score: float


Read = dict[str, Mapping[MetricKey, Result]]
"""Digest of a run of the baseline -> its records that have items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """One curve as a small line: `points` for an SVG of 2400 x 600, with its ends in numbers."""

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
    scored = _against(run, partner, read)
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


def _results(run: Run) -> dict[MetricKey, Result]:
    return {key_of(one): Result(one, one.score) for one in run.outcomes if len(one.values)}


def _against(run: Run, partner: Run | None, read: Read) -> list[Against]:
    if partner is not None and partner.digest not in read:
        read[partner.digest] = _results(partner)
    others = read[partner.digest] if partner is not None else {}
    ours = _results(run)
    shared = [key for key in ours if key in others]
    pairs = [(ours[key].outcomes, others[key].outcomes) for key in shared]
    changed = dict(zip(shared, _won_and_lost(pairs), strict=True))
    found = []
    for key, (one, score) in ours.items():
        items = changed.get(key)
        won, lost = items or ((), ())
        found.append(
            Against(
                key=key,
                higher_is_better=one.higher_is_better,
                score=score,
                num_items=len(one.item_ids),
                partner=others[key].score if key in others else None,
                won=won,
                lost=lost,
                p=None if items is None else _p_value(len(won), len(lost)),
            )
        )
    return found


def _won_and_lost(
    pairs: Sequence[tuple[Outcomes, Outcomes]],
) -> list[tuple[list[str], list[str]] | None]:
    """Return the items that the first of each pair alone has right, and those of the second alone.

    None of a pair where a value is neither right (1) nor wrong (0). All pairs are taken at once.
    """
    if not pairs:
        return []
    lengths = [len(one.values) for one, _ in pairs]
    starts = np.cumsum([0, *lengths[:-1]])
    ours = np.concatenate([one.values for one, _ in pairs])
    theirs = np.concatenate([_values_of(other, one) for one, other in pairs])
    plain = ((ours == 0) | (ours == 1)) & ((theirs == 0) | (theirs == 1))
    sound = np.logical_and.reduceat(plain, starts)
    places = np.flatnonzero((ours != theirs) & np.repeat(sound, lengths))
    owners = np.searchsorted(starts, places, side="right") - 1
    found: list[tuple[list[str], list[str]]] = [([], []) for _ in pairs]
    rows = (owners, places - starts[owners], ours[places])
    for owner, place, right in zip(*(row.tolist() for row in rows), strict=True):
        found[owner][0 if right else 1].append(pairs[owner][0].item_ids[place])
    return [items if is_sound else None for items, is_sound in zip(found, sound, strict=True)]


def _values_of(other: Outcomes, one: Outcomes) -> Floats:
    """Return a record's values of the items of another, which keeps its own where there is none."""
    if other.item_ids == one.item_ids:
        return other.values
    known = dict(zip(other.item_ids, other.values.tolist(), strict=True))
    own = zip(one.item_ids, one.values.tolist(), strict=True)
    return np.array([known.get(item, value) for item, value in own])


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
    xs = 2400 * (tokens - tokens[0]) / (tokens[-1] - tokens[0])
    ys = 580 - 560 * (values - low) / ((high - low) or 1.0)
    places = np.rint(np.nan_to_num(np.column_stack([xs, ys]))).astype(int).tolist()
    points = " ".join([f"{x},{y}" for x, y in places])
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
