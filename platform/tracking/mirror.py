"""The mirror: every run of a sweep as one flat MLflow run, with parameters, curves and scores.

The store is the truth. A run is written when its state is known, so MLflow never shows one as
running that is dead; one that has not changed is not written again.
"""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select

from davinci.platform.config.errors import redact
from davinci.platform.config.identity import digest, flatten
from davinci.platform.store import tables
from davinci.platform.store.records import Arm, Run, Sweep
from davinci.platform.store.write import replace

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

EXPERIMENT = "davinci"
BATCH = 1000
MAX_PARAM_CHARS = 6000


def mirror_sweep(engine: Engine, sweep: Sweep, url: str, reports: Mapping[str, Path]) -> int:
    """Write all finished or failed runs of a sweep to MLflow; return how many were written.

    Args:
        engine: The store, which remembers what was mirrored.
        sweep: The sweep, as the store has it.
        url: MLflow tracking address; a local SQLite database is created when it is not there.
        reports: Files to attach to each run, by their name in it.
    """
    changed = [
        (arm, run)
        for arm in sweep.arms
        for run in arm.runs
        if run.state in ("done", "failed") and _known(engine, run, url) != _content(sweep, arm, run)
    ]
    if not changed:
        return 0
    client, experiment = _connect(url, reports)
    for arm, run in changed:
        old = _forget(client, engine, run, url)
        mlflow_run_id = _write_run(client, experiment, sweep, arm, run, reports)
        row = {"run": run.digest, "tracking_url": redact(url), "mlflow_run_id": mlflow_run_id}
        row["content"] = _content(sweep, arm, run)
        with engine.begin() as connection:
            replace(connection, tables.mirror, row)
        if old:
            client.delete_run(old)
    return len(changed)


def tags_of(sweep: Sweep, arm: Arm, run: Run) -> dict[str, str]:
    """Return the tags by which runs are found and grouped in the MLflow UI."""
    return {
        "davinci.sweep": sweep.digest,
        "davinci.sweep_name": sweep.name,
        "davinci.arm": arm.label,
        "davinci.baseline": str(arm.label == sweep.baseline).lower(),
        "davinci.recipe": run.recipe,
        "davinci.run": run.digest,
        "davinci.seed": str(run.seed),
        "davinci.world_seed": str(run.world_seed),
        "davinci.state": run.state,
        "davinci.cause": run.cause,
        "davinci.git": str(sweep.provenance.get("git", "")),
        **{f"axis.{axis}": value for axis, value in arm.choices.items()},
    }


def scores_of(run: Run) -> dict[str, float]:
    """Return the final scores under the names that MLflow shows: `protocol/benchmark/metric`."""
    return {
        f"{o.protocol}/{o.benchmark}/{o.metric}": o.score
        for o in run.outcomes
        if math.isfinite(o.score)
    }


def _connect(url: str, reports: Mapping[str, Path]) -> tuple["MlflowClient", str]:
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
    if url.startswith("sqlite:///"):
        location = (Path(url.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()
    return client, str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _write_run(
    client: "MlflowClient",
    experiment: str,
    sweep: Sweep,
    arm: Arm,
    run: Run,
    reports: Mapping[str, Path],
) -> str:
    from mlflow.entities import Param, RunTag

    name = f"{arm.label} · seed {run.seed}"
    created = client.create_run(experiment, run_name=name)
    run_id = str(created.info.run_id)
    flat = {"seed": run.seed, "world_seed": run.world_seed, **flatten(arm.config)}
    params = [Param(k, str(v)[:MAX_PARAM_CHARS]) for k, v in flat.items()]
    tags = [RunTag(key, value) for key, value in tags_of(sweep, arm, run).items()]
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100])
    client.log_batch(run_id, tags=tags)
    metrics = _metrics(run)
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    for file in reports.values():
        client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, "FINISHED" if run.state == "done" else "FAILED")
    return run_id


def _metrics(run: Run) -> list["Metric"]:
    """Return the curves (step = trained tokens) and, at the last step, scores and costs."""
    from mlflow.entities import Metric

    metrics = [
        Metric(f"train/{curve.name}", float(value), 0, int(tokens))
        for curve in run.curves
        for tokens, value in zip(curve.tokens, curve.values, strict=True)
        if math.isfinite(value)
    ]
    final = scores_of(run)
    last = 0
    if run.cost is not None:
        last = run.cost.tokens
        final |= {"cost/flops": run.cost.flops, "cost/cpu_s": run.cost.cpu_s}
        final |= {"cost/tokens": float(run.cost.tokens), "cost/wall_s": run.cost.wall_s}
    return metrics + [Metric(name, value, 0, last) for name, value in final.items()]


def _content(sweep: Sweep, arm: Arm, run: Run) -> str:
    """Return a digest of all that the mirror shows of a run."""
    curves: Sequence[object] = [
        [c.name, len(c.values), *map(str, c.values[-1:])] for c in run.curves
    ]
    return digest({"tags": tags_of(sweep, arm, run), "scores": scores_of(run), "curves": curves})


def _known(engine: Engine, run: Run, url: str) -> str:
    where = (tables.mirror.c.run == run.digest) & (tables.mirror.c.tracking_url == redact(url))
    with engine.connect() as connection:
        return connection.scalar(select(tables.mirror.c.content).where(where)) or ""


def _forget(client: "MlflowClient", engine: Engine, run: Run, url: str) -> str:
    """Return the MLflow run that shows an older state of this run, if it is still there."""
    from mlflow.exceptions import MlflowException

    where = (tables.mirror.c.run == run.digest) & (tables.mirror.c.tracking_url == redact(url))
    with engine.connect() as connection:
        old = connection.scalar(select(tables.mirror.c.mlflow_run_id).where(where)) or ""
    try:
        return old if old and client.get_run(old) else ""
    except MlflowException:
        return ""
