"""What the index needs of a sweep: one small record, kept beside its report.

The index shows what the reports say, so that it is written from these records alone; only of a
sweep that has none yet is everything read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from davinci.ablations.comparison import compare
from davinci.ablations.findings import SweepComparison
from davinci.ablations.judgement import Judgement, judge_sweep
from davinci.ablations.known import scale_words
from davinci.ablations.signal import BenchmarkSignal, benchmark_signals
from davinci.platform.store.records import Sweep
from davinci.reports.costs import arm_costs
from davinci.reports.files import write_whole
from davinci.reports.texts import question
from davinci.reports.verdicts import claim_rows

FORMAT = 2
"""Of the records; those of another format are made anew."""
FILE = "entry.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimEntry:
    """One judged claim; effect and interval in its direction, None where unknown."""

    words: str
    state: str
    effect: float | None
    low: float | None
    high: float | None
    why: str
    seeds_to_settle: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEntry:
    """One arm: what was chosen for it, and its mean scores by protocol (over headline metrics)."""

    label: str
    choices: Mapping[str, str]
    num_done: int
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEntry:
    """Whether a benchmark's metric tells the arms of a sweep apart."""

    benchmark: str
    protocol: str
    metric: str
    decides: bool
    spread: float | None
    min_detectable: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One sweep in the index; `href` is relative to the index's folder.

    `ablation`, `theme` and `verdict` are "" for sweeps that are no declared ablation. `runs` are
    digests; `flops` and `wall_s` are sums over the finished ones. `source` says where imported
    results come from, and is "" for sweeps of davinci's own.
    """

    sweep: str
    title: str
    ablation: str
    theme: str
    verdict: str
    claims: tuple[ClaimEntry, ...]
    axes: str
    arms: tuple[ArmEntry, ...]
    signals: tuple[SignalEntry, ...]
    num_runs: int
    num_done: int
    runs: tuple[str, ...]
    scale: str
    flops: float
    wall_s: float
    headline: str
    command: str
    created: str
    href: str
    source: str = ""


def index_entry(sweep: Sweep, href: str) -> IndexEntry:
    """Return a sweep's record."""
    comparison = compare(sweep)
    judgement = judge_sweep(sweep, comparison)
    return entry_of(sweep, comparison, judgement, benchmark_signals(sweep, comparison), href)


def entry_of(
    sweep: Sweep,
    comparison: SweepComparison,
    judgement: Judgement | None,
    signals: tuple[BenchmarkSignal, ...],
    href: str,
) -> IndexEntry:
    """Return a sweep's record from what its report has computed."""
    costs = arm_costs(sweep)
    claims = _claims(judgement) if judgement else ()
    source = str(sweep.provenance.get("external", ""))
    return IndexEntry(
        sweep=sweep.digest,
        title=question(sweep),
        ablation=judgement.ablation.name if judgement else "",
        theme=judgement.ablation.theme if judgement else "",
        verdict=judgement.state if judgement else "",
        claims=claims,
        axes="; ".join(f"{axis}={','.join(values)}" for axis, values in sweep.axes.items()),
        arms=tuple(_arm(sweep, comparison, label) for label in (arm.label for arm in sweep.arms)),
        signals=tuple(_signal(signal) for signal in signals),
        num_runs=sum(arm.num_runs for arm in comparison.arms),
        num_done=sum(arm.num_done for arm in comparison.arms),
        runs=tuple(run.digest for arm in sweep.arms for run in arm.runs),
        scale=scale_words(sweep),
        flops=sum(cost.flops for cost in costs),
        wall_s=sum(cost.wall_s for cost in costs),
        headline=claims[0].words if claims else comparison.sentences[0],
        command=sweep.command,
        created=sweep.created,
        href=href,
        source=source,
    )


def write_entry(entry: IndexEntry, folder: Path) -> None:
    """Keep a record beside its report."""
    text = json.dumps({"format": FORMAT, **asdict(entry)}, ensure_ascii=True)
    write_whole(folder / FILE, text)


def read_entry(folder: Path) -> IndexEntry | None:
    """Return the record of a report; None where there is none, or one of another format."""
    try:
        plain = json.loads((folder / FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    names = {field.name for field in fields(IndexEntry)}
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT or set(plain) != names:
        return None
    plain["claims"] = tuple(ClaimEntry(**one) for one in plain["claims"])
    plain["arms"] = tuple(ArmEntry(**one) for one in plain["arms"])
    plain["signals"] = tuple(SignalEntry(**one) for one in plain["signals"])
    return IndexEntry(**{**plain, "runs": tuple(plain["runs"])})


def _claims(judgement: Judgement) -> tuple[ClaimEntry, ...]:
    return tuple(
        ClaimEntry(
            words=row.words,
            state=row.state,
            effect=_known(row.effect.mean if row.effect else None),
            low=_known(row.effect.low if row.effect else None),
            high=_known(row.effect.high if row.effect else None),
            why=row.why,
            seeds_to_settle=verdict.settling.num if verdict.settling else None,
        )
        for row, verdict in zip(claim_rows(judgement), judgement.verdicts, strict=True)
    )


def _arm(sweep: Sweep, comparison: SweepComparison, label: str) -> ArmEntry:
    (arm,) = [one for one in sweep.arms if one.label == label]
    scores: dict[str, list[float]] = {}
    for metric in comparison.headline:
        for cell in metric.cells:
            if cell.arm == label and cell.score is not None:
                scores.setdefault(metric.key.protocol, []).append(cell.score.mean)
    return ArmEntry(
        label=label,
        choices={str(k): str(v) for k, v in arm.choices.items()},
        num_done=sum(run.state == "done" for run in arm.runs),
        means={protocol: sum(values) / len(values) for protocol, values in scores.items()},
    )


def _signal(signal: BenchmarkSignal) -> SignalEntry:
    return SignalEntry(
        benchmark=signal.key.benchmark,
        protocol=signal.key.protocol,
        metric=signal.key.metric,
        decides=signal.decides,
        spread=_known(signal.spread),
        min_detectable=_known(signal.min_detectable),
    )


def _known(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
