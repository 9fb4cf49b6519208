"""The planner: every run's chain of tasks, merged into one graph.

held_out ─> corpus L0 ─> L1 ─> ... ─> shards ─┐
└─> tokenizer ──┘       ├─> segment ─> segment ─> ... ─> evaluation
┘      └─> evaluation (of the trajectory)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from davinci.platform.config.identity import digest
from davinci.platform.config.recipe import Recipe, Replicate
from davinci.platform.plan.benchmarks import plan_benchmarks
from davinci.platform.plan.data import data_key, plan_contamination, plan_data
from davinci.platform.plan.graph import Plan, PlannedRun
from davinci.platform.plan.training import plan_training


def make_plan(wanted: Iterable[tuple[Recipe, Replicate]]) -> Plan:
    """Plan every (recipe, replicate), sharing all tasks that are equal."""
    plan = Plan()
    data: dict[tuple[object, ...], dict[str, str]] = {}
    runs = [
        (recipe.recipe, replicate, _plan_run(plan, recipe.recipe, replicate, data))
        for recipe, replicate in dict.fromkeys((_Key(r, digest(r)), s) for r, s in wanted)
    ]
    for recipe, replicate, tasks in runs:
        # After all runs' other tasks: the first that are ready are the first to start.
        tasks |= plan_contamination(plan, tasks)
        plan.runs.append(PlannedRun(recipe=recipe, replicate=replicate, tasks=tasks))
        own = set().union(*(plan.needed(d) for d in tasks.values()))
        plan.num_tasks_unshared += len(own)
    return plan


@dataclass(frozen=True, slots=True)
class _Key:
    """A recipe that can stand in a set: equal where its digest is."""

    recipe: Recipe = field(compare=False)
    digest: str


def _plan_run(
    plan: Plan,
    recipe: Recipe,
    replicate: Replicate,
    data: dict[tuple[object, ...], dict[str, str]],
) -> dict[str, str]:
    """Plan a run's tasks; `data` remembers those of runs over the same documents."""
    key = data_key(recipe, replicate)
    if key not in data:
        data[key] = plan_data(plan, recipe, replicate)
    benchmarks = plan_benchmarks(plan, recipe.evaluation)
    inputs = data[key] | benchmarks
    return inputs | plan_training(plan, recipe, replicate, inputs)
