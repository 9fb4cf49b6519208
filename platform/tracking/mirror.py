"""The mirror: every run as one flat MLflow run, with parameters, curves and scores.

The store is the truth. A run is written when its state is known, so MLflow never shows one as
running that is dead. It is written once, however many sweeps it belongs to: each adds its tag and
attaches its report.
"""

import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, delete, select

from davinci.platform.config.errors import redact
from davinci.platform.config.identity import digest, flatten
from davinci.platform.config.places import sqlite_path
from davinci.platform.store import tables
from davinci.platform.store.records import Arm, Run, Sweep
from davinci.platform.store.write import replace

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

EXPERIMENT = "davinci"
BATCH = 1000
MAX_PARAM_CHARS = 6000


def mirror_sweep(engine: Engine, sweep: Sweep, url: str, report: Path) -> int:
    """Write all finished or failed runs of a sweep to MLflow; return how many were new to it.

    Args:
        engine: The store, which remembers what was mirrored.
        sweep: The sweep, as the store has it.
        url: MLflow tracking address; a local SQLite database is created when it is not there.
        report: The sweep's report, attached to each of its runs.
    """
    _forget_if_gone(engine, url)
    rows = _rows(engine, url)
    stale = [
        (arm, run)
        for arm in sweep.arms
        for run in arm.runs
        if run.state in ("done", "failed") and rows.get((run.digest, sweep.digest)) != _content(run)
    ]
    if not stale:
        return 0
    client, experiment = _connect(url)
    for arm, run in stale:
        mlflow_run_id = _current(client, engine, run, url)
        if not mlflow_run_id:
            mlflow_run_id = _write_run(client, experiment, arm, run)
        for key, value in sweep_tags(sweep, arm).items():
            client.set_tag(mlflow_run_id, key, value)
        client.log_artifact(mlflow_run_id, str(report), f"reports/{sweep.digest[:12]}")
        row = {"run": run.digest, "sweep": sweep.digest, "tracking_url": redact(url)}
        row |= {"mlflow_run_id": mlflow_run_id, "content": _content(run)}
        with engine.begin() as connection:
            replace(connection, tables.mirror, row)
    return len(stale)


def run_tags(arm: Arm, run: Run) -> dict[str, str]:
    """Return the tags that say what a run is."""
    return {
        "davinci.recipe": run.recipe,
        "davinci.run": run.digest,
        "davinci.seed": str(run.seed),
        "davinci.world_seed": str(run.world_seed),
        "davinci.state": run.state,
        "davinci.cause": run.cause,
        "mlflow.source.name": "run.py",
        **{f"axis.{axis}": value for axis, value in arm.choices.items()},
    }


def sweep_tags(sweep: Sweep, arm: Arm) -> dict[str, str]:
    """Return the tags by which a sweep's runs are found; a run may belong to several."""
    short = sweep.digest[:12]
    return {
        f"davinci.sweep.{short}": arm.label,
        f"davinci.sweep.{short}.baseline": str(arm.label == sweep.baseline).lower(),
        "mlflow.source.git.commit": str(sweep.provenance.get("git", "")),
    }


def scores_of(run: Run) -> dict[str, float]:
    """Return the final scores under the names that MLflow shows: `protocol/benchmark/metric`."""
    return {
        f"{o.protocol}/{o.benchmark}/{o.metric}": o.score
        for o in run.outcomes
        if math.isfinite(o.score)
    }


