"""What an ablation declares, and whether it can be judged at all: checked before any work."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from davinci.data_levels.document import DOMAINS
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.recipe import PROTOCOLS

RULE_VERSION = 2
"""Of the rule in `verdicts`; a change of it makes every declaration a new version."""

FIRST = 3
"""Seeds before the first look of a race: fewer carry no claim."""

Theme = Literal[
    "processing_depth",
    "training_dynamics",
    "mixture_design",
    "evaluation_validity",
    "training_implementation",
    "scale_transfer",
]
THEMES: tuple[Theme, ...] = get_args(Theme)
Expect = Literal["better", "worse", "equal", "best"]
EXPECTS: tuple[Expect, ...] = get_args(Expect)
INTERACTION = "generative-ppl"
"""Of the two protocols: what free answers gain more than ranking, on the same items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is expected of one score, before anything has run.

    Attributes:
        metric: `protocol/domain`, or `protocol/mean`: the plain mean over domains.
        expect: In terms of goodness, so that fewer bits per byte are better.
        arm: The one of which something is expected; "" where `trend` or `contrast` say it.
        against: The arm that it is compared with; "" is the baseline.
        trend: Arms in order; the effect is the straight line's rise from the first to the last.
        contrast: Weight of each arm; they sum to 0.
        min_effect: In units of the score; less is no effect worth having.
        paper: What the paper claims, in a few words.
    """

    metric: str
    expect: Expect
    arm: str = ""
    against: str = ""
    trend: tuple[str, ...] = ()
    contrast: Mapping[str, float] | None = None
    min_effect: float = 0.01
    paper: str = ""

    @property
    def protocol(self) -> str:
        """`bpb`, `ppl`, `generative`, or the interaction of the last two."""
        return self.metric.partition("/")[0]

    @property
    def domain(self) -> str:
        """One domain, or `mean`."""
        return self.metric.partition("/")[2]

    def words(self, baseline: str) -> str:
        """Return what is claimed, as a sentence without its end."""
        end = f"by {self.min_effect:g} or more"
        if self.expect == "equal":
            end = f"within {self.min_effect:g}"
        if self.trend:
            way = {"better": "improves", "worse": "gets worse", "equal": "stays level"}
            return (
                f"{self.metric} {way[self.expect]} from {self.trend[0]} to {self.trend[-1]} {end}"
            )
        if self.contrast:
            parts = " ".join(_term(arm, weight) for arm, weight in self.contrast.items())
            way = {"better": "is above 0", "worse": "is below 0", "equal": "is 0"}
            return f"{self.metric}: {parts.removeprefix('+ ')} {way[self.expect]} {end}"
        if self.expect == "best":
            return f"{self.metric}: {self.arm} is the best of all arms"
        to = "equal to" if self.expect == "equal" else f"{self.expect} than"
        return f"{self.metric}: {self.arm} is {to} {self.against or baseline} {end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A declared ablation; see `AblationConfig` for the fields."""

    name: str
    theme: Theme
    question: str
    informs: str
    source: str
    factor: tuple[str, ...]
    setting: tuple[str, ...]
    arms: Mapping[str, tuple[str, ...]]
    baseline: str
    accepted: Mapping[str, str]
    claims: tuple[Claim, ...]
    sources: tuple[str, ...]

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that its claims are about."""
        named = {part for claim in self.claims for part in claim.protocol.split("-")}
        return tuple(protocol for protocol in PROTOCOLS if protocol in named)


def _term(arm: str, weight: float) -> str:
    """Return one arm of a contrast with its sign, and its weight unless that is 1."""
    size = "" if abs(weight) == 1 else f"{abs(weight):g} "
    return f"{'+' if weight > 0 else '−'} {size}({arm})"


def declare(plain: Mapping[str, Any]) -> Ablation:
    """Return the ablation that a composed config declares.

    Raises:
        ConfigError: With everything that is wrong with it.
    """
    if problems := check(plain):
        raise ConfigError(problems)
    return Ablation(
        **{name: plain[name] for name in ("name", "theme", "question", "informs", "source")},
        factor=tuple(plain["factor"]),
        setting=tuple(plain["setting"]),
        arms={label: tuple(words) for label, words in plain["arms"].items()},
        baseline=plain["baseline"],
        accepted=dict(plain["accepted"]),
        claims=tuple(_claim(claim) for claim in plain["claims"]),
        sources=tuple(plain["sources"]),
    )


def registered(ablation: Ablation, seeds: int, worlds: int, race: int = 0) -> dict[str, Any]:
    """Return what is dated before the first run; all but its `notes` is hashed.

    With `race`, claims are looked at after every seed, up to so many.
    """
    notes = {name: getattr(ablation, name) for name in ("theme", "informs", "source", "sources")}
    return {
        "notes": {**notes, "sources": list(ablation.sources)},
        "name": ablation.name,
        "question": ablation.question,
        "factor": list(ablation.factor),
        "setting": list(ablation.setting),
        "arms": {label: list(words) for label, words in ablation.arms.items()},
        "baseline": ablation.baseline,
        "accepted": dict(ablation.accepted),
        "claims": [_plain_claim(claim) for claim in ablation.claims],
        "seeds": seeds,
        "worlds": worlds,
        "rule": RULE_VERSION,
        **({"race": race} if race else {}),
    }


def restore(declared: Mapping[str, Any]) -> Ablation:
    """Return the ablation that was registered."""
    notes = declared["notes"]
    return Ablation(
        name=declared["name"],
        question=declared["question"],
        theme=notes["theme"],
        informs=notes["informs"],
        source=notes["source"],
        sources=tuple(notes["sources"]),
        factor=tuple(declared["factor"]),
        setting=tuple(declared["setting"]),
        arms={label: tuple(words) for label, words in declared["arms"].items()},
        baseline=declared["baseline"],
        accepted=dict(declared["accepted"]),
        claims=tuple(_claim(claim) for claim in declared["claims"]),
    )


def check(plain: Mapping[str, Any]) -> list[Problem]:
    """Return everything that is wrong with a declaration."""
    arms = tuple(plain["arms"])
    problems = [
        _problem(field, "", "must be said.")
        for field in ("question", "informs")
        if not plain[field].strip()
    ]
    if plain["theme"] not in THEMES:
        problems.append(_problem("theme", plain["theme"], "there is no such theme.", THEMES))
    if len(arms) < 2:
        problems.append(_problem("arms", ", ".join(arms), "an ablation compares two or more."))
    if not plain["baseline"]:
        problems.append(
            _problem("baseline", "", "must name the arm that others are held to.", arms)
        )
    elif plain["baseline"] not in arms:
        problems.append(_problem("baseline", plain["baseline"], "there is no such arm.", arms))
    if not plain["factor"]:
        problems.append(_problem("factor", "", "must name the fields that the arms may differ in."))
    if not plain["claims"]:
        problems.append(_problem("claims", "", "must say what is expected of a score."))
    for number, claim in enumerate(plain["claims"]):
        problems += _check_claim(f"claims.{number}", claim, plain)
    for label, words in plain["arms"].items():
        for word in words:
            if "=" not in word:
                rule = "cannot be read as field=value."
                problems.append(_problem(f"arms.{label}", word, rule))
    return problems


def _check_claim(field: str, claim: Mapping[str, Any], plain: Mapping[str, Any]) -> list[Problem]:
    arms = tuple(plain["arms"])
    problems = check_metric(f"ablation.{field}.metric", claim["metric"])
    if claim["expect"] not in EXPECTS:
        rule = "a claim has a direction." if not claim["expect"] else "there is no such direction."
        problems.append(_problem(f"{field}.expect", claim["expect"], rule, EXPECTS))
    named = {name: claim[name] for name in ("arm", "against") if claim[name]}
    for name, arm in [
        *named.items(),
        *(("trend", arm) for arm in claim["trend"]),
        *(("contrast", arm) for arm in claim["contrast"]),
    ]:
        if arm not in arms:
            problems.append(_problem(f"{field}.{name}", arm, "there is no such arm.", arms))
    ways = [name for name in ("arm", "trend", "contrast") if claim[name]]
    if len(ways) != 1:
        rule = "is about one of arm, trend and contrast; give one of them."
        problems.append(_problem(field, " and ".join(ways), rule))
    elif claim["expect"] == "best" and ways != ["arm"]:
        problems.append(_problem(f"{field}.expect", "best", "is said of one arm."))
    other = claim["against"] or plain["baseline"]
    if claim["arm"] and claim["arm"] == other and claim["expect"] != "best":
        rule = "is compared with itself; name another one in `against`."
        problems.append(_problem(f"{field}.arm", claim["arm"], rule))
    if claim["trend"] and len(claim["trend"]) < 3:
        problems.append(_problem(f"{field}.trend", "", "a trend goes through three arms or more."))
    if claim["contrast"] and abs(sum(claim["contrast"].values())) > 1e-9:
        rule = f"weights must sum to 0, but sum to {sum(claim['contrast'].values()):g}."
        problems.append(_problem(f"{field}.contrast", "", rule))
    least = claim["min_effect"]
    if not (math.isfinite(least) and least > 0):
        problems.append(_problem(f"{field}.min_effect", str(least), "must be above 0."))
    return problems


def check_metric(field: str, metric: str) -> list[Problem]:
    """Return what is wrong with a metric's name."""
    protocol, slash, domain = metric.partition("/")
    known = (*PROTOCOLS, INTERACTION)
    if protocol not in known:
        rule = "begins with a protocol."
        return [Problem(field=field, value=metric, rule=rule, allowed=known)]
    if not slash or domain not in (*DOMAINS, "mean"):
        rule = f"{protocol} is scored per domain: {protocol}/math, or {protocol}/mean."
        allowed = tuple(f"{protocol}/{d}" for d in (*DOMAINS, "mean"))
        return [Problem(field=field, value=metric, rule=rule, allowed=allowed)]
    return []


def _claim(plain: Mapping[str, Any]) -> Claim:
    words = {name: plain[name] for name in ("metric", "expect", "arm", "against", "paper")}
    return Claim(
        **words,
        trend=tuple(plain["trend"]),
        contrast=dict(plain["contrast"]) or None,
        min_effect=float(plain["min_effect"]),
    )


def _plain_claim(claim: Claim) -> dict[str, Any]:
    return {
        "metric": claim.metric,
        "expect": claim.expect,
        "arm": claim.arm,
        "against": claim.against,
        "trend": list(claim.trend),
        "contrast": dict(claim.contrast or {}),
        "min_effect": claim.min_effect,
        "paper": claim.paper,
    }


def _problem(field: str, value: str, rule: str, allowed: Sequence[str] = ()) -> Problem:
    return Problem(field=f"ablation.{field}", value=value, rule=rule, allowed=tuple(allowed))
