"""The controlled comparison guard: what the arms differ in, and whether they may.

Of every field of the resolved configurations in which an arm differs from the baseline it is said
whether it is the factor, follows from it, is accepted with a reason, or confounds the comparison.
What the runs turned out to be is compared as well: tokens, FLOPs, epochs, data, tokenizer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from davinci.ablations.controls import arm_statuses
from davinci.ablations.declaration import Ablation
from davinci.ablations.differences import config_differences
from davinci.platform.store.records import Arm, Sweep

Kind = Literal["factor", "derived", "accepted", "confounder"]
TOLERANCE = 0.01
"""Relative; FLOPs and epochs that differ by less are called equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One field that is not the same in all arms.

    `values` are texts by arm; `because` is the axis it follows from, or the reason it is accepted.
    """

    field: str
    values: Mapping[str, str]
    kind: Kind
    because: str = ""


def check_arms(ablation: Ablation, sweep: Sweep) -> tuple[Checked, ...]:
    """Return every difference between the arms, with what it is."""
    found = [
        _checked(ablation, difference.field, difference.values, difference.explained_by)
        for difference in config_differences(sweep)
    ]
    measured = _measured(sweep)
    controlled = bool(found) and all(one.kind != "confounder" for one in found)
    # what the runs turned out to be follows from the factor, if nothing else differs
    because = ", ".join(ablation.factor) if controlled else ""
    for field, values in measured.items():
        found.append(_checked(ablation, field, values, because, derived=True))
    return tuple(found)


def confounders(checked: Sequence[Checked]) -> tuple[str, ...]:
    """Return the fields that confound a comparison."""
    return tuple(one.field for one in checked if one.kind == "confounder")


def certificate(ablation: Ablation, checked: Sequence[Checked]) -> str:
    """Return in words what the comparison is: controlled, or confounded by what."""
    named = confounders(checked)
    if named:
        return f"Confounded: the arms differ in {', '.join(named)}, too."
    accepted = [f"{one.field} ({one.because})" for one in checked if one.kind == "accepted"]
    extra = f", and in what was accepted: {', '.join(accepted)}" if accepted else ""
    return f"The arms differ only in {', '.join(ablation.factor)}{extra}."


def _checked(
    ablation: Ablation,
    field: str,
    values: Mapping[str, str],
    explained_by: str,
    *,
    derived: bool = False,
) -> Checked:
    axes = [axis for axis in explained_by.split(", ") if axis]
    inside = axes and all(_within(axis, ablation.factor) for axis in axes)
    if inside:
        kind: Kind = "derived" if derived or not _names(field, axes) else "factor"
        return Checked(field=field, values=values, kind=kind, because=explained_by)
    for accepted, reason in ablation.accepted.items():
        if field == accepted or field.startswith(f"{accepted}."):
            return Checked(field=field, values=values, kind="accepted", because=reason)
        if axes and all(_within(axis, (accepted,)) for axis in axes):
            return Checked(field=field, values=values, kind="accepted", because=reason)
    return Checked(field=field, values=values, kind="confounder", because=explained_by)


def _within(axis: str, factor: Sequence[str]) -> bool:
    return any(axis == own or axis.startswith(f"{own}.") for own in factor)


def _names(field: str, axes: Sequence[str]) -> bool:
    """Return whether a field of the recipe is the axis itself, and not what follows from it."""
    return any(field.rpartition(".")[2] == axis.rpartition(".")[2] for axis in axes)


def _measured(sweep: Sweep) -> dict[str, dict[str, str]]:
    """Return what the finished runs differ in."""
    statuses = {status.label: status for status in arm_statuses(sweep) if status.num_done}
    found: dict[str, dict[str, str]] = {}
    tokens = {label: " / ".join(f"{t}" for t in s.tokens) for label, s in statuses.items()}
    _add(found, "trained tokens", tokens)
    arms = {arm.label: arm for arm in sweep.arms if arm.label in statuses}
    flops = {label: _flops(arm) for label, arm in arms.items()}
    if flops and max(flops.values()) > min(flops.values()) * (1 + TOLERANCE):
        found["FLOPs"] = {label: f"{value:.3g}" for label, value in flops.items()}
    for domain in sorted({d for s in statuses.values() for d in s.epochs}):
        epochs = {label: s.epochs.get(domain, 0.0) for label, s in statuses.items()}
        if max(epochs.values()) > min(epochs.values()) * (1 + TOLERANCE):
            found[f"epochs of {domain}"] = {label: f"{v:.2f}" for label, v in epochs.items()}
        data = {label: _corpora(arm, domain) for label, arm in arms.items()}
        _add(found, f"data of {domain}", data)
    return found


def _add(found: dict[str, dict[str, str]], field: str, values: dict[str, str]) -> None:
    if len(set(values.values())) > 1:
        found[field] = values


def _flops(arm: Arm) -> float:
    spent = [run.cost.flops for run in arm.runs if run.cost and run.state == "done"]
    return max(spent, default=0.0)


def _corpora(arm: Arm, domain: str) -> str:
    digests = {
        digest[:12]
        for run in arm.runs
        for name, digest in run.corpora.items()
        if name.partition("@")[0] == domain and run.state == "done"
    }
    return ", ".join(sorted(digests))
