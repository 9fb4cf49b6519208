"""From declared claims to computed verdicts; nobody types one in.

The rule, for a claim that an arm is better by at least `min_effect` (version 2: since then the
intervals follow the means of the seeds more closely, see `statistics/variance.py`):

* void: the arms differ in what is neither the factor nor accepted, one of them has failed, or more
  than a tenth of a benchmark's items stand in an arm's training data;
* supported: the difference is above 0 (two-sided, Holm over the ablation's claims, 5 %), and is
  `min_effect` or more;
* contradicted: a difference of `min_effect` is excluded (one-sided test at 2.5 %, Holm likewise);
* inconclusive: anything else, with the number of seeds that would settle it; also where none of the
  arms scores above guessing, so that the metric could show nothing.

*worse* is *better* with its sign turned. *equal* is supported where both one-sided tests exclude a
difference of `min_effect` (Schuirmann 1987), and contradicted by a difference that is above 0 and
as large. *best* must be better than every other arm (an intersection-union test: its p-value is the
largest), and is contradicted by any one that is better than it (Bonferroni over the others).

Fewer than three replicates support nothing and contradict nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from scipy import special

from davinci.ablations.alignment import outcomes_by_key
from davinci.ablations.contrasts import contrasts_of, effect_of, scores_of
from davinci.ablations.declaration import Ablation, Claim
from davinci.ablations.findings import SweepComparison
from davinci.ablations.statistics import (
    MIN_REPLICATES,
    Effect,
    Settling,
    correct,
    num_replicates_to_settle,
)
from davinci.ablations.statistics.family import ALPHA
from davinci.platform.store.records import Arm, Sweep

State = Literal["supported", "contradicted", "inconclusive", "void"]
AT_FLOOR = "no arm scores above guessing: the metric can show nothing"
MAX_DIRTY_FRAC = 0.1
"""Of a benchmark's items that stand in an arm's training data; more voids claims about it."""


class Evidence(NamedTuple):
    """P-values, on the scale of a two-sided test, of what speaks for a claim and against it."""

    support: float
    against: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One claim, judged.

    Attributes:
        effect: In goodness, above 0 where the claim's direction is met; None where nothing can be
            compared. Of `best`, against the arm that comes closest.
        rival: That arm; "" for other claims.
        support: Corrected p-value of what speaks for the claim; NaN if unknown.
        against: Corrected p-value of what speaks against it.
        settling: Seeds that would settle it, where it is inconclusive.
        reason: Why, in words.
    """

    claim: Claim
    state: State
    effect: Effect | None
    rival: str = ""
    support: float = math.nan
    against: float = math.nan
    settling: Settling | None = None
    reason: str = ""

    @property
    def decided(self) -> bool:
        """Whether it is supported or contradicted."""
        return self.state in ("supported", "contradicted")


def judge(
    ablation: Ablation,
    sweep: Sweep,
    comparison: SweepComparison,
    confounders: Sequence[str] = (),
) -> tuple[Verdict, ...]:
    """Return the verdict on every claim of an ablation.

    `confounders` are the fields that void all of it.
    """
    measured = _measured(ablation, sweep, comparison)
    tests = [_evidence(claim, m) for claim, m in zip(ablation.claims, measured, strict=True)]
    support = correct([test.support for test in tests], "holm")
    against = correct([test.against for test in tests], "holm")
    found = []
    for number, claim in enumerate(ablation.claims):
        blocked = _blocked(ablation, claim, sweep, comparison, confounders)
        corrected = Evidence(support[number], against[number])
        verdict = _verdict(ablation, claim, measured[number], corrected, blocked)
        if verdict.decided and _at_floor(ablation, claim, comparison):
            verdict = replace(verdict, state="inconclusive", reason=AT_FLOOR)
        found.append(verdict)
    return tuple(found)


def raw_evidence(ablation: Ablation, sweep: Sweep, comparison: SweepComparison) -> list[Evidence]:
    """Return the tests of every claim, uncorrected; NaN where nothing can be tested."""
    measured = _measured(ablation, sweep, comparison)
    return [_evidence(claim, m) for claim, m in zip(ablation.claims, measured, strict=True)]


def _measured(
    ablation: Ablation, sweep: Sweep, comparison: SweepComparison
) -> list[list[Effect | None]]:
    """Return the effects of every claim, one for each of its contrasts."""
    records = {arm.label: outcomes_by_key(arm) for arm in sweep.arms}
    found = []
    for claim in ablation.claims:
        scores = scores_of(claim.metric, comparison.headline)
        effects = [effect_of(records, weights, scores) for weights in contrasts_of(ablation, claim)]
        found.append([_turned(effect, claim) for effect in effects])
    return found


def overall(verdicts: Sequence[Verdict]) -> State:
    """Return what an ablation says in one word: its first claim's verdict, void if any is."""
    if not verdicts or any(verdict.state == "void" for verdict in verdicts):
        return "void"
    return verdicts[0].state


def evidence_of(effect: Effect, claim: Claim) -> Evidence:
    """Return the tests of a difference that a claim is about, uncorrected.

    The effect counts in the claim's direction.
    """
    if not (effect.se > 0 and effect.df > 0):
        return Evidence(math.nan, math.nan)
    least = claim.min_effect

    def lower_tail(size: float) -> float:
        return float(special.stdtr(effect.df, size / effect.se))

    differs = 2 * lower_tail(-abs(effect.mean))
    below = lower_tail(effect.mean - least)  # small: less than `least`
    above = lower_tail(-effect.mean - least)  # small: more than `-least`
    if claim.expect == "equal":
        return Evidence(max(below, above), differs if abs(effect.mean) >= least else 1.0)
    if claim.expect == "best":
        beaten = 2 * lower_tail(effect.mean) if effect.mean < 0 else 1.0
        return Evidence(differs if effect.mean > 0 else 1.0, beaten)
    large_enough = effect.mean >= least
    return Evidence(differs if large_enough else 1.0, min(1.0, 2 * below))


