"""Stores of earlier versions: refused with what to do, and migrated with all they hold."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, func, inspect, select, text
from tests.services.postgres import missing_postgres, postgres_server

from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import sqlite_url
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import Usage
from davinci.platform.store import tables
from davinci.platform.store.migrate import migrate_store
from davinci.platform.store.open import open_store
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.store.tables import SCHEMA_VERSION, metadata
from davinci.platform.store.version import FIRST
from davinci.reports.cli import main

OLD = Path(__file__).parent / "stores"
"""Dumps of stores as each version of davinci wrote them."""


def restore(version: str, folder: Path) -> str:
    path = folder / "davinci.db"
    connection = sqlite3.connect(path)
    connection.executescript((OLD / f"version_{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    return sqlite_url(path)


def differences(engine: Engine) -> list[object]:
    """Return where the tables of a database differ from those of this version."""
    with engine.connect() as connection:
        options = {"version_table": "none", "compare_type": connection.dialect.name != "sqlite"}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_an_older_store_is_refused_with_what_to_do(version: str, tmp_path: Path) -> None:
    url = restore(version, tmp_path)
    with pytest.raises(ConfigError, match="`davinci migrate` brings them up to date"):
        open_store(url)


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_an_older_store_is_migrated_with_all_it_holds(version: str, tmp_path: Path) -> None:
    url = restore(version, tmp_path)
    old = sqlite3.connect(tmp_path / "davinci.db")
    tasks = old.execute("SELECT count(*) FROM task").fetchone()[0]
    old.close()
    before, copy = migrate_store(url)
    assert before == f"000{version}"
    assert copy is not None
    engine = open_store(url)
    assert differences(engine) == []
    [digest] = list_sweeps(engine)
    sweep = load_sweep(engine, digest)
    assert [arm.label for arm in sweep.arms] == ["L1", "L2"]
    for arm in sweep.arms:
        [run] = arm.runs
        assert run.state == "done"
        assert run.outcomes
        assert run.curves
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.task)) == tasks
        assert connection.scalar(select(tables.davinci_version.c.version_num)) == SCHEMA_VERSION
    engine.dispose()


def test_migrating_again_changes_nothing_and_the_copy_is_as_it_was(tmp_path: Path) -> None:
    url = restore("1", tmp_path)
    _, copy = migrate_store(url)
    assert copy is not None
    assert "davinci_schema" in inspect(create_engine(sqlite_url(copy))).get_table_names()
    kept = copy.read_bytes()
    assert migrate_store(url)[0] == SCHEMA_VERSION
    assert copy.read_bytes() == kept


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    url = restore("1", tmp_path)
    engine = create_engine(url)
    with engine.begin() as connection:  # something in the way of the last step
        connection.execute(text("CREATE TABLE trial (x INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrate_store(url)
    names = inspect(create_engine(url)).get_table_names()
    assert "attempt" not in names
    assert "davinci_schema" in names
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE trial"))
    migrate_store(url)
    assert differences(open_store(url)) == []


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restore("1", tmp_path)
    assert main(["status", "--output-dir", str(tmp_path)]) == 2
    assert "davinci migrate" in capsys.readouterr().err
    assert main(["migrate", "--output-dir", str(tmp_path)]) == 0
    assert "0001 -> 0004" in capsys.readouterr().out.replace("\n", "")
    assert main(["status", "--output-dir", str(tmp_path)]) == 0
    assert "2 done" in capsys.readouterr().out


def test_a_new_store_has_the_tables_of_the_migrations(tmp_path: Path) -> None:
    assert differences(open_store(sqlite_url(tmp_path / "davinci.db"))) == []


def test_the_same_on_postgresql(tmp_path: Path) -> None:
    if missing_postgres():
        pytest.skip("PostgreSQL is not installed")
    with postgres_server(tmp_path) as server:
        old = create_engine(server.url)
        dump = (OLD / "version_1.sql").read_text(encoding="utf-8")
        with old.begin() as connection:
            found = re.findall(r"^CREATE TABLE (\w+) .*?^\);", dump, flags=re.M | re.S)
            for name in [t.name for t in metadata.sorted_tables if t.name in found] + [FIRST]:
                [made] = re.findall(rf"^CREATE TABLE {name} .*?^\);", dump, flags=re.M | re.S)
                connection.execute(text(made.replace("BLOB", "BYTEA")))
            for index in re.findall(r"^CREATE INDEX .*?;", dump, flags=re.M):
                connection.execute(text(index))
            connection.execute(text("INSERT INTO davinci_schema VALUES (1)"))
        with pytest.raises(ConfigError, match="davinci migrate"):
            open_store(server.url)
        assert migrate_store(server.url) == ("0001", None)
        assert differences(old) == []
        old.dispose()
        engine = open_store(server.url)
        ledger, task = Ledger(engine, "elsewhere:1"), Task(kind="segment", settings={"x": 1})
        ledger.plan([task])
        assert ledger.claim(task.digest)
        assert ledger.done(task.digest, Usage(wall_s=1.0, cpu_s=1.0, max_rss_bytes=2**40))
        row = {"num_parameters": 3 * 10**9, "tokens": 8 * 10**12, "flops": 1e23, "result": {}}
        with engine.begin() as connection:
            connection.execute(tables.segment.insert().values(task=task.digest, **row))
        engine.dispose()


CREATE = """
import sys
from davinci.platform.store.open import open_store
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.owner import new_owner
from davinci.platform.ledger.task import Task
engine = open_store(sys.argv[1])
ledger = Ledger(engine, new_owner())
tasks = [Task(kind="held_out", settings={"x": number}) for number in range(20)]
ledger.plan(tasks)
print(sum(ledger.claim(task.digest) for task in tasks))
engine.dispose()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_sixteen_processes_that_start_at_once_make_one_store_and_share_the_work(
    kind: str, tmp_path: Path
) -> None:
    if kind == "postgresql" and missing_postgres():
        pytest.skip("PostgreSQL is not installed")

    def start_all(url: str) -> list[int]:
        command = [sys.executable, "-c", CREATE, url]
        every = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(16)
        ]
        ended = [process.communicate() for process in every]
        assert [process.returncode for process in every] == [0] * 16, ended
        return [int(out) for out, _ in ended]

    if kind == "sqlite":
        assert sum(start_all(sqlite_url(tmp_path / "new" / "davinci.db"))) >= 20
    else:
        with postgres_server(tmp_path) as server:
            assert sum(start_all(server.url)) >= 20
