"""Stores of several machines become one, by content, and again as often as one likes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine, select
from tests.services.postgres import missing_postgres, postgres_server
from tests.small_runs import MATH_ALONE

from davinci.platform.config.places import sqlite_url
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import Usage
from davinci.platform.store import tables
from davinci.platform.store.merge import merge_stores
from davinci.platform.store.open import open_store
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.reports.cli import main
from davinci.reports.stores import merge

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("scale.tokens=4096", "data.documents=60", "evaluation.max_items=4", "evaluation=bpb"),
    *("store.mlflow=false", "seeds=1", MATH_ALONE),
)
USAGE = Usage(wall_s=1.0, cpu_s=1.0, max_rss_bytes=2**33)

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


def run_py(output_dir: Path, *words: str) -> str:
    found = subprocess.run(
        [sys.executable, "run.py", "-m", *SMALL, *words, f"output_dir={output_dir}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laptop")
    run_py(folder, "data.level=L1,L2")
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    run_py(folder, "data.level=L2,L3")
    return folder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_store(sqlite_url(tmp_path / "davinci.db"))
    yield found
    found.dispose()


def contents(engine: Engine) -> dict[str, set[str]]:
    with engine.connect() as connection:
        return {
            name: {repr(sorted(map(str, row))) for row in connection.execute(select(table))}
            for name, table in tables.metadata.tables.items()
        }


def test_what_was_computed_elsewhere_is_not_computed_again(
    laptop: Path, cluster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    for folder in (laptop, cluster, laptop):
        assert main(["merge", str(folder), "--output-dir", str(home)]) == 0
    assert "New here: no rows; 0 artifacts copied." in capsys.readouterr().out
    assert "computed 0 tasks" in run_py(home, "data.level=L1,L2")
    both = run_py(home, "data.level=L1,L2,L3")
    assert "computed 0 tasks" in both
    engine = open_store(sqlite_url(home / "davinci.db"))
    assert {len(load_sweep(engine, digest).arms) for digest in list_sweeps(engine)} == {2, 3}
    engine.dispose()


def test_rows_alone_are_enough_where_nothing_new_is_made_from_them(
    laptop: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    engine = open_store(sqlite_url(home / "davinci.db"))
    merge(engine, home, sqlite_url(laptop / "davinci.db"), Console(quiet=True))
    engine.dispose()
    assert not (home / "artifacts").exists()
    assert "computed 0 tasks" in run_py(home, "data.level=L1,L2")


def test_the_order_does_not_matter(laptop: Path, cluster: Path, tmp_path: Path) -> None:
    found = []
    for name, order in (("one", (laptop, cluster)), ("two", (cluster, laptop))):
        into = open_store(sqlite_url(tmp_path / name / "davinci.db"))
        for folder in order:
            other = open_store(sqlite_url(folder / "davinci.db"))
            merge_stores(into, other, lambda name: None)
            other.dispose()
        found.append(contents(into))
        into.dispose()
    for table in ("recipe", "run", "run_task", "sweep", "arm", "arm_run", "outcomes"):
        assert found[0][table] == found[1][table], table


def test_done_beats_every_other_state_and_nobody_runs_what_runs_elsewhere(
    engine: Engine, tmp_path: Path
) -> None:
    tasks = [Task(kind="held_out", settings={"x": number}) for number in range(4)]
    here, there = Ledger(engine, "elsewhere:1:a"), None
    other = open_store(sqlite_url(tmp_path / "other" / "davinci.db"))
    there = Ledger(other, "elsewhere:2:b")
    for ledger in (here, there):
        ledger.plan(tasks)
        for task in tasks:
            assert ledger.claim(task.digest)
    here.done(tasks[0].digest, USAGE)
    here.failed(tasks[1].digest, "bug", "Traceback", USAGE)
    here.release(tasks[2].digest)
    there.failed(tasks[0].digest, "bug", "Traceback", USAGE)
    there.done(tasks[1].digest, USAGE)
    merge_stores(engine, other, lambda name: None)
    other.dispose()
    states = here.states(task.digest for task in tasks)
    assert [states[task.digest] for task in tasks] == ["done", "done", "planned", "running"]


def test_postgresql_takes_in_a_laptop(laptop: Path, tmp_path: Path) -> None:
    if missing_postgres():
        pytest.skip("PostgreSQL is not installed")
    source = open_store(sqlite_url(laptop / "davinci.db"))
    with postgres_server(tmp_path) as server:
        into = open_store(server.url)
        assert merge_stores(into, source, lambda name: None)["outcomes"] > 0
        assert sum(merge_stores(into, source, lambda name: None).values()) == 0
        ours, theirs = (load_sweep(e, list_sweeps(e)[0]) for e in (into, source))
        for one, two in zip(ours.arms, theirs.arms, strict=True):
            for mine, other in zip(one.runs[0].outcomes, two.runs[0].outcomes, strict=True):
                assert mine.values.tolist() == other.values.tolist()
        into.dispose()
    source.dispose()


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    assert main(["merge", str(tmp_path), "--output-dir", str(tmp_path / "home")]) == 2
