"""Killing a sweep at random, again and again: what is lost, done twice, or told wrong? Nothing.

    python benchmarks/chaos.py [--executor local|slurm] [--store sqlite|postgresql] [--kills 100]

A sweep of about 60 small tasks is run undisturbed; then once more into an empty folder, while its
controller and its workers are killed (SIGKILL; on SLURM also jobs cancelled, and told that their
time is over; on PostgreSQL also the server restarted at once). A killed controller is started again
with the same command. At the end every score and curve must equal the undisturbed sweep's bit for
bit, every task be done, and done once, and MLflow show what the store has.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Engine, func, select

from davinci.platform.config.places import sqlite_url
from davinci.platform.store import tables
from davinci.platform.store.open import engine_of
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.tracking.check import check_mirror

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.services.postgres import Server, postgres_server  # noqa: E402
from tests.services.slurm import slurm_cluster  # noqa: E402

SWEEP = (
    *("run.py", "-m", "data.level=L1,L2", "seeds=2", "evaluation=both", "data.documents=80"),
    *("scale.tokens=400000", "evaluation.max_items=12", "trainer.snapshot_interval_s=0.2"),
)


NUM_SHOWN = 20
WAIT_S = 6.0
"""A controller takes some seconds to have workers."""


def store_was_away(log: Path) -> bool:
    """Return whether the last words of a command are that its store does not answer."""
    return "does not answer" in log.read_text()[-500:]


class Sweep:
    """A command that is started again whenever it was killed."""

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        self._command = [sys.executable, *SWEEP, *words]
        self._environment, self._log = environment, log
        self.num_starts = self.num_workers_killed = 0
        self.start()

    def start(self) -> None:
        """Type the command."""
        self.num_starts += 1
        with self._log.open("a") as out:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=out, stderr=out
            )

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """Kill the controller, and type the command again."""
        self._process.kill()
        self._process.wait()
        self.start()

    def kill_worker(self, draw: random.Random) -> bool:
        """Kill one of the processes that work on tasks; False if none comes up for a while."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and self.code is None:
            children = _children()
            servers = children.get(self._process.pid, [])
            workers = [worker for server in servers for worker in children.get(server, [])]
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(workers), signal.SIGKILL)
                self.num_workers_killed += 1
                return True
            time.sleep(0.02)
        return False


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return found


def disturb(
    sweep: Sweep,
    kills: int,
    draw: random.Random,
    others: list[Callable[[], None]],
    longest_s: float,
) -> int:
    """Kill something at random moments until there were so many kills, or the sweep is over."""
    done = 0
    while done < kills:
        time.sleep(draw.uniform(0.05, longest_s))
        if sweep.code:  # the store did not answer: typed again, as one would
            sweep.start()
        elif sweep.code is not None:
            break
        kind = draw.random()
        if others and kind < 0.4:
            draw.choice(others)()
        elif kind < 0.55 or not sweep.kill_worker(draw):
            sweep.kill()
        done += 1
    return done


def results(engine: Engine) -> dict[str, object]:
    """Return every score, item and curve of the newest sweep, by run."""
    sweep = load_sweep(engine, list_sweeps(engine)[0])
    found: dict[str, object] = {}
    for run in (run for arm in sweep.arms for run in arm.runs):
        for one in run.outcomes:
            found[f"{run.digest} {one.protocol} {one.benchmark} {one.metric}"] = (
                one.values.tobytes()
            )
        for curve in run.curves:
            if curve.name in ("loss", "lr"):
                found[f"{run.digest} {curve.name}"] = curve.values.tobytes()
    return found


def faults(engine: Engine, expected: dict[str, object], mlflow_url: str) -> list[str]:
    """Return what is wrong with a sweep that was disturbed."""
    task, attempt = tables.task, tables.attempt
    with engine.connect() as connection:
        counts = select(task.c.state, func.count()).group_by(task.c.state)
        states = {state: number for state, number in connection.execute(counts)}
        done = select(attempt.c.task).where(attempt.c.state == "done").group_by(attempt.c.task)
        twice = connection.execute(done.having(func.count() > 1)).all()
        running = connection.execute(select(attempt).where(attempt.c.state == "running")).all()
    found = [f"{number} tasks {state}" for state, number in states.items() if state != "done"]
    found += [f"task {row[0][:12]} was done more than once" for row in twice]
    found += [f"a try at {row.task[:12]} seems to run" for row in running]
    now = results(engine)
    found += [f"{name} differs" for name in expected if expected[name] != now.get(name)]
    found += [f"{name} is new" for name in now.keys() - expected.keys()]
    sweeps = [load_sweep(engine, digest) for digest in list_sweeps(engine)]
    found += [f"MLflow: run {d.run[:12]} {d.what}" for d in check_mirror(sweeps, mlflow_url)]
    return found


