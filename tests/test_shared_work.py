"""Sweeps that are killed, or that two commands compute at once: nothing is lost or done twice."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.small_runs import MATH_ALONE
from tests.test_main_job import ROOT, TINY, run_py, store_of

from davinci.platform.store import tables
from davinci.platform.store.read import list_sweeps, load_sweep

QUICK = ("evaluation=bpb", "store.mlflow=false", MATH_ALONE)

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_sweep_leaves_nothing_running_and_goes_on_where_it_was(
    tmp_path: Path, blow: signal.Signals
) -> None:
    words = ("-m", "data.level=L1", *TINY, *QUICK, "seeds=2")
    command = [sys.executable, "run.py", *words, f"output_dir={tmp_path}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(r"\[[5-9]/", line):
            break
    process.send_signal(blow)
    process.wait()
    process.stdout.close()
    wait_until_gone(process.pid)
    finished, running = tasks_in(tmp_path, "done"), tasks_in(tmp_path, "running")
    assert len(finished) >= 5
    assert not running or blow == signal.SIGKILL
    run = run_py(*words, output_dir=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert tasks_in(tmp_path, "running") == {}
    now = tasks_in(tmp_path, "done")
    assert {now[digest] for digest in finished} == {1}
    assert not list((tmp_path / "artifacts").glob("*/.*"))


def tasks_in(output_dir: Path, state: str) -> dict[str, int]:
    """Return the tasks in a state, with the number of times they were begun."""
    engine = store_of(output_dir)
    with engine.connect() as connection:
        query = select(tables.task.c.digest, tables.task.c.attempts)
        found = connection.execute(query.where(tables.task.c.state == state)).all()
    engine.dispose()
    return {digest: attempts for digest, attempts in found}


def wait_until_gone(group: int) -> None:
    """Wait until no process of a group is left; the sweep's processes end with its controller."""
    for _ in range(60):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.5)
    raise AssertionError("processes of a killed sweep are still there after 30 s")


def test_two_controllers_at_once_share_the_work(tmp_path: Path) -> None:
    words = ("-m", "data.level=L1", *TINY, *QUICK, "seeds=2")
    command = [sys.executable, "run.py", *words, f"output_dir={tmp_path}"]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    done = tasks_in(tmp_path, "done")
    assert set(done.values()) == {1}
    computed = [int(re.findall(r"computed (\d+) tasks", text)[0]) for text in said]
    assert sum(computed) == len(done)


def test_two_sweeps_that_overlap_compute_once_what_they_share(tmp_path: Path) -> None:
    def command(levels: str) -> list[str]:
        words = ("-m", f"data.level={levels}", *TINY, *QUICK, "seeds=1")
        return [sys.executable, "run.py", *words, f"output_dir={tmp_path}"]

    both = [
        subprocess.Popen(command(levels), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for levels in ("L1,L2", "L2,L3")
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert set(tasks_in(tmp_path, "done").values()) == {1}
    engine = store_of(tmp_path)
    arms = [[arm.label for arm in load_sweep(engine, d).arms] for d in list_sweeps(engine)]
    engine.dispose()
    assert sorted(arms) == [["L1", "L2"], ["L2", "L3"]]
