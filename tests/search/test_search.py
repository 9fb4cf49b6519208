"""A search proposes points to the engine: it resumes, prunes, promotes, keeps to the simplex."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hydra.core.config_loader import ConfigLoader
from sqlalchemy import select
from tests.small_runs import MATH_ALONE

from davinci.platform.config.compose import config_loader, parse
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import sqlite_url
from davinci.platform.config.schema import register_schema
from davinci.platform.search.request import request_search
from davinci.platform.search.settings import Limit, Objective, SearchSettings, SimplexSettings
from davinci.platform.search.simplex import Simplex, bounds_of, project
from davinci.platform.search.space import SHARE, Number, Space, space_of
from davinci.platform.search.study import ask, make_study, tell
from davinci.platform.search.trials import Trial, load_trials
from davinci.platform.store import tables
from davinci.platform.store.open import engine_of

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("scale.tokens=4096", "data.documents=60", "evaluation.max_items=4", "evaluation=bpb"),
    *("store.mlflow=false", "seeds=1", "data.level=L1"),
)
RATES = "scale.lr_peak=tag(log,interval(1e-3,3e-2))"

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(ROOT / "conf")


def run_py(output_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", "-m", *SMALL, *words, f"output_dir={output_dir}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )


def trials_in(output_dir: Path) -> list[Trial]:
    engine = engine_of(sqlite_url(output_dir / "davinci.db"))
    with engine.connect() as connection:
        searches = list(connection.scalars(select(tables.search.c.digest)))
    assert len(searches) == 1
    found = load_trials(engine, searches[0])
    engine.dispose()
    return found


SIMPLEX = Simplex(
    domains=("general", "code", "qa"),
    prior=(0.5, 0.3, 0.2),
    concentration=20.0,
    lower=(0.0, 0.1, 0.0),
    upper=(1.0, 1.0, 0.25),
)


def test_uniform_coordinates_become_dirichlet_draws_around_the_prior() -> None:
    free = Simplex(
        domains=SIMPLEX.domains,
        prior=SIMPLEX.prior,
        concentration=20.0,
        lower=(0.0,) * 3,
        upper=(1.0,) * 3,
    )
    draws = np.random.default_rng(0).random((4000, 3))
    weights = np.array([list(free.weights(draw).values()) for draw in draws])
    mean, prior = weights.mean(axis=0), np.array(free.prior)
    np.testing.assert_allclose(mean, prior, atol=0.01)
    # The variance of a Dirichlet variable is p (1 - p) / (concentration + 1).
    np.testing.assert_allclose(weights.var(axis=0), prior * (1 - prior) / 21, rtol=0.1)


def test_every_mixture_keeps_its_bounds_and_sums_to_one() -> None:
    for draw in np.random.default_rng(1).random((500, 3)):
        weights = SIMPLEX.weights(draw)
        assert sum(weights.values()) == pytest.approx(1, abs=1e-9)
        assert weights["code"] >= 0.1 - 1e-6
        assert weights["qa"] <= 0.25 + 1e-6
    corner = SIMPLEX.weights([0.0, 0.0, 1.0])
    assert corner["qa"] == pytest.approx(0.25, abs=1e-5)


def test_the_projection_is_the_nearest_point() -> None:
    rng = np.random.default_rng(2)
    lower, upper = np.array([0.0, 0.1, 0.0, 0.2]), np.array([0.4, 1.0, 0.3, 0.6])
    for _ in range(50):
        weights = rng.normal(0.25, 0.5, 4)
        found = project(weights, lower, upper)
        assert found.sum() == pytest.approx(1)
        for _ in range(50):
            other = project(rng.normal(0.25, 0.5, 4), lower, upper)
            assert np.sum((found - weights) ** 2) <= np.sum((other - weights) ** 2) + 1e-9
    with pytest.raises(ValueError, match="no mixture keeps the bounds"):
        project(np.full(2, 0.5), np.array([0.7, 0.7]), np.ones(2))


def test_what_is_available_bounds_a_share() -> None:
    lower, upper = bounds_of(("code", "qa"), {"code": 0.1}, {"qa": 0.9}, {"qa": 30.0}, 100.0)
    assert lower == (0.1, 0.0)
    assert upper == (1.0, 0.3)


def settings(**changes: object) -> SearchSettings:
    usual: dict[str, object] = {
        "sampler": "tpe",
        "pruner": "",
        "reduction": 3,
        "seed": 0,
        "objectives": (Objective("bpb", "minimize"),),
        "limits": (),
        "simplex": SimplexSettings(),
    }
    return SearchSettings(**{**usual, **changes})  # type: ignore[arg-type]


SPACE = Space(
    choices={"data.level": ("L1", "L2")},
    numbers={
        "scale.lr_peak": Number(low=1e-3, high=1e-1, log=True),
        "seed": Number(low=1, high=9, log=False),
    },
    simplex=SIMPLEX,
)


def loss(parameters: Mapping[str, float | int | str]) -> float:
    far = float(np.log10(float(parameters["scale.lr_peak"])) + 2)
    return far**2 + (parameters["data.level"] == "L1")


def search(own: SearchSettings, until: int, known: list[Trial]) -> list[Trial]:
    """Search without an engine; `known` are trials as the store has them."""
    trials = list(known)
    while len(trials) < until:
        study, _ = make_study(own, SPACE, trials)
        batch = max((trial.batch for trial in trials), default=-1) + 1
        for asked, parameters in ask(study, SPACE, 3):
            value = loss(parameters)
            trials.append(
                Trial(
                    number=len(trials),
                    batch=batch,
                    parameters=parameters,
                    overrides={},
                    runs=(),
                    state="done",
                    values=(value, value)[: len(own.objectives)],
                    rungs={"000": value} if len(own.objectives) == 1 else {},
                    constraints={"x": value - 1},
                )
            )
            tell(study, asked, trials[-1])
    return trials


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2", "random", "qmc"])
def test_a_search_that_is_resumed_proposes_what_it_would_have_proposed(sampler: str) -> None:
    objectives = (Objective("bpb", "minimize"),) * (2 if sampler == "nsga2" else 1)
    own = settings(sampler=sampler, objectives=objectives)
    straight = search(own, 15, [])
    resumed = search(own, 15, search(own, 6, []))
    assert [trial.parameters for trial in resumed] == [trial.parameters for trial in straight]
    assert len({trial.parameters["scale.lr_peak"] for trial in straight}) > 8


def test_a_sampler_that_answers_otherwise_is_given_its_old_answers() -> None:
    known = search(settings(seed=1), 6, [])
    study, still_open = make_study(settings(seed=2), SPACE, known)
    assert not still_open
    assert [trial.params for trial in study.trials] == [dict(trial.parameters) for trial in known]
    assert len(ask(study, SPACE, 2)) == 2


def test_a_sampler_finds_what_chance_does_not() -> None:
    late = {
        name: np.mean([trial.values[0] for trial in search(settings(sampler=name), 45, [])[-20:]])
        for name in ("random", "tpe")
    }
    assert late["tpe"] < late["random"] / 2


def test_a_space_is_read_from_the_command_line(loader: ConfigLoader) -> None:
    words = ["data.level=L1,L2", RATES, "seed=int(interval(1,9))", "mixture=uniform"]
    found = space_of(parse(words, loader), None)
    assert found.choices == {"data.level": ("L1", "L2")}
    assert found.numbers["scale.lr_peak"] == Number(low=1e-3, high=3e-2, log=True)
    assert found.numbers["seed"].whole
    chosen: dict[str, float | int | str] = {
        "data.level": "L2",
        "scale.lr_peak": 0.0123456789,
        "seed": 4194304,
    }
    assert found.overrides(chosen) == {
        "data.level": "L2",
        "scale.lr_peak": "0.0123457",
        "seed": "4194304",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search=tpe"], "there is nothing to choose from"),
        (["search=tpe", "search.sampler=tpo", RATES], "Did you mean tpe?"),
        (["search=tpe", "scale.lr_peak=interval(2,1)"], "from a smaller to a larger number"),
        (["search=tpe", RATES, "search.objectives=[loss]"], "is the name of a protocol"),
        (["search=tpe", RATES, "search.objectives=[]"], "give at least one"),
        (["search=tpe", RATES, "search.constraints=['bpb < 3']"], "<= or >=, and a number"),
        (["search=tpe", RATES, "search.trials=0"], "search.trials=0"),
        (
            ["search=tpe", RATES, "search.pruner=halving", "search.objectives=[bpb,ppl]"],
            "looks at a single objective",
        ),
        (
            ["search=qmc", "search.simplex.on=true", "+search.simplex.lower.maths=0.1"],
            "there is no such domain",
        ),
        (
            ["search=qmc", "search.simplex.on=true", "+search.simplex.lower.math=0.9"]
            + ["+search.simplex.lower.code=0.9"],
            "no mixture keeps the bounds",
        ),
    ],
)
def test_what_is_wrong_with_a_search_is_one_error(
    loader: ConfigLoader, words: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        request_search(words, loader, "config")


def test_objectives_and_limits_are_read_with_their_direction(loader: ConfigLoader) -> None:
    words = ["search=tpe", RATES, "search.objectives=[ppl,min ppl/x/accuracy,cost/flops]"]
    words += ["search.constraints=['cost/flops <= 1e15']"]
    found = request_search(words, loader, "config").settings
    assert [objective.direction for objective in found.objectives] == [
        *("maximize", "minimize", "minimize")
    ]
    assert found.limits == (Limit("cost/flops", "<=", 1e15),)
    assert found.limits[0].violation(2e15) == 1e15


def test_a_killed_search_goes_on_and_computes_nothing_twice(tmp_path: Path) -> None:
    words = ("search=tpe", RATES, "search.trials=4", "search.batch=2", MATH_ALONE)
    straight = run_py(tmp_path / "straight", *words)
    assert straight.returncode == 0, straight.stdout + straight.stderr
    command = [sys.executable, "run.py", "-m", *SMALL, *words, f"output_dir={tmp_path / 'cut'}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Trials 2-3"):
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    resumed = run_py(tmp_path / "cut", *words)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    ours, theirs = trials_in(tmp_path / "cut"), trials_in(tmp_path / "straight")
    assert [(t.parameters, t.values) for t in ours] == [(t.parameters, t.values) for t in theirs]
    engine = engine_of(sqlite_url(tmp_path / "cut" / "davinci.db"))
    attempt = tables.attempt
    with engine.connect() as connection:
        query = select(attempt.c.task).where(attempt.c.state == "done")
        done = list(connection.scalars(query))
    engine.dispose()
    assert len(done) == len(set(done))
    more = run_py(tmp_path / "cut", *words[:2], "search.trials=5", "search.batch=2", MATH_ALONE)
    assert "Trials 4-4 of 5" in more.stdout
    assert len(trials_in(tmp_path / "cut")) == 5


def test_a_trial_that_was_stopped_is_promoted_from_its_checkpoint(tmp_path: Path) -> None:
    words = (
        *("search=random", RATES, "search.trials=6", "search.batch=6", "search.pruner=halving"),
        MATH_ALONE,
        *("search.reduction=2", "curriculum.stages.0.checkpoints=3", "evaluation.trajectory=[bpb]"),
    )
    first = run_py(tmp_path, *words)
    assert first.returncode == 0, first.stdout + first.stderr
    states = [trial.state for trial in trials_in(tmp_path)]
    assert set(states) == {"done", "pruned"}
    assert segments_done(tmp_path) < 3 * 6
    before = segments_done(tmp_path)
    second = run_py(tmp_path, *words, "search.promote=1")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "goes on from its checkpoint" in second.stdout
    after = [trial.state for trial in trials_in(tmp_path)]
    assert after.count("done") == states.count("done") + 1
    assert 1 <= segments_done(tmp_path) - before <= 2


def segments_done(output_dir: Path) -> int:
    engine = engine_of(sqlite_url(output_dir / "davinci.db"))
    task = tables.task
    query = select(task.c.digest).where(task.c.kind == "segment", task.c.state == "done")
    with engine.connect() as connection:
        found = len(connection.execute(query).all())
    engine.dispose()
    return found


def test_mixtures_are_searched_on_the_simplex(tmp_path: Path) -> None:
    words = ("search=qmc", "search.simplex.on=true", "search.trials=4", "search.batch=4")
    found = run_py(tmp_path, *words, "+search.simplex.upper.qa=0.1")
    assert found.returncode == 0, found.stdout + found.stderr
    trials = trials_in(tmp_path)
    assert len({tuple(trial.overrides.values()) for trial in trials}) == 4
    for trial in trials:
        assert all(name.startswith(SHARE) for name in trial.parameters)
        assert float(trial.overrides["mixture.weights.qa"]) <= 0.1
        assert sum(map(float, trial.overrides.values())) == pytest.approx(1)
