"""What only a queue does: submit and leave, time limits, cancelled jobs, training on two nodes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.services.slurm import missing_slurm, slurm_cluster
from tests.small_runs import MATH_ALONE

from davinci.platform.config.places import sqlite_url
from davinci.platform.store import tables
from davinci.platform.store.open import engine_of
from davinci.platform.store.read import list_sweeps, load_sweep

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("data.documents=60", "evaluation.max_items=4", "evaluation=bpb", "data.level=L1"),
    *("store.mlflow=false", "executor=slurm", "executor.cpus=2", "seeds=1"),
    MATH_ALONE,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if missing := missing_slurm():
        pytest.skip(f"SLURM is not installed ({', '.join(missing)})")
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as own:
        yield {**os.environ, **own, "MASTER_ADDR": "127.0.0.1", "COLUMNS": "160"}


def run(
    environment: dict[str, str], output_dir: Path, *words: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", "-m", *SMALL, *words, f"output_dir={output_dir}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def davinci(environment: dict[str, str], output_dir: Path, *words: str) -> str:
    command = [sys.executable, "-m", "davinci.reports.cli", *words]
    found = subprocess.run(
        [*command, "--output-dir", str(output_dir)], env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_doctor_finds_the_cluster(environment: dict[str, str], tmp_path: Path) -> None:
    told = davinci(environment, tmp_path, "doctor")
    assert re.search(r"slurm +works +partitions \w+", told), told


def of_tasks(output_dir: Path, kind: str, column: str) -> list[object]:
    engine = engine_of(sqlite_url(output_dir / "davinci.db"))
    query = select(tables.task.c[column]).where(tables.task.c.kind == kind)
    with engine.connect() as connection:
        found = list(connection.scalars(query))
    engine.dispose()
    return found


def tries(output_dir: Path) -> list[tuple[str, str]]:
    engine = engine_of(sqlite_url(output_dir / "davinci.db"))
    query = select(tables.attempt.c.state, tables.attempt.c.cause)
    with engine.connect() as connection:
        found = [(row.state, row.cause) for row in connection.execute(query)]
    engine.dispose()
    return found


def wait_for(ready: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def jobs(environment: dict[str, str], state: str = "running") -> list[str]:
    words = ["squeue", "--noheader", "--array", f"--states={state}", "--format=%i"]
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.split()


def training(output_dir: Path) -> bool:
    """Return whether a segment has left its first snapshot."""
    return any((output_dir / "artifacts" / "segment").glob(".*.unfinished/snapshot-*"))


def test_submit_and_leave_and_come_back(environment: dict[str, str], tmp_path: Path) -> None:
    submitted = run(environment, tmp_path, "scale.tokens=4096", "executor.wait=false")
    assert submitted.returncode == 0, submitted.stderr
    assert "are with slurm" in submitted.stdout
    assert "jobs (" in davinci(environment, tmp_path, "status")
    wait_for(lambda: "done" in of_tasks(tmp_path, "evaluation", "state"))
    wait_for(lambda: not jobs(environment))
    assert "jobs (" not in davinci(environment, tmp_path, "status")
    back = run(environment, tmp_path, "scale.tokens=4096")
    assert "computed 0 tasks" in back.stdout, back.stdout + back.stderr
    assert set(tries(tmp_path)) == {("done", "")}


def test_at_its_time_limit_a_job_gives_its_tasks_back_and_goes_on_in_the_next(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("scale.tokens=150000", "trainer.snapshot_interval_s=0.3")
    straight = run(environment, tmp_path / "straight", *words)
    assert straight.returncode == 0, straight.stderr
    submitted = run(environment, tmp_path / "cut", *words, "executor.wait=false")
    assert submitted.returncode == 0, submitted.stderr
    wait_for(lambda: training(tmp_path / "cut"))
    [job] = jobs(environment)
    told = ["scancel", "--signal=USR2", job]  # what SLURM sends SIGNAL_DELAY_S before the limit
    subprocess.run(told, env=environment, check=True)
    wait_for(lambda: ("given back", "time limit") in tries(tmp_path / "cut"))
    back = run(environment, tmp_path / "cut", *words)
    assert back.returncode == 0, back.stdout + back.stderr
    assert curves(tmp_path / "straight") == curves(tmp_path / "cut")
    assert of_tasks(tmp_path / "cut", "segment", "attempts") == [2]


def test_what_a_cancelled_job_held_is_given_back_with_its_cause(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("scale.tokens=150000", "trainer.snapshot_interval_s=0.3")
    submitted = run(environment, tmp_path, *words, "executor.wait=false")
    assert submitted.returncode == 0, submitted.stderr
    wait_for(lambda: training(tmp_path))
    [job] = jobs(environment)
    subprocess.run(["scancel", "--signal=KILL", "--full", job], env=environment, check=True)
    wait_for(lambda: not jobs(environment))
    told = davinci(environment, tmp_path, "status")
    assert "running" not in [str(state) for state in of_tasks(tmp_path, "segment", "state")], told
    back = run(environment, tmp_path, *words)
    assert back.returncode == 0, back.stdout + back.stderr
    assert set(of_tasks(tmp_path, "evaluation", "state")) == {"done"}


def test_a_model_is_trained_on_two_nodes(environment: dict[str, str], tmp_path: Path) -> None:
    one = run(environment, tmp_path / "one", "scale.tokens=8192")
    assert one.returncode == 0, one.stderr
    spread = ("trainer.num_nodes=2", "trainer.devices=1", "trainer.accelerator=cpu")
    two = run(environment, tmp_path / "two", "scale.tokens=8192", *spread)
    assert two.returncode == 0, two.stdout + two.stderr
    for ours, theirs in zip(curves(tmp_path / "one"), curves(tmp_path / "two"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_what_slurm_does_not_take_is_told_in_its_words(
    environment: dict[str, str], tmp_path: Path
) -> None:
    found = run(environment, tmp_path, "scale.tokens=4096", "executor.partition=nowhere")
    assert found.returncode == 2, found.stdout + found.stderr
    assert "executor.name=slurm: the cluster does not take this: sbatch: error" in found.stderr


def test_a_queue_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    bare = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    found = run(bare, tmp_path, "scale.tokens=4096")
    assert found.returncode == 2
    assert "executor.name=slurm: there is no sbatch on this machine" in found.stderr


def curves(output_dir: Path) -> list[list[float]]:
    engine = engine_of(sqlite_url(output_dir / "davinci.db"))
    sweep = load_sweep(engine, list_sweeps(engine)[0])
    engine.dispose()
    runs = [run for arm in sweep.arms for run in arm.runs]
    return [c.values.tolist() for run in runs for c in run.curves if c.name == "loss"]
