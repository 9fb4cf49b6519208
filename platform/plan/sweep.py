"""A request with its plan: which runs each arm has, and which arms are the same work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from davinci.platform.config.identity import digest
from davinci.platform.plan.graph import Plan, PlannedRun
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSweep:
    """What one command will do.

    Attributes:
        request: With only those arms that differ in their work.
        runs: Label of each arm -> its runs, in the order of its replicates.
        merged: Label of an arm that was left out -> the arm whose work it equals.
    """

    request: Request
    plan: Plan
    runs: Mapping[str, tuple[PlannedRun, ...]]
    merged: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The identity of the sweep: its arms by label and runs, and its baseline."""
        arms = [(label, [run.digest for run in runs]) for label, runs in self.runs.items()]
        return digest({"arms": arms, "baseline": self.request.baseline})


def plan_sweep(request: Request) -> PlannedSweep:
    """Plan a request; arms whose runs are made by the same tasks become one."""
    plan = make_plan((arm.recipe, r) for arm in request.arms for r in arm.replicates)
    by_key = {(digest(run.recipe), run.replicate): run for run in plan.runs}
    runs: dict[str, tuple[PlannedRun, ...]] = {}
    merged: dict[str, str] = {}
    for arm in request.arms:
        found = tuple(by_key[digest(arm.recipe), replicate] for replicate in arm.replicates)
        same = [
            label
            for label, own in runs.items()
            if [r.tasks for r in own] == [r.tasks for r in found]
        ]
        if same:
            merged[arm.label] = same[0]
        else:
            runs[arm.label] = found
    return PlannedSweep(
        request=replace(
            request,
            arms=tuple(arm for arm in request.arms if arm.label in runs),
            baseline=merged.get(request.baseline, request.baseline),
        ),
        plan=plan,
        runs=runs,
        merged=merged,
    )
