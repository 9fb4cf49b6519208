"""What of a sweep a budget allows: the runs that tell most, and a clean end before the rest.

One seed of every arm tells more than all seeds of one, and nothing can be compared without the
baseline; within that, cheap runs come first. Work that is shared is paid once.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.ledger.task import Task
from davinci.platform.plan.cost import Known, flops_of, seconds_of
from davinci.platform.plan.graph import PlannedRun
from davinci.platform.plan.sweep import PlannedSweep

UNITS = {"flops": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "money": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The runs that a budget allows, in the order of their worth, and what they cost.

    `text` is the budget as it was given; `cost` and `limit` are FLOPs, processor seconds or money.
    """

    text: str
    runs: tuple[PlannedRun, ...]
    left: tuple[PlannedRun, ...]
    cost: float
    limit: float

    @property
    def targets(self) -> frozenset[str]:
        """The tasks of the runs that are allowed."""
        return frozenset(task for run in self.runs for task in run.tasks.values())


def choose_runs(planned: PlannedSweep, known: Known, done: Collection[str]) -> Choice | None:
    """Return what the sweep's budget allows; None where it has none.

    Raises:
        ConfigError: If the budget cannot be read, or what it counts is not known.
    """
    text = planned.request.budget
    if not text:
        return None
    limit, cost_of = _read(text, planned, known)
    paid: set[str] = set(done)
    allowed: list[PlannedRun] = []
    left: list[PlannedRun] = []
    spent = 0.0
    for run in _ranked(planned):
        needs = {d for made in run.tasks.values() for d in planned.plan.needed(made)} - paid
        cost = sum(cost_of(planned.plan.tasks[digest]) for digest in needs)
        if spent + cost <= limit:
            spent += cost
            paid |= needs
            allowed.append(run)
        else:
            left.append(run)
    return Choice(text=text, runs=tuple(allowed), left=tuple(left), cost=spent, limit=limit)


def _ranked(planned: PlannedSweep) -> list[PlannedRun]:
    """Return runs seed by seed, the baseline's first, then the cheaper ones."""
    keyed = []
    for label, runs in planned.runs.items():
        for number, run in enumerate(runs):
            flops = sum(flops_of(planned.plan.tasks[task]) for task in set(run.tasks.values()))
            keyed.append(((number, label != planned.request.baseline, flops), run))
    return [run for _, run in sorted(keyed, key=lambda item: item[0])]


def _read(text: str, planned: PlannedSweep, known: Known) -> tuple[float, Callable[[Task], float]]:
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]+)\s*", text.lower())
    if not found or found[2] not in UNITS:
        raise _refused(text, "is a number and a unit, such as 3h, 1e18FLOPs or 50money.")
    limit = float(found[1]) * UNITS[found[2]]
    if found[2] == "flops":
        return limit, flops_of
    price = 1.0
    if found[2] == "money":
        price = planned.request.price_per_hour / 3600
        if price <= 0:
            raise _refused(text, "needs sweep.price_per_hour.")
    if unknown := [t for t in planned.plan.tasks.values() if seconds_of(t, known) is None]:
        rule = f"no model of the size of {unknown[0].label!r} was trained in this store yet, so "
        raise _refused(text, rule + "its time is not known: give FLOPs.")
    return limit, lambda task: price * (seconds_of(task, known) or 0.0)


def _refused(text: str, rule: str) -> ConfigError:
    return ConfigError([Problem(field="sweep.budget", value=text, rule=rule)])
