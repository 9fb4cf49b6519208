"""The curriculum as a picture, and all benchmarks at a glance."""

import re
from dataclasses import replace
from typing import Any

import pytest

from davinci.ablations.comparison import compare
from davinci.platform.store.records import Arm, Sweep
from davinci.reports.palette import DOMAIN_LIGHT, arm_styles
from davinci.reports.radar import glances
from davinci.reports.timeline import Stretch, domains_of, shade, stretches, timeline_picture


def with_stages(
    sweep: Sweep, *weights: dict[str, float], decisions: tuple[dict[str, Any], ...] = ()
) -> Sweep:
    """Return a sweep whose first arm trains 1,000 tokens on each of the mixtures."""
    stages = [
        {"tokens": 1000, "weights": mixture, "batches": [{"batch_tokens": 100, "num_steps": 10}]}
        for mixture in weights
    ]
    first = sweep.arms[0]
    runs = tuple(replace(run, decisions=decisions) for run in first.runs)
    changed = replace(first, config={**first.config, "stages": stages}, runs=runs)
    return replace(sweep, arms=(changed, *sweep.arms[1:]))


def decision(tokens: int, action: str, weights: dict[str, float]) -> dict[str, Any]:
    return {
        "tokens": tokens, "action": action, "reason": "math rests", "weights": weights,
        "trends": {},
    }  # fmt: skip


def test_stages_and_decisions_stand_in_their_order(sweep: Sweep) -> None:
    even, late = {"code": 0.5, "math": 0.5}, {"code": 0.2, "math": 0.8}
    changes = (
        decision(400, "shift", {"code": 0.7, "math": 0.3}),
        decision(600, "hold", {"code": 0.7, "math": 0.3}),
        decision(1000, "shift", late),
        decision(1400, "shift", even),
    )
    found = with_stages(sweep, even, late, decisions=changes)
    assert stretches(found, found.arms[0]) == (
        Stretch(0.0, 400, even, ""),
        Stretch(400, 1000.0, {"code": 0.7, "math": 0.3}, "shift: math rests"),
        Stretch(1000, 1400, late, "shift: math rests"),
        Stretch(1400, 2000.0, even, "shift: math rests"),
    )


def test_the_picture_says_what_it_shows(sweep: Sweep) -> None:
    found = with_stages(sweep, {"code": 0.25, "math": 0.75}, {"math": 1.0})
    found = replace(found, arms=found.arms[:1])
    svg = timeline_picture(found)
    assert "code 25 %, math 75 %, then math 100 %" in svg
    assert set(re.findall(r"var\(--domain-\d\)", svg)) == {"var(--domain-1)", "var(--domain-2)"}
    assert [name for name, _ in domains_of(found)] == ["code", "math"]
    assert f"<title>{found.arms[0].label}: stage 2</title>" in svg
    bare: tuple[Arm, ...] = (replace(found.arms[0], config={}),)
    assert timeline_picture(replace(found, arms=bare)) == ""


def test_every_domain_has_a_shade() -> None:
    assert shade("general") == DOMAIN_LIGHT[0]
    assert shade("something new") == DOMAIN_LIGHT[-1]


def test_radar_and_dots_show_the_same_benchmarks(sweep: Sweep) -> None:
    comparison = compare(sweep)
    found = glances(comparison, arm_styles(sweep))
    headline = [m for m in comparison.headline if m.higher_is_better]
    assert len(found) == len({metric.key.protocol for metric in headline}) > 0
    for glance in found:
        rows = set(re.findall(r"<title>([a-z]+), [^<]*</title>", glance.dots))
        assert len(rows) >= 4
        for row in rows:
            assert re.search(rf">\s*{row}\s*<", glance.radar), row
    few = replace(comparison, metrics=comparison.metrics[:3])
    assert glances(few, arm_styles(sweep)) == ()


@pytest.mark.parametrize("best", [0.0, 1e-12])
def test_a_radar_of_nothing_is_drawn_all_the_same(sweep: Sweep, best: float) -> None:
    arms = tuple(
        replace(
            arm,
            runs=tuple(
                replace(
                    run,
                    outcomes=tuple(replace(o, values=0 * o.values + best) for o in run.outcomes),
                )
                for run in arm.runs
            ),
        )
        for arm in sweep.arms
    )
    none = replace(sweep, arms=arms)
    assert all("nan" not in glance.radar for glance in glances(compare(none), arm_styles(none)))
