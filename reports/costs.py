"""What the runs used, and how each of them is typed again."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.ablations.wording import listed
from davinci.platform.store.records import Arm, Run, Sweep
from davinci.reports.corpora import depth_order
from davinci.reports.filters import size

OF_SWEEP = ("ablation=", "seeds=", "worlds=")
"""Words of a command that ask for several runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCost:
    """Sums over an arm's runs with known cost; `tokens` and `parameters` are per run."""

    arm: str
    num_runs: int
    parameters: tuple[int, ...]
    tokens: tuple[int, ...]
    flops: float
    cpu_s: float
    wall_s: float
    max_rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCost:
    """What building one level took, over all domains and worlds; `wall_s` is summed."""

    level: str
    num_corpora: int
    wall_s: float
    bytes_out: int
    by_teacher: bool
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One cell of the sweep: a run, and the command that computes it again."""

    arm: str
    run: Run
    command: str


def arm_costs(sweep: Sweep) -> tuple[ArmCost, ...]:
    """Return every arm's cost, in the order of the sweep."""
    return tuple(_arm_cost(arm) for arm in sweep.arms)


def level_costs(sweep: Sweep) -> tuple[LevelCost, ...]:
    """Return what building the corpora took, level by level, shallowest first."""
    by_level: dict[str, list[Mapping[str, Any]]] = {}
    for corpus in sweep.corpora.values():
        by_level.setdefault(corpus.level, []).append(corpus.manifest)
    return tuple(
        LevelCost(
            level=level,
            num_corpora=len(manifests),
            wall_s=sum(float(manifest.get("seconds") or 0) for manifest in manifests),
            bytes_out=sum(int(manifest.get("bytes_out") or 0) for manifest in manifests),
            by_teacher=any(manifest.get("teacher") for manifest in manifests),
            counts=_sums(manifest.get("counts") or {} for manifest in manifests),
        )
        for level, manifests in sorted(by_level.items(), key=lambda pair: depth_order(pair[0]))
    )


def teacher_cost(sweep: Sweep) -> str:
    """Return in words what the teacher cost, or would have cost; "" where none wrote."""
    written = [level for level in level_costs(sweep) if level.by_teacher]
    if not written:
        return ""
    volume = listed([f"{size(level.bytes_out)} of {level.level} text" for level in written])
    if "endpoint" in {_teacher_kind(arm) for arm in sweep.arms}:
        return f"The teacher wrote {volume}{_paid(_sums(level.counts for level in written))}."
    return (
        "The teacher is a program that stands in for a language model, and cost next to nothing. "
        f"A language model would have to write {volume}, and its inference would come on top."
    )


def _paid(counts: Mapping[str, float]) -> str:
    """Return what the endpoint was paid, as a clause."""
    if not counts.get("calls") and not counts.get("cached_answers"):
        return "; what its inference cost is not known here"
    if not counts.get("calls"):
        return "; all its answers were in the cache"
    prompt, answer = counts.get("prompt_tokens", 0), counts.get("answer_tokens", 0)
    words = f" in {counts['calls']:,.0f} calls: {prompt:,.0f} prompt tokens and "
    words += f"{answer:,.0f} answer tokens"
    return words + (f", {counts['usd']:,.2f} USD" if counts.get("usd") else "; no price was given")


def _sums(all_counts: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for counts in all_counts:
        for name, value in counts.items():
            total[name] = total.get(name, 0.0) + float(value)
    return total


def _teacher_kind(arm: Arm) -> str:
    """Return `source` or `endpoint`, as the arm's recipe has it."""
    found: Any = arm.config
    for key in ("data", "level_settings", "teacher", "kind"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found or "source")


def run_rows(sweep: Sweep) -> tuple[RunRow, ...]:
    """Return every run of the sweep, with its command."""
    return tuple(
        RunRow(arm=arm.label, run=run, command=run_command(arm, run))
        for arm in sweep.arms
        for run in arm.runs
    )


def run_command(arm: Arm, run: Run) -> str:
    """Return the command line that computes one run again, quoted for a shell."""
    overrides = [word for word in arm.overrides if not word.startswith(OF_SWEEP)]
    overrides.append(f"seed={run.seed}")
    if run.world_seed or any(other.world_seed for other in arm.runs):
        overrides.append(f"data.world_seed={run.world_seed}")
    return " ".join(["python", "run.py", *(shlex.quote(override) for override in overrides)])


def _arm_cost(arm: Arm) -> ArmCost:
    costs = [run.cost for run in arm.runs if run.cost is not None]
    return ArmCost(
        arm=arm.label,
        num_runs=len(costs),
        parameters=tuple(sorted({r.num_parameters for r in arm.runs if r.num_parameters})),
        tokens=tuple(sorted({cost.tokens for cost in costs})),
        flops=sum(cost.flops for cost in costs),
        cpu_s=sum(cost.cpu_s for cost in costs),
        wall_s=sum(cost.wall_s for cost in costs),
        max_rss_bytes=max((cost.max_rss_bytes for cost in costs), default=0),
    )
