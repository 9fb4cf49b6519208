"""Retries by cause, leases that are lost, disks that are full: on small tasks of our own."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError
from tests import small_tasks
from tests.small_runs import MATH_ALONE

from davinci.platform.config.places import sqlite_url
from davinci.platform.config.runtime import ExecutorRuntime, Runtime, TrainingRuntime
from davinci.platform.execute import local
from davinci.platform.execute.local import LocalExecutor
from davinci.platform.execute.outcome import Outcome, Stopped
from davinci.platform.execute.view import View
from davinci.platform.ledger import causes
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.plan.graph import Plan
from davinci.platform.store import patience, tables
from davinci.platform.store.open import open_store
from davinci.platform.store.patience import patiently

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.timeout(120), pytest.mark.slow]


@pytest.fixture(autouse=True)
def small_kinds() -> Iterator[None]:
    with small_tasks.registered():
        yield


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_store(sqlite_url(tmp_path / "davinci.db"))
    yield found
    found.dispose()


def executor(engine: Engine, tmp_path: Path, plan: Plan, workers: int = 2) -> LocalExecutor:
    runtime = Runtime(
        output_dir=tmp_path,
        store_url="",
        mlflow_url="",
        corpus_workers=1,
        keep="all",
        training=TrainingRuntime(accelerator="cpu"),
        executor=ExecutorRuntime(workers=workers),
    )
    return LocalExecutor(plan, engine, runtime, View(Console(file=io.StringIO())))


def run(engine: Engine, tmp_path: Path, plan: Plan) -> Outcome:
    return executor(engine, tmp_path, plan).run()


def task(plan: Plan, what: str, *inputs: str, **settings: object) -> str:
    """Add a task that does `what` (see `small_tasks`); return its digest."""
    named = {f"input{number}": digest for number, digest in enumerate(inputs)}
    label = f"{what} {len(plan.tasks)}"
    return plan.add("small", {"what": what, "n": label, **settings}, named, label)  # type: ignore[arg-type]


def tries(engine: Engine, digest: str) -> list[tuple[str, str]]:
    attempt = tables.attempt
    query = select(attempt.c.state, attempt.c.cause).where(attempt.c.task == digest)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(attempt.c.number))
        return [(row.state, row.cause) for row in rows]


def test_what_fails_by_its_own_fault_is_not_tried_again(engine: Engine, tmp_path: Path) -> None:
    plan = Plan()
    bad, good = task(plan, "value_error"), task(plan, "write")
    after = task(plan, "write", bad)
    outcome = run(engine, tmp_path, plan)
    assert outcome.done == {good}
    assert outcome.failed == {bad: "bad data: ValueError: it is broken"}
    assert outcome.skipped == {after}
    assert tries(engine, bad) == [("failed", "bad data")]


def test_infrastructure_gets_three_more_tries(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes, "FIRST_PAUSE_S", 0.01)
    plan = Plan()
    twice = task(plan, "os_error_until", path=str(tmp_path / "count"), times=2)
    always = task(plan, "os_error_until", path=str(tmp_path / "count2"), times=100)
    outcome = run(engine, tmp_path, plan)
    assert outcome.done == {twice}
    assert tries(engine, twice) == [("given back", "infrastructure")] * 2 + [("done", "")]
    assert list(outcome.failed) == [always]
    assert tries(engine, always) == [("given back", "infrastructure")] * 3 + [
        ("failed", "infrastructure")
    ]


def test_a_worker_that_is_killed_is_tried_again(engine: Engine, tmp_path: Path) -> None:
    plan = Plan()
    killed = task(plan, "kill_until", path=str(tmp_path / "count"), times=3)
    assert run(engine, tmp_path, plan).done == {killed}
    assert tries(engine, killed) == [("given back", "preempted")] * 3 + [("done", "")]


def test_out_of_memory_is_tried_once_more_alone(engine: Engine, tmp_path: Path) -> None:
    plan = Plan()
    greedy = task(plan, "memory_error_unless_alone", path=str(tmp_path / "here"))
    others = [task(plan, "beside", path=str(tmp_path / "here"), seconds=0.5) for _ in range(5)]
    outcome = run(engine, tmp_path, plan)
    assert outcome.done == {greedy, *others}
    assert tries(engine, greedy) == [("given back", "out of memory"), ("done", "")]


def test_a_full_disk_pauses_and_loses_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([0, 0, 2**40])

    def disk_usage(path: Path) -> object:
        return type("Usage", (), {"free": next(free, 2**40)})

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    plan = Plan()
    full = task(plan, "no_space_until", path=str(tmp_path / "count"), times=1)
    other = task(plan, "write", full)
    assert run(engine, tmp_path, plan).done == {full, other}
    assert tries(engine, full) == [("given back", "disk full"), ("done", "")]
    assert next(free, None) is None  # it has looked until there was room


def test_a_real_disk_that_is_full_pauses_a_sweep_and_corrupts_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        command = [sys.executable, "run.py", "-m", "data.level=L1,L2", "seeds=1", "evaluation=bpb"]
        command += ["scale.tokens=4096", "data.documents=750", "store.mlflow=false", MATH_ALONE]
        process = subprocess.Popen(
            [*command, f"output_dir={disk}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "disk is full" in line:  # for the store, or for what a task writes
                break
        larger = ["mount", "-o", "remount,size=600m", str(disk)]
        subprocess.run(larger, check=True)
        told = process.stdout.read()
        process.stdout.close()
        assert process.wait() == 0, told
        engine = open_store(sqlite_url(disk / "davinci.db"))
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert set(connection.scalars(select(tables.task.c.state))) == {"done"}
        engine.dispose()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_lease_that_is_lost_ends_the_work_on_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(local, "LOOK_S", 0.1)
    plan = Plan()
    slow = task(plan, "sleep", seconds=60.0, path=str(tmp_path / "process"))
    other = Ledger(engine, "elsewhere:1:aa", "elsewhere")

    def take_over() -> None:
        while not (tmp_path / "process").exists():
            time.sleep(0.05)
        with engine.begin() as connection:
            connection.execute(update(tables.task).values(heartbeat=0.0))
        while not other.claim(slow):
            time.sleep(0.01)
        time.sleep(0.5)
        other.failed(slow, "bug", "Traceback\nKeyError: 'x'", small_tasks.USAGE)

    thief = threading.Thread(target=take_over)
    thief.start()
    begun = time.monotonic()
    outcome = run(engine, tmp_path, plan)
    thief.join()
    assert time.monotonic() - begun < 30
    assert outcome.failed == {slow: "bug: KeyError: 'x' (elsewhere)"}
    assert tries(engine, slow) == [("lost", "lost"), ("failed", "bug")]
    with pytest.raises(ProcessLookupError):  # who has lost the lease is not at it any more
        os.kill(int((tmp_path / "process").read_text()), 0)


def test_asked_to_stop_it_gives_its_tasks_back_with_the_cause(
    engine: Engine, tmp_path: Path
) -> None:
    plan = Plan()
    slow = task(plan, "sleep", seconds=60.0)
    own = executor(engine, tmp_path, plan)

    def ask() -> None:
        while not tries(engine, slow):
            time.sleep(0.05)
        own.ask_to_stop("time limit")

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(Stopped, match="time limit"):
        own.run()
    asker.join()
    assert tries(engine, slow) == [("given back", "time limit")]
    assert Ledger(engine, "me").states([slow]) == {slow: "planned"}


def test_a_draft_is_worked_on_by_one_process_at_a_time(engine: Engine, tmp_path: Path) -> None:
    from davinci.platform.execute import drafts

    frozen = tmp_path / "task.json"
    frozen.write_text('{"kind": "segment", "out": "%s"}' % (tmp_path / ".x.unfinished"))
    with drafts.alone_in_draft(frozen):
        child = os.fork()
        if child == 0:
            drafts.WAIT_S = 0.3
            try:
                with drafts.alone_in_draft(frozen):
                    os._exit(1)
            except OSError:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with drafts.alone_in_draft(frozen):
        pass


def test_a_store_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.001)
    answers: list[Exception | str] = [
        OperationalError("SELECT", {}, Exception("server closed the connection unexpectedly")),
        OperationalError("SELECT", {}, Exception("database is locked")),
        OperationalError("SELECT", {}, Exception("database or disk is full")),
        "at last",
    ]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call) == "at last"
    answers[:] = [OperationalError("SELECT", {}, Exception("no such table: x"))]
    with pytest.raises(OperationalError):
        patiently(call)
    answers[:] = [OperationalError("S", {}, Exception("database is locked"))] * 100
    with pytest.raises(OperationalError):
        patiently(call, patience_s=0.01)


def test_signals_of_the_cluster_do_not_end_a_task(engine: Engine, tmp_path: Path) -> None:
    plan = Plan()
    told = task(plan, "signal_itself", number=int(signal.SIGUSR2))
    assert run(engine, tmp_path, plan).done == {told}
    assert tries(engine, told) == [("done", "")]
