"""A study that remembers: made anew from the store's trials, by asking the same questions again.

A sampler with the same seed, asked the same and told the same, proposes the same. So no state of
Optuna's is kept (which would have to be unpickled). Where a sampler answers otherwise than before,
as another version of Optuna may, its old answers are given to it.
"""

import warnings
from collections.abc import Sequence

import optuna
from optuna.trial import Trial as OptunaTrial
from optuna.trial import TrialState

from davinci.platform.search.settings import SearchSettings
from davinci.platform.search.space import Space, make_sampler
from davinci.platform.search.trials import Trial

STATES = {
    "done": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def make_study(
    settings: SearchSettings, space: Space, trials: Sequence[Trial]
) -> tuple[optuna.Study, dict[int, OptunaTrial]]:
    """Return the study after the given trials; and those still open, by number.

    Trials are in the order of their numbers, batch by batch.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is experimental in Optuna
        return _replay(settings, space, trials, given=False) or _replay(  # type: ignore[return-value]
            settings, space, trials, given=True
        )


def _replay(
    settings: SearchSettings, space: Space, trials: Sequence[Trial], *, given: bool
) -> tuple[optuna.Study, dict[int, OptunaTrial]] | None:
    """Ask and tell as before; None where a sampler answers otherwise, unless answers are given."""
    study = optuna.create_study(
        study_name="davinci",
        directions=[objective.direction for objective in settings.objectives],
        sampler=make_sampler(settings.sampler, settings.seed, len(settings.objectives)),
        pruner=_pruner(settings),
    )
    still_open: dict[int, OptunaTrial] = {}
    for batch in dict.fromkeys(trial.batch for trial in trials):
        own = [trial for trial in trials if trial.batch == batch]
        for trial in own if given else ():
            study.enqueue_trial(dict(trial.parameters))
        asked = [(trial, study.ask()) for trial in own]
        if any(space.propose(again) != dict(trial.parameters) for trial, again in asked):
            return None
        for trial, again in asked:
            if trial.state == "proposed":
                still_open[trial.number] = again
            else:
                tell(study, again, trial)
    return study, still_open


def ask(
    study: optuna.Study, space: Space, number: int
) -> list[tuple[OptunaTrial, dict[str, float | int | str]]]:
    """Return so many new trials with their parameters, proposed together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = [study.ask() for _ in range(number)]
        return [(trial, space.propose(trial)) for trial in asked]


def tell(study: optuna.Study, asked: OptunaTrial, trial: Trial) -> None:
    """Tell the study how a trial ended; samplers that know no constraints pass over them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _tell(study, asked, trial)


def _tell(study: optuna.Study, asked: OptunaTrial, trial: Trial) -> None:
    for step, value in enumerate(trial.rungs.values(), start=1):
        asked.report(value, step)
    for name, violation in trial.constraints.items():
        asked.set_constraint(name, violation)
    done = trial.state == "done"
    study.tell(asked, list(trial.values) if done else None, state=STATES[trial.state])


def _pruner(settings: SearchSettings) -> optuna.pruners.BasePruner:
    if settings.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=settings.reduction
        )
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=27, reduction_factor=settings.reduction
        )
    return optuna.pruners.NopPruner()
