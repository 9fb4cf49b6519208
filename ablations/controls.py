"""What a sweep should have held equal or finished, and where it did not: said in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from davinci.ablations.alignment import done_runs
from davinci.ablations.statistics import MIN_REPLICATES
from davinci.ablations.wording import count, listed, quoted
from davinci.platform.store.records import Arm, Run, Sweep

MAX_EPOCHS = 4.0
"""Repeating data more often than this is worth clearly less than fresh data.

Source: Muennighoff et al., Scaling Data-Constrained Language Models (2023).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStatus:
    """How far an arm got: runs by state, trained tokens, and passes over each domain's corpus.

    `tokens` has the distinct trained tokens of its finished runs; `epochs` the most of any run.
    """

    label: str
    num_runs: int
    states: Mapping[str, int]
    tokens: tuple[int, ...]
    epochs: Mapping[str, float]

    @property
    def num_done(self) -> int:
        """Finished runs."""
        return self.states.get("done", 0)


def arm_statuses(sweep: Sweep) -> tuple[ArmStatus, ...]:
    """Return every arm's status, in the order of the sweep."""
    return tuple(_status(arm) for arm in sweep.arms)


def problems(sweep: Sweep) -> tuple[str, ...]:
    """Return everything that weakens the comparison and is not a score, in words."""
    if not sweep.arms:
        return ("This sweep has no arms, so there is nothing to compare.",)
    return (
        *_baseline_problems(sweep),
        *_run_problems(sweep),
        *_replicate_problems(sweep),
        *_token_problems(sweep),
        *_epoch_problems(sweep),
    )


def _status(arm: Arm) -> ArmStatus:
    states: dict[str, int] = {}
    epochs: dict[str, float] = {}
    for run in arm.runs:
        states[run.state] = states.get(run.state, 0) + 1
        for domain, passes in run.epochs.items():
            epochs[domain] = max(passes, epochs.get(domain, 0.0))
    tokens = {run.cost.tokens for run in arm.runs if run.cost and run.state == "done"}
    return ArmStatus(
        label=arm.label,
        num_runs=len(arm.runs),
        states=states,
        tokens=tuple(sorted(tokens)),
        epochs=epochs,
    )


def _baseline_problems(sweep: Sweep) -> list[str]:
    labels = [arm.label for arm in sweep.arms]
    if len(labels) == 1:
        return ["There is a single arm, so there is nothing to compare it with."]
    if sweep.baseline not in labels:
        return [f"The baseline {quoted(sweep.baseline)} is not among the arms: no differences."]
    return []


def _run_problems(sweep: Sweep) -> list[str]:
    found = []
    for arm in sweep.arms:
        if not arm.runs:
            found.append(f"{quoted(arm.label)} has no runs.")
            continue
        unfinished = [_unfinished(run) for run in arm.runs if run.state != "done"]
        if unfinished:
            done = len(arm.runs) - len(unfinished)
            found.append(
                f"{quoted(arm.label)}: {done} of {count(len(arm.runs), 'run')} finished; "
                f"{listed(unfinished)}."
            )
    return found


def _unfinished(run: Run) -> str:
    world = f" of world {run.world_seed}" if run.world_seed else ""
    cause = f" ({run.cause.replace('_', ' ')})" if run.cause else ""
    return f"seed {run.seed}{world} {run.state}{cause}"


def _replicate_problems(sweep: Sweep) -> list[str]:
    finished = [frozenset(done_runs(arm)) for arm in sweep.arms if done_runs(arm)]
    found = []
    if len(set(finished)) > 1:
        found.append(
            "The arms do not have the same finished seeds: only seeds in common are compared."
        )
    most = max((len(replicates) for replicates in finished), default=0)
    if len(finished) > 1 and most < MIN_REPLICATES:
        found.append(
            f"{count(most, 'finished run')} per arm: with fewer than {MIN_REPLICATES}, no "
            "difference is called resolved, however large."
        )
    return found


def _token_problems(sweep: Sweep) -> list[str]:
    by_arm = {status.label: status.tokens for status in arm_statuses(sweep) if status.tokens}
    if len({tokens for found in by_arm.values() for tokens in found}) < 2:
        return []
    texts = [
        f"{quoted(label)} {' / '.join(f'{t:,}' for t in found)}" for label, found in by_arm.items()
    ]
    return [f"Trained tokens are not equal: {listed(texts)}. Part of any difference may be that."]


def _epoch_problems(sweep: Sweep) -> list[str]:
    by_domain: dict[str, list[float]] = {}
    for status in arm_statuses(sweep):
        for domain, passes in status.epochs.items():
            if passes > MAX_EPOCHS:
                by_domain.setdefault(domain, []).append(passes)
    texts = [
        f"{domain} ({max(passes):.1f} epochs at most, {count(len(passes), 'arm')})"
        for domain, passes in by_domain.items()
    ]
    return [f"Repeated more than {MAX_EPOCHS:g} times: {listed(texts)}."] if texts else []
