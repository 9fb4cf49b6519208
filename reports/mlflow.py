"""`davinci mlflow`: MLflow made anew from the store, or compared with it."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.config.errors import redact
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.store.records import Sweep
from davinci.platform.tracking.check import Difference, check_mirror
from davinci.platform.tracking.mirror import connect, forget_runs, mirror_sweep

NUM_SHOWN = 20


def sync(engine: Engine, url: str, reports: Path, console: Console) -> int:
    """Make MLflow show what the store has; return 0 when it does afterwards."""
    with console.status("comparing"):
        wrong = check_mirror(_sweeps(engine), url)
    client = connect(url)
    for difference in wrong:
        for run_id in difference.mlflow_run_ids:
            if client.get_run(run_id).info.lifecycle_stage != "deleted":
                client.delete_run(run_id)
    forget_runs(engine, url, sorted({difference.run for difference in wrong}))
    written = 0
    for sweep in _sweeps(engine):
        with console.status(f"writing {sweep.name}"):
            page = reports / sweep.digest[:12] / "index.html"
            written += mirror_sweep(engine, sweep, url, page)
    console.print(f"{written} runs written to {redact(url)}", highlight=False, markup=False)
    return check(engine, url, reports, console)


def check(engine: Engine, url: str, reports: Path, console: Console) -> int:
    """Compare MLflow with the store; return 0 when they agree, else 1."""
    with console.status("comparing"):
        wrong = check_mirror(_sweeps(engine), url)
    if not wrong:
        console.print("MLflow shows what the store has.")
        return 0
    for difference in wrong[:NUM_SHOWN]:
        console.print(_told(difference), markup=False, highlight=False)
    console.print(f"{len(wrong)} differences; `davinci mlflow sync` mends them.")
    return 1


def _told(difference: Difference) -> str:
    return f"run {difference.run[:12]}: {difference.what}"


def _sweeps(engine: Engine) -> Iterator[Sweep]:
    """Return all sweeps, oldest first, one at a time."""
    return (load_sweep(engine, digest) for digest in reversed(list_sweeps(engine)))
