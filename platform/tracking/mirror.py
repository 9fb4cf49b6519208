"""The mirror: every run as one flat MLflow run, with parameters, curves, scores and data.

The store is the truth. A run is written when its state is known, and anew when what is to be shown
of it has changed. It is written once, however many sweeps it belongs to: in the experiment of the
first; each sweep adds its tag and attaches its report.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from sqlalchemy import Engine, delete, select

from davinci.platform.config.errors import redact
from davinci.platform.config.places import sqlite_path
from davinci.platform.store import tables
from davinci.platform.store.records import Run, Sweep
from davinci.platform.store.write import replace
from davinci.platform.tracking.shown import (
    Shown,
    experiment_of,
    is_shown,
    note,
    show,
    sweep_tags,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

BATCH = 1000
PARAM_BATCH = 100


def mirror_sweep(engine: Engine, sweep: Sweep, url: str, report: Path) -> int:
    """Write all finished or failed runs of a sweep to MLflow; return how many were new to it.

    Args:
        engine: The store, which remembers what was mirrored.
        sweep: The sweep, as the store has it.
        url: MLflow tracking address; a local SQLite database is created when it is not there.
        report: The sweep's report, attached to each of its runs, with the scores and the run's page
            that lie beside it.
    """
    with _one_at_a_time(url):
        _forget_if_gone(engine, url)
        rows = _rows(engine, url)
        stale = [
            (arm, run, shown)
            for arm in sweep.arms
            for run in arm.runs
            if is_shown(run)
            and rows.get((run.digest, sweep.digest)) != (shown := show(sweep, arm, run)).content
        ]
        if not stale:
            return 0
        client = connect(url)
        experiment = _experiment(client, experiment_of(sweep), url)
        for arm, run, shown in stale:
            mlflow_run_id = _current(client, engine, run, shown, url)
            if not mlflow_run_id:
                mlflow_run_id = _write_run(client, experiment, run, shown, note(sweep, run))
            for key, value in sweep_tags(sweep, arm).items():
                client.set_tag(mlflow_run_id, key, value)
            page = report.parent / "runs" / f"{run.digest[:12]}.html"
            for file in (report, report.parent / "scores.csv", page):
                if file.exists():
                    client.log_artifact(mlflow_run_id, str(file), f"reports/{sweep.digest[:12]}")
            row = {"run": run.digest, "sweep": sweep.digest, "tracking_url": redact(url)}
            row |= {"mlflow_run_id": mlflow_run_id, "content": shown.content}
            with engine.begin() as connection:
                replace(connection, tables.mirror, row)
        return len(stale)


def connect(url: str) -> "MlflowClient":
    """Return a client of a tracking server or local database; nothing is sent to anybody else."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # A server that is down is told of within seconds: the store has everything, and it catches up.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.tracking import MlflowClient

    for name in ("alembic", "mlflow"):  # MLflow sets levels as it is imported, so ours come after
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=url)


def forget_runs(engine: Engine, url: str, runs: list[str]) -> None:
    """Forget that runs were mirrored, so that they are written anew."""
    with engine.begin() as connection:
        for run in runs:
            where = (tables.mirror.c.run == run) & (tables.mirror.c.tracking_url == redact(url))
            connection.execute(delete(tables.mirror).where(where))


@contextlib.contextmanager
def _one_at_a_time(url: str) -> Iterator[None]:
    """Keep other processes out of a local database: MLflow's own creation of it cannot bear them.

    Measured: of six processes that met an empty one, five died.
    """
    file = sqlite_path(url)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        yield


def _experiment(client: "MlflowClient", name: str, url: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = None
        if file := sqlite_path(url):
            location = (file.parent / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _write_run(
    client: "MlflowClient", experiment: str, run: Run, shown: Shown, description: str
) -> str:
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    _delete_torsos(client, experiment, run)
    created = client.create_run(
        experiment,
        start_time=shown.started,
        tags={**shown.tags, MLFLOW_RUN_NOTE: description},
        run_name=shown.name,
    )
    run_id = str(created.info.run_id)
    params = [Param(name, value) for name, value in shown.params.items()]
    for start in range(0, len(params), PARAM_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAM_BATCH])
    metrics = [Metric(point.name, point.value, 0, point.step) for point in shown.metrics]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    _log_datasets(client, run_id, shown)
    client.set_terminated(run_id, shown.status, shown.finished)
    return run_id


def _log_datasets(client: "MlflowClient", run_id: str, shown: Shown) -> None:
    from mlflow.entities import Dataset, DatasetInput

    inputs = [
        DatasetInput(
            Dataset(
                name=dataset.name,
                digest=dataset.digest,
                source_type="davinci",
                source=dataset.source,
                profile=dataset.profile,
            )
        )
        for dataset in shown.datasets
    ]
    if inputs:
        client.log_inputs(run_id, datasets=inputs)


def _delete_torsos(client: "MlflowClient", experiment: str, run: Run) -> None:
    """Delete what a mirror that died half-way has left of this run."""
    where = f"tags.`davinci.run` = '{run.digest}' and attributes.status = 'RUNNING'"
    for torso in client.search_runs([experiment], where):
        client.delete_run(torso.info.run_id)


def _rows(engine: Engine, url: str) -> dict[tuple[str, str], str]:
    """Return what was mirrored: run and sweep -> content."""
    where = tables.mirror.c.tracking_url == redact(url)
    with engine.connect() as connection:
        found = connection.execute(select(tables.mirror).where(where)).mappings()
        return {(row["run"], row["sweep"]): row["content"] for row in found}


def _current(client: "MlflowClient", engine: Engine, run: Run, shown: Shown, url: str) -> str:
    """Return the MLflow run that shows this run as it is now; one that shows less is deleted."""
    from mlflow.exceptions import MlflowException

    where = (tables.mirror.c.run == run.digest) & (tables.mirror.c.tracking_url == redact(url))
    with engine.connect() as connection:
        row = connection.execute(select(tables.mirror).where(where)).mappings().first()
    if row is None:
        return ""
    try:
        found = client.get_run(row["mlflow_run_id"])
    except MlflowException:
        return ""
    if found.info.lifecycle_stage == "deleted":
        return ""
    if found.info.status == shown.status and found.data.metrics == shown.finals:
        return str(row["mlflow_run_id"])
    client.delete_run(row["mlflow_run_id"])
    return ""


def _forget_if_gone(engine: Engine, url: str) -> None:
    """Forget what was mirrored into a local database that has been deleted since."""
    file = sqlite_path(url)
    if file is not None and not file.exists():
        with engine.begin() as connection:
            connection.execute(delete(tables.mirror).where(tables.mirror.c.tracking_url == url))
