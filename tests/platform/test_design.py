"""Points of a sweep: grids and what takes less than a grid."""

from collections.abc import Mapping
from itertools import product

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from davinci.platform.config.compose import parse
from davinci.platform.config.errors import ConfigError
from davinci.platform.plan.design import DesignSettings, lay_out
from davinci.platform.plan.fractional import fractional

AXES = {"a": ("1", "2"), "b": ("x", "y"), "c": ("p", "q")}


def points(design: str = "grid", **settings: object) -> list[str]:
    found = lay_out(AXES, DesignSettings(design=design, **settings))  # type: ignore[arg-type]
    return ["".join(point.values()) for point in found.points]


def refused(settings: Mapping[str, object], axes: Mapping[str, tuple[str, ...]] = AXES) -> str:
    with pytest.raises(ConfigError) as caught:
        lay_out(axes, DesignSettings(**settings))  # type: ignore[arg-type]
    return str(caught.value)


def test_a_grid_has_every_combination() -> None:
    assert points() == ["1xp", "1xq", "1yp", "1yq", "2xp", "2xq", "2yp", "2yq"]


def test_axes_that_are_zipped_move_together() -> None:
    found = lay_out(AXES, DesignSettings(zip=("a+c",))).points
    assert [(p["a"], p["b"], p["c"]) for p in found] == [
        ("1", "x", "p"),
        ("1", "y", "p"),
        ("2", "x", "q"),
        ("2", "y", "q"),
    ]


def test_one_factor_changes_the_baseline_one_at_a_time() -> None:
    assert points("one_factor") == ["1xp", "2xp", "1yp", "1xq"]


def test_hold_one_out_takes_one_change_back_at_a_time() -> None:
    assert points("hold_one_out") == ["2yq", "1yq", "2xq", "2yp"]


def test_points_can_be_excluded_with_patterns() -> None:
    assert points(exclude=("a=2 b=*", "c=q")) == ["1xp", "1yp"]


def test_points_can_be_listed_instead() -> None:
    found = lay_out({}, DesignSettings(points=("a=1 b=x", "a=2"))).points
    assert found == ({"a": "1", "b": "x"}, {"a": "2"})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"zip": ("a+d",)}, "sweep.zip=a+d: d is not swept. Valid: a, b, c."),
        ({"zip": ("a+b", "b+c")}, "b is zipped twice"),
        ({"exclude": ("d=1",)}, "d is not swept"),
        ({"exclude": ("a=3",)}, "no point is like that"),
        ({"exclude": ("a=*",)}, "no point is left"),
        ({"exclude": ("a",)}, "cannot be read as field=value"),
        ({"points": ("a=1",)}, "a is swept on the command line already"),
        ({"design": "fractional", "fraction": 2}, "cannot be halved 2 times"),
        ({"design": "fractional", "fraction": -1}, "cannot be halved -1 times"),
    ],
)
def test_what_does_not_fit_the_axes_is_refused_by_name(
    settings: dict[str, object], told: str
) -> None:
    assert told in refused(settings)


def test_axes_of_different_lengths_cannot_move_together() -> None:
    assert "a has 2, b has 3" in refused({"zip": ("a+b",)}, {"a": ("1", "2"), "b": ("1", "2", "3")})


def test_a_fraction_needs_axes_of_two_values() -> None:
    assert "b has another number" in refused(
        {"design": "fractional"}, {"a": ("1", "2"), "b": ("1", "2", "3"), "c": ("1", "2")}
    )


def test_a_fork_bomb_of_a_grid_is_refused_with_its_size() -> None:
    axes = {f"axis{n}": tuple(str(value) for value in range(10)) for n in range(7)}
    assert "10,000,000 points" in refused({}, axes)


def test_the_half_of_a_cube_has_every_pair_of_levels_once() -> None:
    half = fractional(3, 1)
    assert len(half.points) == 4
    assert half.resolution == 3
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert {(p[one], p[two]) for p in half.points} == set(product((0, 1), repeat=2))
    assert half.aliases(["a", "b", "c"]) == ["a = b × c", "b = a × c", "c = a × b"]


@pytest.mark.parametrize(
    ("factors", "halvings", "resolution"),
    # Box, Hunter and Hunter, Statistics for Experimenters, table 6.22
    [(4, 1, 4), (5, 1, 5), (5, 2, 3), (6, 2, 4), (7, 3, 4), (7, 4, 3), (8, 4, 4), (3, 0, 0)],
)
def test_fractions_have_the_published_resolution(
    factors: int, halvings: int, resolution: int
) -> None:
    found = fractional(factors, halvings)
    assert found.resolution == resolution
    assert len(set(found.points)) == 2 ** (factors - halvings)
    assert found.points[0] == (0,) * factors
    for column in zip(*found.points, strict=True):
        assert sum(column) * 2 == len(column)
    for word in found.words:
        assert all(sum(point[i] for i in word) % 2 == 0 for point in found.points)


@pytest.mark.parametrize(
    "words",
    # The cases that Hydra publishes for its own sweeper (tests/test_basic_sweeper.py), without
    # those on the size of a batch: here, every point is composed before any is run.
    [
        ["x=10"],
        ["a=1,2"],
        ["a=1,2", "b=10,11"],
        ["a=1,2", "b=10"],
        ["a=1,2", "b=10,11", "c=3,4"],
        ["a='1,2'", "b=1,2"],
        ["a=choice(1,2,3)"],
        ["a=range(0,3)", "b=range(0,3)"],
        ["a=range(1,10,2)"],
        ["a=shuffle(1)", "b=1,2"],
        ["a=1,2", "a=3,4"],
        ["+a=1,2", "b=x"],
        ["a=[1,2],[3,4]"],
        ["a={x:1},{x:2}"],
        ["a=str([1,2]),b"],
        ["a=0,1,2", "b=3,4", "c=5,6,7", "d=8"],
    ],
)
def test_a_grid_is_the_one_of_hydras_own_sweeper(words: list[str]) -> None:
    asked = parse(words, None)  # type: ignore[arg-type]
    points = lay_out(asked.axes, DesignSettings()).points
    ours = [[f"{k}={v}" for k, v in point.items()] for point in points]
    parsed = OverridesParser.create().parse_overrides(words)
    [theirs] = BasicSweeper.split_arguments(parsed, None)
    swept = {word.partition("=")[0] for word in ours[0]}
    assert ours == [[w for w in point if w.partition("=")[0] in swept] for point in theirs]
