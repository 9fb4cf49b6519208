"""A sweep of a declared ablation, judged: what was registered, what differs, what came out."""

from dataclasses import dataclass

from davinci.ablations.declaration import Ablation, restore
from davinci.ablations.findings import SweepComparison
from davinci.ablations.guard import Checked, certificate, check_arms, confounders
from davinci.ablations.racing import judge_looks
from davinci.ablations.verdicts import State, Verdict, judge, overall
from davinci.platform.store.records import Registration, Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that is concluded about a declared ablation.

    Attributes:
        registrations: Every version that was registered before a start of this sweep, oldest
            first; the last one is judged.
        checked: Every difference between the arms.
        certificate: In words: controlled, or confounded by what.
        state: Of the whole: the first claim's, or void.
    """

    ablation: Ablation
    registrations: tuple[Registration, ...]
    checked: tuple[Checked, ...]
    certificate: str
    verdicts: tuple[Verdict, ...]
    state: State

    @property
    def registration(self) -> Registration:
        """The version that is judged."""
        return self.registrations[-1]


def judge_sweep(sweep: Sweep, comparison: SweepComparison) -> Judgement | None:
    """Return the judgement of a sweep, None where it is no declared ablation."""
    if not sweep.registrations:
        return None
    ablation = restore(sweep.registrations[-1].declared)
    checked = check_arms(ablation, sweep)
    named = confounders(checked)
    race = int(sweep.registrations[-1].declared.get("race", 0))
    if race:
        verdicts, _ = judge_looks(ablation, sweep, race, named)
    else:
        verdicts = judge(ablation, sweep, comparison, named)
    return Judgement(
        ablation=ablation,
        registrations=sweep.registrations,
        checked=checked,
        certificate=certificate(ablation, checked),
        verdicts=verdicts,
        state=overall(verdicts),
    )
