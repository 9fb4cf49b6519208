"""What the runs used, and how each of them is typed again."""

import shlex
from dataclasses import dataclass

from davinci.platform.store.records import Arm, Run, Sweep


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
class RunRow:
    """One cell of the sweep: a run, and the command that computes it again."""

    arm: str
    run: Run
    command: str


def arm_costs(sweep: Sweep) -> tuple[ArmCost, ...]:
    """Return every arm's cost, in the order of the sweep."""
    return tuple(_arm_cost(arm) for arm in sweep.arms)


def run_rows(sweep: Sweep) -> tuple[RunRow, ...]:
    """Return every run of the sweep, with its command."""
    return tuple(
        RunRow(arm=arm.label, run=run, command=run_command(arm, run))
        for arm in sweep.arms
        for run in arm.runs
    )


def run_command(arm: Arm, run: Run) -> str:
    """Return the command line that computes one run again, quoted for a shell."""
    overrides = [*arm.overrides, f"seed={run.seed}"]
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
