"""What a task costs beside its work: 1,000 tasks that do nothing, here and with peers.

    python benchmarks/task_overhead.py [TASKS] [PEERS]

The local executor with its ledger in SQLite, on as many slots as there are cores; Hydra's basic and
joblib launchers on a grid of the same size (all jobs a function that returns at once), and Ray Tune
on as many trials. PEERS is a virtual environment's Python that has hydra-joblib-launcher and
ray[tune]; without it, the peers of this environment are taken. Peers run fewer tasks where they are
slow: the figure is seconds per task, without the start of the process.
"""

import os
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from davinci.platform.execute import work

HYDRA = """
import hydra
@hydra.main(config_path=None, config_name="c", version_base="1.3")
def app(cfg):
    return 0
import time
from hydra.core.config_store import ConfigStore
ConfigStore.instance().store(name="c", node={"x": 0})
begun = time.perf_counter()
app()
print("SECONDS", time.perf_counter() - begun)
"""

TUNE = """
import sys, time, os, tempfile
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
import ray
from ray import tune
ray.init(logging_level="ERROR", include_dashboard=False, num_cpus=2)
def trial(config):
    return {"x": 1}
space = {"x": tune.grid_search(list(range(int(sys.argv[1]))))}
run = tune.RunConfig(verbose=0, storage_path=tempfile.mkdtemp())
tuner = tune.Tuner(tune.with_resources(trial, {"cpu": 1}), param_space=space, run_config=run)
begun = time.perf_counter()
tuner.fit()
print("SECONDS", time.perf_counter() - begun)
"""


def nothing(*_: Any) -> None:
    """Do no work."""


work.WORK["nothing"] = nothing  # type: ignore[index]
work.PRELOAD["nothing"] = ("task_overhead",)  # type: ignore[index]
os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # the fork server finds it there


def ours(num_tasks: int) -> float:
    """Return the seconds that davinci takes for tasks that do nothing."""
    from davinci.platform.config.runtime import Runtime, TrainingRuntime
    from davinci.platform.execute.local import LocalExecutor
    from davinci.platform.execute.view import View
    from davinci.platform.ledger import task as kinds
    from davinci.platform.plan.graph import Plan
    from davinci.platform.store.open import open_store

    kinds.KIND_VERSIONS["nothing"] = 1  # type: ignore[index]
    plan = Plan()
    for number in range(num_tasks):
        plan.add("nothing", {"number": number}, {}, f"task {number}")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/davinci.db"
        runtime = Runtime(
            output_dir=Path(folder),
            store_url=url,
            mlflow_url="",
            corpus_workers=1,
            keep="all",
            training=TrainingRuntime(accelerator="cpu"),
        )
        engine = open_store(url)
        begun = time.perf_counter()
        outcome = LocalExecutor(plan, engine, runtime, View(Console(file=StringIO()))).run()
        seconds = time.perf_counter() - begun
        engine.dispose()
    assert len(outcome.done) == num_tasks, outcome
    return seconds


def peer(python: str, script: str, words: list[str]) -> float:
    """Return the seconds that a peer reports of itself."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "peer.py").write_text(script)
        run = subprocess.run(
            [python, "peer.py", *words], cwd=folder, capture_output=True, text=True
        )
    told = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("SECONDS")]
    if not told:
        raise SystemExit(f"The peer failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return float(told[0])


def main(num_tasks: int = 1000, python: str = sys.executable) -> None:
    """Measure all, and print the table."""
    few = max(10, num_tasks // 10)
    grid = f"+y=range({few})"
    peers = {
        "Hydra basic launcher": (few, HYDRA, ["-m", grid]),
        "Hydra joblib launcher": (few, HYDRA, ["-m", grid, "hydra/launcher=joblib"]),
        "Ray Tune": (few, TUNE, [str(few)]),
    }
    own = ours(num_tasks) / num_tasks
    table = Table("", "tasks", "ms per task", "over davinci's")
    table.add_row("davinci, local executor", str(num_tasks), f"{1000 * own:.1f}", "")
    best = float("inf")
    for name, (number, script, words) in peers.items():
        each = peer(python, script, words) / number
        best = min(best, each)
        table.add_row(name, str(number), f"{1000 * each:.1f}", f"{each / own:.1f} x")
    Console().print(table)
    print(f"the best peer takes {best / own:.1f} x davinci's time per task")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*(int(word) for word in words[:1]), *words[1:])
