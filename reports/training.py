"""How the arms were trained: stages, what sharing saved, spikes, and what a controller decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.ablations.wording import number
from davinci.platform.store.records import Arm, Run, Segment, Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage of an arm, in words.

    Attributes:
        batches: Tokens per step, with steps where there are several.
        rate: Learning rate as a fraction of the peak, and how it goes.
        weights: Domain -> share in percent.
        notes: Levels of its own, masked questions, checkpoints.
    """

    arm: str
    number: int
    tokens: int
    batches: str
    rate: str
    weights: Mapping[str, float]
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision of an adaptive curriculum, with its evidence."""

    arm: str
    seed: int
    tokens: int
    action: str
    reason: str
    weights: Mapping[str, float]
    trends: Mapping[str, str]

    @property
    def acts(self) -> bool:
        """Whether the weights changed."""
        return self.action != "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Training FLOPs of all runs: as if each stood alone, and with shared segments once."""

    alone: float
    shared: float
    num_segments: int
    num_segments_alone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeRow:
    """Steps of one run that stood out; `worst` is the largest over what was usual."""

    arm: str
    seed: int
    kind: str
    num: int
    worst: str


def stage_rows(sweep: Sweep) -> tuple[StageRow, ...]:
    """Return the stages of all arms, in order."""
    return tuple(
        _stage_row(arm, index, stage)
        for arm in sweep.arms
        for index, stage in enumerate(arm.config.get("stages", ()))
    )


def decision_rows(sweep: Sweep) -> tuple[DecisionRow, ...]:
    """Return every decision of every run, in the order in which they were taken."""
    return tuple(
        DecisionRow(
            arm=arm.label,
            seed=run.seed,
            tokens=decision["tokens"],
            action=decision["action"],
            reason=decision["reason"],
            weights=decision["weights"],
            trends={name: _trend(trend) for name, trend in decision["trends"].items()},
        )
        for arm in sweep.arms
        for run in arm.runs
        for decision in run.decisions
    )


def sharing(sweep: Sweep) -> Sharing | None:
    """Return what sharing saved in training; None where nothing has been trained."""
    every = [segment for _, run in _runs(sweep) for segment in run.segments]
    if not every:
        return None
    once: dict[str, Segment] = {segment.digest: segment for segment in every}
    return Sharing(
        alone=sum(segment.flops for segment in every),
        shared=sum(segment.flops for segment in once.values()),
        num_segments=len(once),
        num_segments_alone=len(every),
    )


def spike_rows(sweep: Sweep) -> tuple[SpikeRow, ...]:
    """Return, by run and kind, how many steps stood out."""
    rows = []
    for arm, run in _runs(sweep):
        found = [spike for segment in run.segments for spike in segment.result.get("spikes", ())]
        for kind in dict.fromkeys(spike["kind"] for spike in found):
            own = [spike for spike in found if spike["kind"] == kind]
            worst = max(own, key=lambda spike: spike["value"] / max(spike["usual"], 1e-12))
            rows.append(
                SpikeRow(
                    arm=arm.label,
                    seed=run.seed,
                    kind=kind.replace("_", " ").replace("grad", "gradient"),
                    num=len(own),
                    worst=f"{number(worst['value'])} where {number(worst['usual'])} was usual",
                )
            )
    return tuple(rows)


def _runs(sweep: Sweep) -> Iterator[tuple[Arm, Run]]:
    for arm in sweep.arms:
        for run in arm.runs:
            yield arm, run


def _stage_row(arm: Arm, index: int, stage: Mapping[str, Any]) -> StageRow:
    notes = list(_notes(stage))
    if isinstance(arm.config.get("controller"), Mapping):
        notes.append("weights adapt from these")
    return StageRow(
        arm=arm.label,
        number=index + 1,
        tokens=stage["tokens"],
        batches=_batches(stage),
        rate=_rate(stage),
        weights={domain: 100 * weight for domain, weight in stage["weights"].items()},
        notes="; ".join(notes),
    )


def _batches(stage: Mapping[str, Any]) -> str:
    batches = stage.get("batches", ())
    if len(batches) == 1:
        return f"{batches[0]['batch_tokens']:,}"
    return ", ".join(f"{b['num_steps']:,} × {b['batch_tokens']:,}" for b in batches)


def _rate(stage: Mapping[str, Any]) -> str:
    start, end = stage.get("lr_start_frac", 1.0), stage.get("lr_end_frac", 1.0)
    shape = stage.get("schedule", "constant")
    text = f"{start:g} {shape}" if shape == "constant" else f"{start:g} {shape} to {end:g}"
    return text + (", warmup" if stage.get("warmup_tokens") else "")


def _notes(stage: Mapping[str, Any]) -> Iterator[str]:
    for domain, level in (stage.get("levels") or {}).items():
        yield f"{domain} at {level}"
    if stage.get("mask_questions"):
        yield "questions not in the loss"
    if stage.get("num_checkpoints", 1) > 1:
        yield f"{stage['num_checkpoints']} checkpoints"


def _trend(trend: Mapping[str, Any]) -> str:
    if trend["slope"] is None:
        return "not fitted"
    low, high = 100 * trend["low"], 100 * trend["high"]
    return f"{trend['state']}: {100 * trend['slope']:+.1f} % [{low:+.1f}, {high:+.1f}]"
