"""Reconciliation: does MLflow show what the store has, of every run and nothing else?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from davinci.platform.store.records import Sweep
from davinci.platform.tracking.mirror import connect
from davinci.platform.tracking.shown import Shown, is_shown, show

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that MLflow shows otherwise than the store has it; `mlflow_run_ids` if any."""

    run: str
    what: str
    mlflow_run_ids: tuple[str, ...] = field(default=())


def check_mirror(sweeps: Iterable[Sweep], url: str) -> list[Difference]:
    """Compare statuses, parameters, tags, final metrics and data of all runs.

    A run that belongs to several sweeps is shown as the one has it that was mirrored first.
    """
    client = connect(url)
    mirrored: dict[str, list[Any]] = {}
    for found in _all_runs(client):
        mirrored.setdefault(found.data.tags["davinci.run"], []).append(found)
    expected: dict[str, list[Shown]] = {}
    for sweep in sweeps:
        for arm in sweep.arms:
            for run in arm.runs:
                if is_shown(run):
                    expected.setdefault(run.digest, []).append(show(sweep, arm, run))
    differences = []
    for digest, shown in expected.items():
        runs = mirrored.pop(digest, [])
        ids = tuple(str(run.info.run_id) for run in runs)
        if len(runs) != 1:
            what = f"is there {len(runs)} times"
            differences.append(Difference(run=digest, what=what, mlflow_run_ids=ids))
            continue
        for what in min((list(_compare(way, runs[0])) for way in shown), key=len):
            differences.append(Difference(run=digest, what=what, mlflow_run_ids=ids))
    for digest, runs in mirrored.items():
        ids = tuple(str(run.info.run_id) for run in runs)
        what = "is not finished in the store, or not there"
        differences.append(Difference(run=digest, what=what, mlflow_run_ids=ids))
    return differences


def _all_runs(client: "MlflowClient") -> Iterator[Any]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    token = None
    while True:
        page = client.search_runs(experiments, max_results=PAGE, page_token=token)
        yield from (run for run in page if "davinci.run" in run.data.tags)
        token = page.token
        if not token:
            return


def _compare(shown: Shown, run: Any) -> Iterator[str]:
    if run.info.status != shown.status:
        yield f"status {run.info.status} instead of {shown.status}"
    yield from _fields("parameter", dict(shown.params), dict(run.data.params))
    yield from _fields("metric", shown.finals, dict(run.data.metrics))
    tags = {name: run.data.tags.get(name, "") for name in shown.tags}
    yield from _fields("tag", dict(shown.tags), tags)
    datasets = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs}
    if datasets != {(dataset.name, dataset.digest) for dataset in shown.datasets}:
        yield "datasets differ"


def _fields(kind: str, expected: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            yield f"{kind} {name}: {found.get(name)!r} instead of {expected.get(name)!r}"
