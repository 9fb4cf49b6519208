"""Pictures of points: a tip for every mark, whatever the values are."""

import re
from dataclasses import replace
from itertools import product

import pytest

from davinci.ablations.comparison import compare
from davinci.platform.store.records import Sweep
from davinci.reports.figures import Point, interval_panel
from davinci.reports.palette import arm_styles
from davinci.reports.pictures import MAX_ROWS, effect_pictures
from davinci.reports.sheet import numerals, round_values
from davinci.reports.svg import _with_tips


def panel(points: list[Point], floors: dict[str, float]) -> str:
    return interval_panel(
        points, name="a", title="A title", axis="score", zero=True, better="right", floors=floors
    )


def points_of(sweep: Sweep, values: list[float]) -> list[Point]:
    every = product(values, arm_styles(sweep).values(), (True, False))
    return [
        Point(f"row {value}", style, value, value - 0.5, value + 0.5, solid,
              f"{value} of {style.label} {solid} <b>")
        for value, style, solid in every
    ]  # fmt: skip


def test_every_mark_has_its_own_tip(sweep: Sweep) -> None:
    points = points_of(sweep, [0.1, -0.2, 3.0])
    svg = panel(points, {})
    marks = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*><title>([^<]*)</title>', svg)
    assert sorted(tip for _, _, tip in marks) == sorted(
        point.tip.replace("<b>", "&lt;b&gt;") for point in points
    )
    places = {tip: (float(x), float(y)) for x, y, tip in marks}
    for one, other in product(points, points):
        ours, theirs = (places[p.tip.replace("<b>", "&lt;b&gt;")] for p in (one, other))
        assert (ours[0] > theirs[0]) == (one.value > other.value), "further right is more"
        if one.row != other.row:
            rows = [point.row for point in points]
            assert (ours[1] > theirs[1]) == (rows.index(one.row) > rows.index(other.row))


def test_a_mark_is_filled_where_its_difference_is_resolved(sweep: Sweep) -> None:
    points = points_of(sweep, [0.5])
    for solid in (True, False):
        svg = panel([point for point in points if point.solid == solid], {})
        inside = re.findall(r'<use [^>]*fill: ([^;"]+)[^>]*><title>', svg)
        assert len(inside) == len(points) / 2
        assert ("var(--paper)" in inside) != solid


def test_tips_of_marks_that_were_not_all_drawn_are_left_out() -> None:
    svg = '<svg><g id="tips0"><use x="1"/></g><g id="tips1"><use x="2"/><use x="3"/></g></svg>'
    assert _with_tips(svg, '<g id="tips0">', ["one", "two"]) == svg
    found = _with_tips(svg, '<g id="tips1">', ["<two>", "three"])
    assert '<use x="1"/>' in found
    assert '<use x="2"><title>&lt;two&gt;</title></use>' in found
    assert '<use x="3"><title>three</title></use>' in found


def test_a_row_has_its_floor_and_zero_is_one(sweep: Sweep) -> None:
    points = points_of(sweep, [0.4, 0.6])
    count = [
        svg.count("stroke-dasharray")
        for svg in (
            panel(points, {}),
            panel(points, {"row 0.4": 0.0}),
            panel(points, {"row 0.4": 0.0, "row 0.6": 0.25}),
            panel(points, {"row 0.4": float("nan"), "row 0.6": 0.25}),
        )
    ]
    assert [one - count[0] for one in count] == [0, 1, 2, 1]


@pytest.mark.parametrize("values", [[1e200, -1e200], [float("inf"), 1.0], [1e-300, 0.0]])
def test_values_beyond_all_bounds_do_not_break_a_report(sweep: Sweep, values: list[float]) -> None:
    points = points_of(sweep, values)
    points += [replace_ends(point, float("nan")) for point in points]
    svg = panel(points, {})
    assert svg.startswith("<svg")
    assert "A title" in svg


def replace_ends(point: Point, end: float) -> Point:
    return point._replace(low=end, high=end)


def test_nothing_finite_is_no_picture(sweep: Sweep) -> None:
    style = next(iter(arm_styles(sweep).values()))
    nan = float("nan")
    assert panel([Point("row", style, nan, nan, nan, True, "tip")], {}) == ""


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.0, 1.05, "0 0.25 0.50 0.75 1.00"),
        (-0.3, 0.05, "−0.3 −0.2 −0.1 0"),
        (0.0, 3.1e-4, "0 0.0001 0.0002 0.0003"),
        (0.0, 1.1e-6, "0 2.5e−07 5e−07 7.5e−07 1e−06"),
        (99.5, 100.21, "99.6 99.8 100.0 100.2"),
        (2.34561, 2.34565, "2.34561 2.34562 2.34563 2.34564 2.34565"),
        (3.0, 12_000.0, "2.5k 5.0k 7.5k 10.0k"),
        (1e5, 4.2e6, "1M 2M 3M 4M"),
        (0.0, 8e12, "0 2T 4T 6T 8T"),
        (-1.05e200, 1.05e200, "−1e+200 −5e+199 0 5e+199 1e+200"),
        (0.0, 0.0, "0"),
    ],
)
def test_rulers_show_round_numbers_that_can_be_told_apart(
    low: float, high: float, shown: str
) -> None:
    places = round_values(low, high)
    assert numerals(places) == shown.split(" ")
    rounding = 1e-6 * (high - low)
    assert low - rounding <= places[0] <= places[-1] <= high + rounding


def test_a_picture_has_room_for_what_is_resolved_and_then_for_the_largest(sweep: Sweep) -> None:
    comparison = compare(sweep)
    metric = next(m for m in comparison.headline if any(cell.effect for cell in m.cells))
    cell = next(cell for cell in metric.cells if cell.effect)
    assert cell.effect is not None
    metrics = [
        replace(
            metric,
            key=metric.key._replace(benchmark=f"bench{number}x"),
            cells=(
                replace(cell, effect=replace(cell.effect, mean=-number / 100), resolved=number < 2),
            ),
        )
        for number in range(30)
    ]
    (picture,) = effect_pictures(replace(comparison, metrics=tuple(metrics)), arm_styles(sweep))
    assert picture.heading.endswith(f"({MAX_ROWS} of 30 benchmarks, the largest effects)")
    shown = {int(found) for found in re.findall(r">bench(\d+)x<", picture.svg)}
    assert shown == {0, 1, *range(7, 30)}