def _connect(url: str) -> tuple["MlflowClient", str]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from mlflow.tracking import MlflowClient

    for name in ("alembic", "mlflow"):  # MLflow sets levels as it is imported, so ours come after
        logging.getLogger(name).setLevel(logging.WARNING)
    client = MlflowClient(tracking_uri=url)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return client, str(experiment.experiment_id)
    location = None
    if file := sqlite_path(url):
        location = (file.parent / "mlartifacts").as_uri()
    return client, str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _write_run(client: "MlflowClient", experiment: str, arm: Arm, run: Run) -> str:
    from mlflow.entities import Param

    name = f"{arm.label} · seed {run.seed}"
    started, finished = (int(1000 * t) or None for t in (run.started, run.finished))
    _delete_torsos(client, experiment, run)
    created = client.create_run(
        experiment, start_time=started, tags=run_tags(arm, run), run_name=name
    )
    run_id = str(created.info.run_id)
    flat = {"seed": run.seed, "world_seed": run.world_seed, **flatten(arm.config)}
    params = [Param(k, str(v)[:MAX_PARAM_CHARS]) for k, v in flat.items()]
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100])
    metrics = _metrics(run)
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    client.set_terminated(run_id, "FINISHED" if run.state == "done" else "FAILED", finished)
    return run_id


def _delete_torsos(client: "MlflowClient", experiment: str, run: Run) -> None:
    """Delete what a mirror that died half-way has left of this run."""
    where = f"tags.`davinci.run` = '{run.digest}' and attributes.status = 'RUNNING'"
    for torso in client.search_runs([experiment], where):
        client.delete_run(torso.info.run_id)


def _metrics(run: Run) -> list["Metric"]:
    """Return the curves (step = trained tokens) and, at the last step, scores and costs."""
    from mlflow.entities import Metric

    metrics = [
        Metric(f"train/{curve.name}", float(value), 0, int(tokens))
        for curve in run.curves
        for tokens, value in zip(curve.tokens, curve.values, strict=True)
        if math.isfinite(value)
    ]
    metrics += [
        Metric(f"{o.protocol}/{o.benchmark}/{o.metric}", o.score, 0, scored.tokens)
        for scored in run.trajectory
        for o in scored.outcomes
        if math.isfinite(o.score)
    ]
    final = scores_of(run)
    last = 0
    if run.cost is not None:
        last = run.cost.tokens
        final |= {"cost/flops": run.cost.flops, "cost/cpu_s": run.cost.cpu_s}
        final |= {"cost/tokens": float(run.cost.tokens), "cost/wall_s": run.cost.wall_s}
    return metrics + [Metric(name, value, 0, last) for name, value in final.items()]


def _content(run: Run) -> str:
    """Return a digest of all that the mirror shows of a run."""
    curves = [[c.name, len(c.values), *map(str, c.values[-1:])] for c in run.curves]
    shown = {"state": run.state, "cause": run.cause, "scores": scores_of(run), "curves": curves}
    return digest({"run": run.digest, **shown})


def _rows(engine: Engine, url: str) -> dict[tuple[str, str], str]:
    """Return what was mirrored: run and sweep -> content."""
    where = tables.mirror.c.tracking_url == redact(url)
    with engine.connect() as connection:
        found = connection.execute(select(tables.mirror).where(where)).mappings()
        return {(row["run"], row["sweep"]): row["content"] for row in found}


def _current(client: "MlflowClient", engine: Engine, run: Run, url: str) -> str:
    """Return the MLflow run that shows this run as it is now; one that shows less is deleted."""
    from mlflow.exceptions import MlflowException

    where = (tables.mirror.c.run == run.digest) & (tables.mirror.c.tracking_url == redact(url))
    with engine.connect() as connection:
        row = connection.execute(select(tables.mirror).where(where)).mappings().first()
    if row is None:
        return ""
    try:
        client.get_run(row["mlflow_run_id"])
    except MlflowException:
        return ""
    if row["content"] == _content(run):
        return str(row["mlflow_run_id"])
    client.delete_run(row["mlflow_run_id"])
    return ""


def _forget_if_gone(engine: Engine, url: str) -> None:
    """Forget what was mirrored into a local database that has been deleted since."""
    file = sqlite_path(url)
    if file is not None and not file.exists():
        with engine.begin() as connection:
            connection.execute(delete(tables.mirror).where(tables.mirror.c.tracking_url == url))
