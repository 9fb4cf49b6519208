"""The loop of a search: propose, run, score, tell; what is known is in the store at every moment.

Trials are points like those of a sweep, and run by the same engine: what two of them share is
computed once, and a search that was killed goes on where it was. With a pruner, trials run from
checkpoint to checkpoint; one that was stopped keeps its checkpoint, and can go on from there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.identity import digest
from davinci.platform.execute.choose import execute
from davinci.platform.execute.view import View
from davinci.platform.plan.graph import PlannedRun
from davinci.platform.plan.points import Request
from davinci.platform.plan.record import record_runs
from davinci.platform.plan.sweep import PlannedSweep, plan_sweep
from davinci.platform.search.scores import Scores, read_scores
from davinci.platform.search.settings import SearchSettings
from davinci.platform.search.space import Space
from davinci.platform.search.study import ask, make_study, tell
from davinci.platform.search.trials import Trial, load_trials, record_search, save_trial

Points = Callable[[Sequence[Mapping[str, str]]], Request]
"""Makes a request of points: one arm each, in their order, whether or not two are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that is about to go on.

    Attributes:
        settings: What for, and who proposes.
        space: What it chooses from.
        identity: What makes it this search and no other: the fixed overrides, for one.
        points: Makes requests of proposals.
    """

    name: str
    settings: SearchSettings
    space: Space
    identity: Any
    points: Points

    @property
    def digest(self) -> str:
        """Names the search; more trials continue it."""
        space = [self.space.choices, self.space.numbers, self.space.simplex]
        return digest({"settings": self.settings, "space": space, "of": self.identity})


def run_search(search: Search, engine: Engine, console: Console) -> Request:
    """Run a search to its number of trials; return the request of all that are done.

    Raises:
        ConfigError: If a proposal is no valid point, or an objective is not scored.
    """
    record_search(engine, search.digest, search.name, search.settings)
    trials = load_trials(engine, search.digest)
    while True:
        study, still_open = make_study(search.settings, search.space, trials)
        todo = [trial for trial in trials if trial.state == "proposed"]
        if not todo:
            missing = search.settings.trials - len(trials)
            if missing <= 0:
                break
            fresh = _propose(search, study, trials, min(missing, search.settings.batch))
            for trial, asked in fresh:
                save_trial(engine, search.digest, trial)
                still_open[trial.number] = asked
            todo = [trial for trial, _ in fresh]
            trials += todo
        first, last = todo[0].number, todo[-1].number
        console.print(f"Trials {first}-{last} of {search.settings.trials}", highlight=False)
        for trial in _run_batch(search, engine, console, todo, study, still_open):
            trials[trial.number] = trial
            save_trial(engine, search.digest, trial)
    trials = _promote(search, engine, console, trials)
    _print(search, trials, console)
    finished = [trial for trial in trials if trial.state == "done"]
    if not finished:
        raise ConfigError([Problem(field="search", value="", rule="no trial came to its end.")])
    return search.points([trial.overrides for trial in finished])


def _propose(
    search: Search, study: optuna.Study, trials: Sequence[Trial], number: int
) -> list[tuple[Trial, optuna.trial.Trial]]:
    """Return new trials; each is a point that can be planned."""
    batch = max((trial.batch for trial in trials), default=-1) + 1
    found = []
    for position, (asked, parameters) in enumerate(ask(study, search.space, number)):
        overrides = search.space.overrides(parameters)
        [runs] = _runs([overrides], search)[1]
        trial = Trial(
            number=len(trials) + position,
            batch=batch,
            parameters=parameters,
            overrides=overrides,
            runs=tuple(run.digest for run in runs),
        )
        found.append((trial, asked))
    return found


def _runs(
    points: Sequence[Mapping[str, str]], search: Search
) -> tuple[PlannedSweep, list[tuple[PlannedRun, ...]]]:
    """Plan points; return the sweep, and each point's runs (equal points have the same)."""
    request = search.points(points)
    planned = plan_sweep(request)
    label_of = {digest(arm.recipe): arm.label for arm in request.arms}
    labels = [label_of[recipe] for recipe in request.recipes]
    return planned, [planned.runs[planned.merged.get(label, label)] for label in labels]


def _run_batch(
    search: Search,
    engine: Engine,
    console: Console,
    todo: Sequence[Trial],
    study: optuna.Study,
    still_open: Mapping[int, optuna.trial.Trial],
) -> list[Trial]:
    """Run trials that were proposed together, rung by rung; return them with what they gave."""
    planned, runs = _runs([trial.overrides for trial in todo], search)
    of = dict(zip((trial.number for trial in todo), runs, strict=True))
    current = {trial.number: trial for trial in todo}
    if search.settings.pruner:
        current = _prune(search, engine, console, planned, of, current, still_open)
    going = [number for number, trial in current.items() if trial.state == "proposed"]
    _execute(planned, engine, console, {t for n in going for r in of[n] for t in r.tasks.values()})
    for number in going:
        current[number] = _finish(search, engine, current[number], of[number])
    for number, trial in current.items():
        tell(study, still_open[number], replace(trial, rungs={}))
    return list(current.values())


