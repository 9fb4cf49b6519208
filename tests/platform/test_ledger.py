"""Tasks are leased by one owner at a time, and only that owner says how they end."""

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from davinci.platform.ledger.causes import name_cause
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.owner import machine, new_owner
from davinci.platform.ledger.task import Task
from davinci.platform.ledger.usage import Usage
from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.platform.training.settings import TrainingDiverged

USAGE = Usage(wall_s=1.0, cpu_s=0.5, max_rss_bytes=7)
TASK = Task(kind="held_out", settings={"x": 1})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_store(f"sqlite:///{tmp_path / 'davinci.db'}")


def owned(engine: Engine, owner: str) -> Ledger:
    ledger = Ledger(engine, owner)
    ledger.plan([TASK])
    return ledger


def state(engine: Engine) -> str:
    return Ledger(engine, "reader").states([TASK.digest])[TASK.digest]


def let_leases_lapse(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(tables.task.update().values(heartbeat=0.0))


def test_a_task_is_leased_once_and_finished_once(engine: Engine) -> None:
    task = Task(kind="held_out", settings={"x": 1})
    mine, yours = Ledger(engine, "elsewhere:1"), Ledger(engine, "elsewhere:2")
    mine.plan([task])
    yours.plan([task])
    assert mine.claim(task.digest)
    assert not yours.claim(task.digest)
    mine.done(task.digest, Usage(wall_s=1.0, cpu_s=0.5, max_rss_bytes=7))
    assert not yours.claim(task.digest)
    assert mine.states([task.digest]) == {task.digest: "done"}


def test_a_silent_lease_becomes_anybodys(engine: Engine) -> None:
    task = Task(kind="held_out", settings={"x": 1})
    dead, alive = Ledger(engine, "elsewhere:1"), Ledger(engine, "elsewhere:2")
    dead.plan([task])
    assert dead.claim(task.digest)
    with engine.begin() as connection:
        connection.execute(tables.task.update().values(heartbeat=0.0))
    assert alive.claim(task.digest)


def test_a_failed_task_is_tried_again_and_keeps_count(engine: Engine) -> None:
    task = Task(kind="held_out", settings={"x": 1})
    ledger = Ledger(engine, "elsewhere:1")
    ledger.plan([task])
    usage = Usage(wall_s=1.0, cpu_s=0.5, max_rss_bytes=7)
    assert ledger.claim(task.digest)
    ledger.failed(task.digest, "diverged", "Traceback ...", usage)
    assert ledger.claim(task.digest)
    with engine.connect() as connection:
        row = connection.execute(select(tables.task)).mappings().one()
    assert (row["state"], row["attempts"], row["cause"]) == ("running", 2, "")


def test_who_lost_the_lease_cannot_say_how_the_task_ended(engine: Engine) -> None:
    slow, quick = owned(engine, "elsewhere:1:aa"), owned(engine, "elsewhere:2:bb")
    assert slow.claim(TASK.digest)
    let_leases_lapse(engine)
    assert quick.claim(TASK.digest)
    assert not slow.failed(TASK.digest, "bug", "late", USAGE)
    assert not slow.release(TASK.digest)
    slow.skipped([TASK.digest], "late")
    slow.reset(TASK.digest)
    assert slow.heartbeat({TASK.digest: (1, 2, "")}) == {TASK.digest}
    assert state(engine) == "running"
    assert quick.done(TASK.digest, USAGE)
    slow.skipped([TASK.digest], "late")
    assert state(engine) == "done"


def test_a_restarted_container_takes_over_from_its_predecessor_of_the_same_number(
    engine: Engine,
) -> None:
    dead = f"{machine()}:{os.getpid()}:00000000"
    assert owned(engine, dead).claim(TASK.digest)
    assert owned(engine, new_owner()).claim(TASK.digest)


def test_a_process_that_is_gone_from_this_machine_loses_its_lease_at_once(engine: Engine) -> None:
    assert owned(engine, f"{machine()}:{2**22 + 1}:aa").claim(TASK.digest)
    assert owned(engine, new_owner()).claim(TASK.digest)


def test_a_heartbeat_keeps_a_lease(engine: Engine) -> None:
    mine, other = owned(engine, "elsewhere:1:aa"), owned(engine, "elsewhere:2:bb")
    assert mine.claim(TASK.digest)
    let_leases_lapse(engine)
    assert mine.heartbeat({TASK.digest: (1, 2, "")}) == set()
    assert not other.claim(TASK.digest)


def test_a_done_task_whose_artifact_has_gone_is_planned_anew(engine: Engine) -> None:
    mine = owned(engine, "elsewhere:1:aa")
    assert mine.claim(TASK.digest)
    mine.done(TASK.digest, USAGE)
    mine.reset(TASK.digest)
    assert state(engine) == "planned"


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory"),
        (TrainingDiverged(3, "loss", float("nan")), "diverged"),
        (OSError(28, "No space left on device"), "disk full"),
        (OSError(5, "Input/output error"), "infrastructure"),
        (KeyboardInterrupt(), "preempted"),
        (ValueError("empty corpus"), "bad data"),
        (KeyError("x"), "bug"),
    ],
)
def test_a_failure_is_given_the_ledgers_name(failure: Exception, cause: str) -> None:
    assert name_cause(failure) == cause