def _turned(effect: Effect | None, claim: Claim) -> Effect | None:
    """Return the effect in the claim's direction: of *worse*, what is lost counts."""
    if effect is None or claim.expect != "worse":
        return effect
    return replace(effect, mean=-effect.mean, low=-effect.high, high=-effect.low)


def _evidence(claim: Claim, effects: Sequence[Effect | None]) -> Evidence:
    known = [effect for effect in effects if effect is not None]
    if len(known) < len(effects) or any(e.num_replicates < MIN_REPLICATES for e in known):
        return Evidence(math.nan, math.nan)
    each = [evidence_of(effect, claim) for effect in known]
    return Evidence(
        max(test.support for test in each),
        min(1.0, min(test.against for test in each) * len(each)),
    )


def _verdict(
    ablation: Ablation,
    claim: Claim,
    effects: Sequence[Effect | None],
    p: Evidence,
    blocked: tuple[State, str] | None,
) -> Verdict:
    known = [(effect.mean, place) for place, effect in enumerate(effects) if effect is not None]
    nearest = min(known)[1] if known else 0
    effect = effects[nearest] if known else None
    others = [arm for arm in ablation.arms if arm != claim.arm]
    rival = others[nearest] if claim.expect == "best" and known else ""
    state, reason = blocked or _state(claim, effect, p)
    settling = _settling(claim, effect) if state == "inconclusive" and effect else None
    return Verdict(
        claim=claim,
        state=state,
        effect=effect,
        rival=rival,
        support=p.support,
        against=p.against,
        settling=settling,
        reason=reason,
    )


def _settling(claim: Claim, effect: Effect) -> Settling:
    """Return how many replicates would settle a claim if the effect is as large as it seems.

    What has to be resolved is the distance to the nearest bound: to 0 where the effect is large
    enough, else to the least effect that counts.
    """
    size = abs(effect.mean) if claim.expect == "equal" else effect.mean
    far = claim.expect == "best" or size >= claim.min_effect
    gap = abs(effect.mean) if far else claim.min_effect - size
    return num_replicates_to_settle(replace(effect, mean=gap))


def _state(claim: Claim, effect: Effect | None, p: Evidence) -> tuple[State, str]:
    if effect is None:
        return "void", "no score of that metric is there in all arms"
    if effect.num_replicates < MIN_REPLICATES:
        return "inconclusive", f"fewer than {MIN_REPLICATES} replicates decide nothing"
    if p.support < ALPHA:
        return "supported", ""
    if p.against < ALPHA:
        return "contradicted", ""
    if math.isnan(p.support):
        return "inconclusive", "the interval is not known"
    alone = evidence_of(effect, claim)
    if claim.expect != "best" and min(alone) < ALPHA:
        return "inconclusive", "beyond chance by itself, but not as one of several claims"
    return "inconclusive", "the interval leaves both open"


def _at_floor(ablation: Ablation, claim: Claim, comparison: SweepComparison) -> bool:
    """Return whether every arm of a claim is at the floor of every score of its metric."""
    arms = {arm for weights in contrasts_of(ablation, claim) for arm in weights}
    keys = {key for score in scores_of(claim.metric, comparison.headline) for key, _ in score.parts}
    cells = [
        cell
        for metric in comparison.headline
        if metric.key in keys
        for cell in metric.cells
        if cell.arm in arms
    ]
    return bool(cells) and all(cell.floor for cell in cells)


def _blocked(
    ablation: Ablation,
    claim: Claim,
    sweep: Sweep,
    comparison: SweepComparison,
    confounders: Sequence[str],
) -> tuple[State, str] | None:
    """Return why a claim cannot be judged, whatever its scores are; None if it can."""
    if confounders:
        return "void", f"confounded by {', '.join(confounders)}"
    named = {arm for weights in contrasts_of(ablation, claim) for arm in weights}
    done = {arm.label for arm in sweep.arms if any(run.state == "done" for run in arm.runs)}
    lacking = [arm for arm in ablation.arms if arm in named and arm not in done]
    failed = [
        arm.label
        for arm in sweep.arms
        if arm.label in lacking and (not arm.runs or any(r.state == "failed" for r in arm.runs))
    ]
    if failed:
        return "void", f"no finished run of {', '.join(failed)}"
    if lacking:
        return "inconclusive", f"not finished yet: {', '.join(lacking)}"
    for score in scores_of(claim.metric, comparison.headline):
        for key, _ in score.parts:
            share = dirty_frac([arm for arm in sweep.arms if arm.label in named], key.benchmark)
            if share > MAX_DIRTY_FRAC:
                dirty = f"{100 * share:.0f} % of the items of {key.benchmark}"
                return "void", f"contaminated: {dirty} stand in the training data"
    return None


def dirty_frac(arms: Sequence[Arm], benchmark: str) -> float:
    """Return the largest share of a benchmark's items that any finished run's corpora hold."""
    most = 0.0
    for run in (run for arm in arms for run in arm.runs if run.state == "done"):
        found = [c.overlap for c in run.contamination if c.overlap.benchmark == benchmark]
        items = {item for overlap in found for item in overlap.item_ids}
        dirty = {
            item
            for overlap in found
            for item, is_dirty in zip(overlap.item_ids, overlap.dirty.tolist(), strict=True)
            if is_dirty
        }
        most = max(most, len(dirty) / len(items) if items else 0.0)
    return most