def _prune(
    search: Search,
    engine: Engine,
    console: Console,
    planned: PlannedSweep,
    of: Mapping[int, tuple[PlannedRun, ...]],
    current: dict[int, Trial],
    still_open: Mapping[int, optuna.trial.Trial],
) -> dict[int, Trial]:
    """Run trials from checkpoint to checkpoint, and mark those that the pruner stops."""
    objective = search.settings.objectives[0].name
    rungs = _rungs(next(iter(of.values()))[0], objective)
    for step, number_of_piece in enumerate(rungs, start=1):
        going = [number for number, trial in current.items() if trial.state == "proposed"]
        role = f"trajectory.{number_of_piece}.{objective.partition('/')[0]}"
        targets = {run.tasks[role] for number in going for run in of[number]}
        _execute(planned, engine, console, targets)
        for number in going:
            scores = [read_scores(engine, [run.tasks[role]]) for run in of[number]]
            value = _mean(scores, objective)
            if value is None:
                continue
            trial, asked = current[number], still_open[number]
            asked.report(value, step)
            current[number] = replace(trial, rungs={**trial.rungs, number_of_piece: value})
        for number in going:
            if len(current[number].rungs) == step and still_open[number].should_prune():
                current[number] = replace(current[number], state="pruned")
                console.print(f"Trial {number} stops at checkpoint {step} of {len(rungs)}.")
    return current


def _rungs(run: PlannedRun, objective: str) -> list[str]:
    """Return the checkpoints before the last at which the objective is scored, in order.

    Raises:
        ConfigError: If there is none.
    """
    protocol = objective.partition("/")[0]
    roles = (role.split(".") for role in run.tasks)
    found = sorted(r[1] for r in roles if r[0] == "trajectory" and r[2] == protocol)
    if not found:
        rule = f"needs checkpoints that are scored by {protocol}: give "
        rule += f"evaluation.trajectory=[{protocol}] and curriculum.stages.0.checkpoints=4."
        raise ConfigError([Problem(field="search.pruner", value="", rule=rule)])
    return found


def _execute(planned: PlannedSweep, engine: Engine, console: Console, targets: set[str]) -> None:
    if not targets:
        return
    runtime = planned.request.runtime
    view = View(console, planned.plan)
    outcome = execute(planned.plan, engine, runtime, view, sorted(targets))
    for failed, why in outcome.failed.items():
        label = planned.plan.tasks[failed].label
        console.print(f"failed: {label}: {why}", style="red", markup=False, highlight=False)
    record_runs(engine, planned)


def _finish(search: Search, engine: Engine, trial: Trial, runs: Sequence[PlannedRun]) -> Trial:
    """Return a trial with the means of its runs' scores, or as failed."""
    scores = [
        read_scores(engine, [t for role, t in run.tasks.items() if _is_final(role)]) for run in runs
    ]
    values = [_mean(scores, objective.name) for objective in search.settings.objectives]
    if any(value is None for value in values):
        return replace(trial, state="failed")
    broken = {}
    for limit in search.settings.limits:
        value = _mean(scores, limit.name)
        if value is not None:
            broken[f"{limit.name} {limit.sign} {limit.bound:g}"] = limit.violation(value)
    return replace(
        trial, state="done", values=tuple(v for v in values if v is not None), constraints=broken
    )


def _is_final(role: str) -> bool:
    return role.partition(".")[0] in ("evaluation", "segment")


def _mean(scores: Sequence[Scores], name: str) -> float | None:
    """Return the mean over runs; None where one has no such score, as when it failed."""
    found = [of_run.value(name) for of_run in scores]
    if any(value is None or not np.isfinite(value) for value in found):
        return None
    return float(np.mean([value for value in found if value is not None]))


def _promote(search: Search, engine: Engine, console: Console, trials: list[Trial]) -> list[Trial]:
    """Let the best of the trials that were stopped go on to their end."""
    sign = 1 if search.settings.objectives[0].direction == "minimize" else -1
    stopped = [trial for trial in trials if trial.state == "pruned" and trial.rungs]
    ranked = sorted(stopped, key=lambda t: (-len(t.rungs), sign * list(t.rungs.values())[-1]))
    for trial in ranked[: search.settings.promote]:
        console.print(f"Trial {trial.number} goes on from its checkpoint.")
        planned, [runs] = _runs([trial.overrides], search)
        _execute(planned, engine, console, {t for run in runs for t in run.tasks.values()})
        promoted = _finish(search, engine, trial, runs)
        trials[trial.number] = promoted
        save_trial(engine, search.digest, promoted)
    return trials


def _print(search: Search, trials: Sequence[Trial], console: Console) -> None:
    objective = search.settings.objectives[0]
    names = [one.name for one in search.settings.objectives]
    table = Table("trial", "state", *names, "choices", box=None, header_style="bold")
    best_first = sorted(
        (trial for trial in trials if trial.state == "done"),
        key=lambda t: t.values[0] * (1 if objective.direction == "minimize" else -1),
    )
    for trial in best_first[:10]:
        choices = ", ".join(f"{key.rpartition('.')[2]} {v}" for key, v in trial.overrides.items())
        broken = any(violation > 0 for violation in trial.constraints.values())
        state = "breaks a constraint" if broken else trial.state
        table.add_row(str(trial.number), state, *(f"{v:.4g}" for v in trial.values), choices)
    console.print(table)
    counts = {state: sum(t.state == state for t in trials) for state in ("pruned", "failed")}
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    if told:
        console.print(f"Of {len(trials)} trials: {told}.", highlight=False)
