"""What a search chooses from: values of axes, numbers of intervals, mixtures of a simplex."""

from collections.abc import Mapping
from dataclasses import dataclass

import optuna
from hydra.core.override_parser.types import IntervalSweep
from optuna.trial import Trial

from davinci.platform.config.compose import Words
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.search.simplex import Simplex

SHARE = "mixture.share."
"""Begins the names of a simplex's coordinates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number between two ends; whole where both ends are, and by its logarithm if so asked."""

    low: float
    high: float
    log: bool

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All that varies: override -> values as typed, or a number; and mixtures, if they do."""

    choices: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, Number]
    simplex: Simplex | None = None

    def first(self) -> dict[str, str]:
        """Return the overrides of a point in it, to check what holds for all."""
        parameters: dict[str, float | int | str] = {n: v[0] for n, v in self.choices.items()}
        parameters |= {name: number.low for name, number in self.numbers.items()}
        parameters |= {SHARE + d: 0.5 for d in (self.simplex.domains if self.simplex else ())}
        return self.overrides(parameters)

    def propose(self, trial: Trial) -> dict[str, float | int | str]:
        """Let the sampler choose; return its parameters."""
        found: dict[str, float | int | str] = {}
        for name, values in self.choices.items():
            found[name] = str(trial.suggest_categorical(name, list(values)))
        for name, number in self.numbers.items():
            if number.whole:
                low, high = int(number.low), int(number.high)
                found[name] = trial.suggest_int(name, low, high, log=number.log)
            else:
                found[name] = trial.suggest_float(name, number.low, number.high, log=number.log)
        for domain in self.simplex.domains if self.simplex else ():
            found[SHARE + domain] = trial.suggest_float(SHARE + domain, 0.0, 1.0)
        return found

    def overrides(self, parameters: Mapping[str, float | int | str]) -> dict[str, str]:
        """Return what a trial's parameters mean on the command line."""
        found = {name: str(parameters[name]) for name in self.choices}
        found |= {
            name: str(parameters[name]) if number.whole else f"{parameters[name]:.6g}"
            for name, number in self.numbers.items()
        }
        if self.simplex is not None:
            coordinates = [float(parameters[SHARE + domain]) for domain in self.simplex.domains]
            weights = self.simplex.weights(coordinates)
            found |= {f"mixture.weights.{d}": f"{weight:.6f}" for d, weight in weights.items()}
        return found


def space_of(asked: Words, simplex: Simplex | None) -> Space:
    """Return the space that a command line spans.

    Raises:
        ConfigError: If it spans none, or an interval is not one.
    """
    numbers = {name: _number(name, interval) for name, interval in asked.intervals.items()}
    if not (asked.axes or numbers or simplex):
        rule = "there is nothing to choose from: give axes, intervals, or search.simplex.on=true."
        raise ConfigError([Problem(field="search", value="", rule=rule)])
    return Space(choices=asked.axes, numbers=numbers, simplex=simplex)


def _number(name: str, interval: IntervalSweep) -> Number:
    low, high, log = interval.start, interval.end, "log" in interval.tags
    if low is None or high is None or not low < high or (log and low <= 0):
        rule = "an interval goes from a smaller to a larger number, above 0 for a logarithmic one."
        raise ConfigError([Problem(field=name, value=f"interval({low}, {high})", rule=rule)])
    return Number(low=low, high=high, log=log)


def make_sampler(name: str, seed: int, num_objectives: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's sampler of a name, seeded."""
    samplers = optuna.samplers
    if name == "gp":
        return samplers.GPSampler(seed=seed, deterministic_objective=False)
    if name == "cmaes":
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    if name == "nsga2":
        return samplers.NSGAIISampler(seed=seed, population_size=max(8, 4 * num_objectives))
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "qmc":
        return samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
    return samplers.TPESampler(seed=seed, multivariate=True, warn_independent_sampling=False)
