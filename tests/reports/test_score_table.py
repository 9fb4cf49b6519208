"""Tables of scores say of every arm and metric what the comparison found, in its own cell."""

import re
from dataclasses import replace
from html import unescape

import pytest

from davinci.ablations.comparison import compare
from davinci.ablations.findings import Cell, SweepComparison
from davinci.ablations.wording import interval, number, p_value
from davinci.platform.store.records import Sweep
from davinci.reports.filters import settle
from davinci.reports.palette import arm_styles
from davinci.reports.score_table import score_bodies


def rows_of(comparison: SweepComparison, sweep: Sweep) -> list[list[str]]:
    """Return the texts of the cells of all rows."""
    text = score_bodies(comparison.metrics, comparison, arm_styles(sweep))
    assert text.count("<tbody>") == len(comparison.metrics)
    return [
        [
            " ".join(unescape(re.sub("<[^>]*>", "", cell)).split())
            for cell in re.findall(r"<t[dh][ >].*?</t[dh]>", row, flags=re.DOTALL)
        ]
        for row in re.findall(r"<tr>.*?</tr>", text, flags=re.DOTALL)
    ]


def expected(cell: Cell) -> list[str]:
    """Return what stands in the cells of a difference."""
    assert cell.effect is not None
    low, high, cut = cell.shown
    ends = interval(low, high, cut, signed=True)
    reading = cell.direction if cell.resolved else "not resolved"
    return [
        f"{number(cell.effect.mean, signed=True)} {ends}",
        p_value(cell.p_corrected),
        " ".join([reading, *cell.notes]),
        number(cell.effect.min_detectable),
        settle(cell),
    ]


def test_every_cell_has_its_own_numbers(sweep: Sweep) -> None:
    comparison = compare(sweep)
    rows = rows_of(comparison, sweep)
    cells = [(metric, cell) for metric in comparison.metrics for cell in metric.cells]
    assert len(rows) == len(cells)
    seen = set()
    for row, (metric, cell) in zip(rows, cells, strict=True):
        if cell is metric.cells[0]:
            head = row.pop(0)
            assert metric.key.benchmark in head
            assert ("higher is better" if metric.higher_is_better else "lower is better") in head
        assert row[0].endswith(cell.arm)
        if cell.score is not None:
            ends = interval(cell.score.low, cell.score.high)
            assert row[1].startswith(f"{number(cell.score.mean)} {ends}")
            assert row[2].startswith(("1 seed", f"{cell.score.num_replicates} "))
        if cell.effect is not None:
            assert row[3:] == expected(cell)
            seen.add(cell.resolved)
    assert seen == {True, False}


def test_what_is_not_there_is_said(sweep: Sweep) -> None:
    comparison = compare(sweep)
    (metric, *_) = comparison.metrics
    bare = [
        Cell(arm=metric.cells[0].arm, score=None, notes=("<lost>", "gone")),
        replace(metric.cells[1], effect=None, notes=("no partner",)),
    ]
    found = replace(comparison, metrics=(replace(metric, cells=tuple(bare)),))
    first, second = rows_of(found, sweep)
    assert first[2] == "no score: <lost>; gone"
    assert second[-1].startswith(("no difference: no partner", "baseline; no partner"))


@pytest.mark.parametrize("low", [-0.9, -0.1])
def test_an_interval_that_was_cut_is_marked(sweep: Sweep, low: float) -> None:
    comparison = compare(sweep)
    metric = next(m for m in comparison.metrics if any(c.effect for c in m.cells))
    cell = next(c for c in metric.cells if c.effect)
    assert cell.effect is not None
    wide = replace(
        cell,
        effect=replace(cell.effect, mean=0.0, low=low, high=0.1),
        attainable=(-0.5, 0.5),
    )
    found = replace(comparison, metrics=(replace(metric, cells=(wide,)),))
    ((_, _, _, _, difference, *_),) = rows_of(found, sweep)
    assert ("†" in difference) == (low < -0.5)
