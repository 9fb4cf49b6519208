"""Three executors, one contract: the same results, the same words about failures, nothing twice.

On a real single-machine SLURM and Ray; where they are not installed, their tests are skipped.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.services.postgres import missing_postgres, postgres_server
from tests.services.ray import missing_ray, ray_cluster
from tests.services.slurm import missing_slurm, slurm_cluster
from tests.small_runs import MATH_ALONE

from davinci.platform.config.places import sqlite_url
from davinci.platform.store import tables
from davinci.platform.store.open import engine_of
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.store.records import Sweep

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("scale.tokens=4096", "data.documents=60", "evaluation.max_items=4", "evaluation=bpb"),
    *("store.mlflow=false", "seeds=1", MATH_ALONE),
)
SWEEP = ("-m", "data.level=L1,L2", "curriculum=two_stage", *SMALL)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs: its executor, and what it has to say to it."""

    name: str
    words: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *words: str, output_dir: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "run.py", *words, *self.words, f"output_dir={output_dir}"],
            cwd=ROOT,
            env={**os.environ, **self.environment, "COLUMNS": "160"},
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module", params=["local", "slurm", "ray"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "slurm":
            if missing := missing_slurm():
                pytest.skip(f"SLURM is not installed ({', '.join(missing)})")
            own = stack.enter_context(slurm_cluster(folder))
            yield Place("slurm", ("executor=slurm", "executor.cpus=2"), own)
        elif request.param == "ray":
            if missing_ray():
                pytest.skip("Ray is not installed")
            own = stack.enter_context(ray_cluster(folder))
            words = ("executor=ray", "executor.cpus=2", f"executor.address={own['RAY_ADDRESS']}")
            yield Place("ray", words, own)
        else:
            yield Place("local", (), {})


@pytest.fixture(scope="module")
def outputs(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    run = place.run(*SWEEP, output_dir=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("expected")
    run = Place("local", (), {}).run(*SWEEP, output_dir=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return scores(newest(folder))


def newest(folder: Path) -> Sweep:
    engine = engine_of(sqlite_url(folder / "davinci.db"))
    sweep = load_sweep(engine, list_sweeps(engine)[0])
    engine.dispose()
    return sweep


def scores(sweep: Sweep) -> dict[str, bytes]:
    return {
        f"{run.digest} {one.benchmark} {one.metric}": one.values.tobytes()
        for arm in sweep.arms
        for run in arm.runs
        for one in run.outcomes
    }


def attempts(engine: Engine) -> list[tuple[str, str, str, str]]:
    """Return the tries: label of the task, state, cause, place."""
    query = select(
        tables.task.c.label,
        tables.attempt.c.state,
        tables.attempt.c.cause,
        tables.attempt.c.place,
    ).join(tables.task, tables.task.c.digest == tables.attempt.c.task)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_the_results_are_those_of_this_machine_bit_for_bit(
    outputs: Path, expected: dict[str, bytes]
) -> None:
    found = scores(newest(outputs))
    assert found == expected
    assert len(found) == 2 * 10


def test_every_task_is_done_once_and_where_the_executor_says(outputs: Path, place: Place) -> None:
    engine = engine_of(sqlite_url(outputs / "davinci.db"))
    tries = attempts(engine)
    with engine.connect() as connection:
        num_tasks = len(connection.execute(select(tables.task.c.digest)).all())
    engine.dispose()
    assert len(tries) == num_tasks
    assert {state for _, state, _, _ in tries} == {"done"}
    if place.name != "local":
        assert all(where.startswith(f"{place.name} ") for _, _, _, where in tries)


def test_the_same_command_again_computes_nothing(outputs: Path, place: Place) -> None:
    run = place.run(*SWEEP, output_dir=outputs)
    assert run.returncode == 0, run.stderr
    assert "computed 0 tasks" in run.stdout


def test_a_poisoned_arm_stops_only_what_depends_on_it(
    place: Place, tmp_path: Path, outputs: Path
) -> None:
    words = ("-m", "data.level=L1", "scale.lr_peak=0.01,1e30", *SMALL)
    run = place.run(*words, output_dir=tmp_path)
    assert run.returncode == 1, run.stdout + run.stderr
    good, bad = (arm.runs[0] for arm in newest(tmp_path).arms)
    assert good.state == "done"
    assert (bad.state, bad.cause) == ("failed", "diverged")
    engine = engine_of(sqlite_url(tmp_path / "davinci.db"))
    diverged = [row for row in attempts(engine) if row[2] == "diverged"]
    with engine.connect() as connection:
        skipped = select(tables.task.c.label).where(tables.task.c.state == "skipped")
        assert len(connection.execute(skipped).all()) >= 1
    engine.dispose()
    assert len(diverged) == 1  # what would diverge again is not tried again


def test_a_controller_that_is_killed_goes_on_with_the_same_command(
    place: Place, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    command = [sys.executable, "run.py", *SWEEP, *place.words, f"output_dir={tmp_path}"]
    environment = {**os.environ, **place.environment}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(r"\[[5-9]/", line):
            break
    process.kill()
    process.stdout.close()
    process.wait()
    run = place.run(*SWEEP, output_dir=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert scores(newest(tmp_path)) == expected
    engine = engine_of(sqlite_url(tmp_path / "davinci.db"))
    done = [label for label, state, _, _ in attempts(engine) if state == "done"]
    with engine.connect() as connection:
        labels = connection.scalars(select(tables.task.c.label)).all()
    engine.dispose()
    assert sorted(done) == sorted(labels)


def test_a_team_shares_postgresql(place: Place, tmp_path: Path, expected: dict[str, bytes]) -> None:
    if missing_postgres():
        pytest.skip("PostgreSQL is not installed")
    with postgres_server(tmp_path) as server:
        url = f"store.url={server.url}"
        one = ("-m", "data.level=L1", *SWEEP[2:])
        run = place.run(*one, url, output_dir=tmp_path / "out")
        assert run.returncode == 0, run.stdout + run.stderr
        engine = engine_of(server.url)
        found = scores(load_sweep(engine, list_sweeps(engine)[0]))
        engine.dispose()
    assert len(found) == len(expected) / 2
    assert found.items() <= expected.items()
    assert "s3cret" not in run.stdout + run.stderr
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file() and "artifacts" not in file.parts:
            assert b"s3cret" not in file.read_bytes(), file