@contextlib.contextmanager
def surroundings(
    executor: str, store: str, folder: Path, draw: random.Random
) -> Iterator[tuple[list[str], dict[str, str], list[Callable[[], None]], str]]:
    """Give words of the command, its environment, what else can be hurt, and the store."""
    with contextlib.ExitStack() as stack:
        words, environment = [f"output_dir={folder}"], dict(os.environ)
        others: list[Callable[[], None]] = []
        url = sqlite_url(folder / "davinci.db")
        if store == "postgresql":
            server = stack.enter_context(postgres_server(folder))
            url = server.url
            words.append(f"store.url={url}")
            others.append(lambda: _restart(server))
        if executor == "slurm":
            environment |= stack.enter_context(slurm_cluster(folder.with_name("slurm")))
            words += ["executor=slurm", "executor.cpus=2", "executor.time_limit_min=30"]
            others += [
                lambda: _hurt_job(environment, draw, []),
                lambda: _hurt_job(environment, draw, ["--signal=USR2"]),
                lambda: _hurt_job(environment, draw, ["--signal=KILL"]),
            ]
        yield words, environment, others, url


def _restart(server: Server) -> None:
    server.stop("immediate")
    time.sleep(0.5)
    server.start()


def _hurt_job(environment: dict[str, str], draw: random.Random, words: list[str]) -> None:
    """Cancel a running job, tell it that its time is over, or kill its processes."""
    asked = ["squeue", "--noheader", "--array", "--states=running", "--format=%i"]
    run = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    if jobs := run.stdout.split():
        subprocess.run(
            ["scancel", *words, draw.choice(jobs)],
            env=environment,
            capture_output=True,
            check=False,
        )


def main() -> int:
    """Run both sweeps; return 0 when nothing is wrong with the disturbed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--executor", choices=("local", "slurm"), default="local")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--longest", type=float, default=3.0, help="most seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        calm, wild = Path(name) / "calm", Path(name) / "wild"
        for folder in (calm, wild):
            folder.mkdir()
        begun = time.monotonic()
        command = [sys.executable, *SWEEP, f"output_dir={calm}", "store.mlflow=false"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        undisturbed_s = time.monotonic() - begun
        engine = engine_of(sqlite_url(calm / "davinci.db"))
        expected = results(engine)
        engine.dispose()
        with surroundings(asked.executor, asked.store, wild, draw) as (words, own, others, url):
            begun = time.monotonic()
            sweep = Sweep(words, own, wild / "log")
            done = disturb(sweep, asked.kills, draw, others, asked.longest)
            while sweep.code is None:
                time.sleep(0.2)
            if sweep.code and store_was_away(wild / "log"):
                sweep.start()
                while sweep.code is None:
                    time.sleep(0.2)
            disturbed_s = time.monotonic() - begun
            engine = engine_of(url)
            wrong = faults(engine, expected, sqlite_url(wild / "mlflow.db"))
            with engine.connect() as connection:
                tries = connection.scalar(select(func.count()).select_from(tables.attempt))
                tasks = connection.scalar(select(func.count()).select_from(tables.task))
            engine.dispose()
            if sweep.code:
                wrong.append(f"exit code {sweep.code}: {(wild / 'log').read_text()[-3000:]}")
    print(
        f"{done} blows ({sweep.num_starts - 1} to the controller, {sweep.num_workers_killed} to "
        f"workers), {tasks} tasks, "
        f"{tries} tries; {undisturbed_s:.0f} s undisturbed, {disturbed_s:.0f} s disturbed"
    )
    print(
        "\n".join(wrong[:NUM_SHOWN])
        or f"{len(expected)} results equal bit for bit; nothing lost or doubled"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
