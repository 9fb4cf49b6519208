"""What a search is for: objectives, constraints, how many trials, and who proposes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.identity import restore
from davinci.platform.config.recipe import PROTOCOLS
from davinci.platform.config.rules import one_of, positive

SAMPLERS = ("tpe", "gp", "cmaes", "nsga2", "random", "qmc")
PRUNERS = ("", "halving", "hyperband")
LOWER_IS_BETTER = ("bpb", "cost")
"""What is to be small; every other score is to be large."""


class Objective(NamedTuple):
    """What is to be as large, or as small, as possible: `ppl`, or `ppl/microworld_math/accuracy`.

    The name of a protocol alone stands for the mean over its benchmarks.
    """

    name: str
    direction: Literal["minimize", "maximize"]


class Limit(NamedTuple):
    """A constraint: a score or cost must be at most (`<=`) or at least (`>=`) a bound."""

    name: str
    sign: Literal["<=", ">="]
    bound: float

    def violation(self, value: float) -> float:
        """Return by how much a value breaks it; 0 or less where it does not."""
        return value - self.bound if self.sign == "<=" else self.bound - value


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplexSettings:
    """A search over mixtures.

    Attributes:
        on: Whether there is one.
        concentration: How near the mixtures are to the recipe's own, the prior.
        lower: Least weight of a domain; upper: most.
        available: Tokens that a domain has; with `trainer.max_epochs`, so many times as many.
    """

    on: bool = False
    concentration: float = 10.0
    lower: Mapping[str, float] = field(default_factory=dict)
    upper: Mapping[str, float] = field(default_factory=dict)
    available: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """A search; see `SearchConfig`. The numbers of trials and batches are not its identity."""

    sampler: str
    pruner: str
    reduction: int
    seed: int
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    simplex: SimplexSettings
    trials: int = field(default=20, metadata={"role": "runtime"})
    batch: int = field(default=4, metadata={"role": "runtime"})
    promote: int = field(default=0, metadata={"role": "runtime"})


def read_settings(search: Mapping[str, Any]) -> SearchSettings:
    """Return the settings of a search from the config's `search`.

    Raises:
        ConfigError: With everything that is wrong with them.
    """
    problems = one_of("search.sampler", search["sampler"], SAMPLERS)
    problems += one_of("search.pruner", search["pruner"], PRUNERS)
    for name in ("trials", "batch"):
        problems += positive(f"search.{name}", search[name])
    problems += positive("search.simplex.concentration", search["simplex"]["concentration"])
    if search["reduction"] < 2:
        rule = "must be at least 2: of so many, one goes on."
        problems.append(
            Problem(field="search.reduction", value=str(search["reduction"]), rule=rule)
        )
    objectives = [_objective(text, problems) for text in search["objectives"]]
    limits = [_limit(text, problems) for text in search["constraints"]]
    if not objectives:
        rule = "give at least one, such as bpb or ppl/microworld_math/accuracy."
        problems.append(Problem(field="search.objectives", value="[]", rule=rule))
    if search["pruner"] and len(objectives) > 1:
        rule = "a pruner looks at a single objective."
        problems.append(Problem(field="search.pruner", value=search["pruner"], rule=rule))
    if problems:
        raise ConfigError(problems)
    plain = {name: search[name] for name in ("sampler", "pruner", "reduction", "seed")}
    counts = {name: search[name] for name in ("trials", "batch", "promote")}
    return SearchSettings(
        **plain,
        **counts,
        objectives=tuple(objectives),
        limits=tuple(limits),
        simplex=restore(SimplexSettings, search["simplex"]),
    )


def _objective(text: str, problems: list[Problem]) -> Objective:
    words = {"min": "minimize", "max": "maximize"}
    first, _, rest = text.strip().partition(" ")
    name = rest.strip() if first in words else text.strip()
    problems += _named("search.objectives", text, name)
    protocol = name.partition("/")[0]
    usual = "minimize" if protocol in LOWER_IS_BETTER else "maximize"
    return Objective(name, words.get(first, usual))  # type: ignore[arg-type]


def _limit(text: str, problems: list[Problem]) -> Limit:
    found = re.fullmatch(r"\s*(\S+)\s*(<=|>=)\s*([-+0-9.e]+)\s*", text)
    try:
        if found:
            problems += _named("search.constraints", text, found[1])
            return Limit(found[1], found[2], float(found[3]))  # type: ignore[arg-type]
    except ValueError:
        pass
    rule = "is a score or a cost, <= or >=, and a number: cost/flops <= 1e15."
    problems.append(Problem(field="search.constraints", value=text, rule=rule))
    return Limit("", "<=", 0.0)


def _named(field_name: str, text: str, name: str) -> list[Problem]:
    protocol, *rest = name.split("/")
    if protocol in (*PROTOCOLS, "cost") and len(rest) in (0, 2) or (protocol == "cost" and rest):
        return []
    rule = "is the name of a protocol, or protocol/benchmark/metric, or cost/flops."
    return [Problem(field=field_name, value=text, rule=rule, allowed=PROTOCOLS)]
