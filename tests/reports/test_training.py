"""The section on training: stages in words, what sharing saved, decisions with their evidence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from davinci.ablations.alignment import key_of
from davinci.platform.store.records import Arm, Cost, Outcomes, Run, Scored, Segment, Sweep
from davinci.reports.html import render_sweep
from davinci.reports.training import (
    decision_rows,
    sharing,
    spike_rows,
    stage_rows,
)
from davinci.reports.trajectories import trajectories

STAGES = [
    {
        "tokens": 3000,
        "batches": [
            {"batch_tokens": 10, "num_steps": 100},
            {"batch_tokens": 20, "num_steps": 100},
        ],
        "weights": {"general": 0.7, "math": 0.3},
        "schedule": "cosine",
        "warmup_tokens": 20,
        "lr_start_frac": 1.0,
        "lr_end_frac": 0.1,
        "num_checkpoints": 3,
    },
    {
        "tokens": 1000,
        "batches": [{"batch_tokens": 20, "num_steps": 50}],
        "weights": {"qa": 1.0},
        "levels": {"math": "L5"},
        "lr_start_frac": 0.1,
        "mask_questions": True,
    },
]
TREND = {"state": "saturated", "slope": 0.01, "low": -0.02, "high": 0.025, "num_points": 6}
DECISION = {
    "tokens": 2000,
    "action": "shift",
    "weights": {"general": 0.6, "math": 0.4},
    "reason": "general saturated while math still grew: weight moves.",
    "trends": {"general": TREND, "math": {**TREND, "slope": None, "low": None, "high": None}},
}


def segment(digest: str, begin: int, spikes: tuple[dict[str, Any], ...] = ()) -> Segment:
    return Segment(
        digest=digest,
        begin_tokens=begin,
        tokens=1000,
        flops=100.0,
        wall_s=1.0,
        cpu_s=1.0,
        settings={},
        result={"spikes": list(spikes)},
    )


def outcomes(value: float) -> Outcomes:
    return Outcomes(
        benchmark="held_out_math",
        domain="math",
        protocol="bpb",
        metric="bits_per_byte",
        higher_is_better=False,
        item_ids=("a",),
        values=np.array([value]),
        weights=np.ones(1),
    )


def run(digest: str, seed: int, segments: tuple[Segment, ...]) -> Run:
    return Run(
        digest=digest,
        recipe="r",
        seed=seed,
        world_seed=0,
        state="done",
        outcomes=(outcomes(1.0),),
        trajectory=(Scored(tokens=1000, outcomes=(outcomes(3.0),)),),
        segments=segments,
        decisions=(DECISION, {**DECISION, "action": "hold", "reason": "<b>nothing</b>"}),
        cost=Cost(tokens=2000, flops=200.0, wall_s=2.0, cpu_s=2.0),
    )


def trained(base: Sweep) -> Sweep:
    spike = {"step": 7, "kind": "grad_norm", "value": 5.0, "usual": 0.5}
    config = {**base.arms[0].config, "stages": STAGES}
    arms = []
    for label in ("one", "other"):
        runs = (run(label, 0, (segment("first", 0, (spike,)), segment(label, 1000))),)
        arms.append(
            Arm(
                label=label,
                recipe=label,
                choices={"curriculum": label},
                overrides=(),
                config=config,
                runs=runs,
            )
        )
    return replace(base, arms=tuple(arms), baseline="one", axes={"curriculum": ("one", "other")})


def test_stages_are_said_in_words(sweep: Sweep) -> None:
    first, second = stage_rows(trained(sweep))[:2]
    assert (first.number, first.tokens, first.batches) == (1, 3000, "100 × 10, 100 × 20")
    assert first.rate == "1 cosine to 0.1, warmup"
    assert first.weights == {"general": 70.0, "math": 30.0}
    assert first.notes == "3 checkpoints"
    assert (second.batches, second.rate) == ("20", "0.1 constant")
    assert second.notes == "math at L5; questions not in the loss"


def test_an_adaptive_arms_weights_are_called_those_of_the_beginning(sweep: Sweep) -> None:
    given = trained(sweep)
    adaptive = {**given.arms[0].config, "controller": {"window": 4}}
    arms = (replace(given.arms[0], config=adaptive), given.arms[1])
    notes = [row.notes for row in stage_rows(replace(given, arms=arms))]
    assert ["adapt" in note for note in notes] == [True, True, False, False]


def test_a_shared_stretch_counts_once(sweep: Sweep) -> None:
    found = sharing(trained(sweep))
    assert found is not None
    assert (found.alone, found.shared) == (400.0, 300.0)
    assert (found.num_segments, found.num_segments_alone) == (3, 4)
    assert sharing(replace(sweep, arms=())) is None


def test_a_trajectory_ends_at_the_last_checkpoint(sweep: Sweep) -> None:
    given = trained(sweep)
    keys = sorted({key_of(one) for arm in given.arms for run in arm.runs for one in run.outcomes})
    (found,) = trajectories(given, keys)
    tokens, scores = found.runs["one"][0]
    assert (tokens.tolist(), scores.tolist()) == ([1000.0, 2000.0], [3.0, 1.0])


def test_decisions_and_spikes_are_shown_with_their_evidence_and_escaped(
    sweep: Sweep, tmp_path: Path
) -> None:
    given = trained(sweep)
    rows = decision_rows(given)
    assert [row.acts for row in rows] == [True, False, True, False]
    assert rows[0].trends["general"] == "saturated: +1.0 % [-2.0, +2.5]"
    assert rows[0].trends["math"] == "not fitted"
    (spike, _) = spike_rows(given)
    assert (spike.kind, spike.num) == ("gradient norm", 1)
    assert "where 0.5" in spike.worst
    text = render_sweep(given, tmp_path).read_text(encoding="utf-8")
    assert "general saturated while math still grew" in text
    assert "3 stretches of training instead of 4" in text
    assert "saved 25 %" in text
    assert "counted in each of them" in text
    assert "&lt;b&gt;nothing&lt;/b&gt;" in text
    assert "<b>nothing</b>" not in text
