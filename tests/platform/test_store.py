"""The store: made on first use, refused when it is something else, gives back what went in."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select

from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import on_network
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.task import Task
from davinci.platform.store import tables
from davinci.platform.store.arrays import array, floats
from davinci.platform.store.open import open_store
from davinci.platform.store.read import UnknownSweep, find_sweep, load_sweep
from davinci.platform.store.write import record_result


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_store(f"sqlite:///{tmp_path / 'davinci.db'}")


def test_a_store_can_be_opened_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'davinci.db'}"
    open_store(url).dispose()
    open_store(url).dispose()


def test_a_file_that_machines_share_is_known_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb /home/fast xfs rw 0 0\n"
    )
    assert on_network(Path("/home/ann/davinci.db"), mounts)
    assert not on_network(Path("/home/fast/davinci.db"), mounts)
    assert not on_network(Path("/homely/davinci.db"), mounts)
    assert not on_network(Path("/srv/davinci.db"), tmp_path / "none")


def test_a_shared_file_has_no_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shared, mode in ((True, "delete"), (False, "wal")):
        monkeypatch.setattr("davinci.platform.store.open.on_network", lambda path, s=shared: s)
        engine = open_store(f"sqlite:///{tmp_path / mode / 'davinci.db'}")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == mode
        engine.dispose()


def refusal(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert [p.field for p in caught.value.problems] == ["store.url"]
    return str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary, " * 100)
    assert "not an SQLite database" in refusal(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_the_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    assert "tables customers" in refusal(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'davinci.db'}"
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(tables.davinci_version.update().values(version_num="0099"))
    engine.dispose()
    assert "newer davinci (version 0099" in refusal(url)


def test_a_folder_and_a_word_are_no_databases(tmp_path: Path) -> None:
    assert "is a folder" in refusal(f"sqlite:///{tmp_path}")
    assert "not a database address" in refusal("somewhere")


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    message = refusal("postgresql+nodriver://ann:s3cret@localhost/x")
    assert "s3cret" not in message
    assert "driver" in message


def test_arrays_come_back_with_nan_for_none() -> None:
    back = array(floats([1.5, None, -2.0]))  # type: ignore[list-item]
    np.testing.assert_array_equal(back, [1.5, np.nan, -2.0])


def test_outcomes_are_stored_with_their_weighted_mean(engine: Engine, tmp_path: Path) -> None:
    task = Task(kind="evaluation", settings={"x": 1})
    Ledger(engine, "me:1").plan([task])
    record = {
        "benchmark": "held_out_math", "domain": "math", "protocol": "bpb",
        "metric": "bits_per_byte", "higher_is_better": False, "chance": None,
        "item_ids": ["a", "b"], "values": [1.0, 4.0], "weights": [3.0, 1.0], "samples": [],
        "clusters": [],
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps([record]))
    (tmp_path / "notes.json").write_text(json.dumps({"empty_answers": {"math": 3}}))
    record_result(engine, task.digest, "evaluation", tmp_path)
    record_result(engine, task.digest, "evaluation", tmp_path)
    with engine.connect() as connection:
        rows = connection.execute(select(tables.outcomes)).mappings().all()
        notes = connection.execute(select(tables.evaluation)).mappings().all()
    assert len(rows) == 1
    assert rows[0]["score"] == 1.75
    assert [row["notes"] for row in notes] == [{"empty_answers": {"math": 3}}]


def test_an_unknown_sweep_is_said_to_be_unknown(engine: Engine) -> None:
    with pytest.raises(UnknownSweep, match="newest: none"):
        load_sweep(engine, "f" * 64)
    with pytest.raises(UnknownSweep, match="No sweep begins"):
        find_sweep(engine, "abc")


def test_many_processes_may_open_an_empty_store_and_plan_the_same_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from davinci.platform.ledger.ledger import Ledger\n"
        "from davinci.platform.ledger.task import Task\n"
        "from davinci.platform.store.open import open_store\n"
        "tasks = [Task(kind='held_out', settings={'x': i}) for i in range(40)]\n"
        "ledger = Ledger(open_store(sys.argv[1]), 'elsewhere:' + sys.argv[2])\n"
        "ledger.plan(tasks)\n"
        "print(sum(ledger.claim(task.digest) for task in tasks))"
    )
    url = f"sqlite:///{tmp_path / 'davinci.db'}"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(6)
    ]
    claimed = [int(child.communicate(timeout=60)[0]) for child in children]
    assert [child.returncode for child in children] == [0] * 6
    assert sum(claimed) == 40
