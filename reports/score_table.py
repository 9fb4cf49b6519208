"""The rows of the tables of scores: so many that a template takes several times as long."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from davinci.ablations.findings import Cell, MetricComparison, SweepComparison
from davinci.ablations.statistics import Effect, Score
from davinci.ablations.wording import (
    count,
    floor_words,
    interval,
    metric_words,
    number,
    p_value,
    repeats,
)
from davinci.reports.filters import name, settle, visible
from davinci.reports.palette import ArmStyle
from davinci.reports.pieces import arm, estimate, term


def score_bodies(
    metrics: Iterable[MetricComparison],
    comparison: SweepComparison,
    styles: Mapping[str, ArmStyle],
) -> Markup:
    """Return a `<tbody>` per metric, with a row for every arm; `styles` are those of the arms."""
    return Markup("\n".join([_body(metric, comparison, styles) for metric in metrics]))


def _body(
    metric: MetricComparison, comparison: SweepComparison, styles: Mapping[str, ArmStyle]
) -> str:
    rows = []
    for place, cell in enumerate(metric.cells):
        head = _head(metric) if place == 0 else ""
        control = comparison.control(metric, cell.arm)
        score = _score(cell.score, cell.floor, control) if cell.score else _no_score(cell)
        shown = _effect(cell, cell.effect) if cell.effect else _no_effect(cell, comparison.baseline)
        rows.append(f"<tr>{head}<td>{arm(styles[cell.arm])}</td>{score}{shown}</tr>")
    return f"<tbody>{''.join(rows)}</tbody>"


def _head(metric: MetricComparison) -> str:
    key = metric.key
    floor = ""
    if metric.chance == metric.chance:
        words = f"{number(metric.chance)}: {escape(floor_words(key.protocol))}"
        floor = f' <span class="sub">{term("floor", "floor")} {words}</span>'
    better = f"{'higher' if metric.higher_is_better else 'lower'} is better"
    return (
        f'<th scope="rowgroup" rowspan="{len(metric.cells)}">'
        f"<bdi>{escape(name(key.domain))}</bdi>\n"
        f'<span class="sub"><bdi>{escape(name(key.benchmark))}</bdi></span>\n'
        f'<span class="sub">{_text(metric_words(key.metric))}, {better}</span>{floor}</th>'
    )


def _score(score: Score, floor: str, control: Score | None) -> str:
    sub = f' <span class="sub">{floor} the floor</span>' if floor else ""
    if control:
        ends = interval(control.low, control.high)
        alone = f"{term('control', 'options alone')} {number(control.mean)} {ends}"
        sub += f' <span class="sub">{alone}</span>'
    size = f"{repeats(score.num_replicates, score.num_worlds)} × {count(score.num_items, 'item')}"
    if score.num_clusters < score.num_items:
        size += f' <span class="sub">in {count(score.num_clusters, "cluster")}</span>'
    return (
        f'<td class="num">{estimate(score.mean, score.low, score.high)}{sub}</td>'
        f'<td class="n">{size}</td>'
    )


def _no_score(cell: Cell) -> str:
    return f'<td class="muted" colspan="2">no score: {_text("; ".join(cell.notes))}</td>'


def _effect(cell: Cell, effect: Effect) -> str:
    low, high, cut = cell.shown
    resolved = f'<strong class="resolved">{cell.direction}</strong>'
    reading = resolved if cell.resolved else '<span class="muted">not resolved</span>'
    notes = "".join([f' <span class="sub">{_text(note)}</span>' for note in cell.notes])
    return (
        f'<td class="num">{estimate(effect.mean, low, high, signed=True, cut=cut)}</td>'
        f'<td class="num">{escape(p_value(cell.p_corrected))}</td>'
        f'<td class="reading">{reading}{notes}</td>'
        f'<td class="num">{number(effect.min_detectable)}</td><td>{settle(cell)}</td>'
    )


def _no_effect(cell: Cell, baseline: str) -> str:
    why = "; ".join(cell.notes)
    if cell.arm == baseline:
        text = f"baseline; {why}" if why else "baseline"
    else:
        text = f"no difference: {why}" if cell.score and why else "no difference"
    return f'<td class="muted" colspan="5">{_text(text)}</td>'


def _text(text: str) -> Markup:
    return escape(visible(text))
