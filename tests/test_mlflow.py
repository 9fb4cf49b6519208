"""MLflow cannot lie: it shows what the store has, can be made anew, and may be away meanwhile."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.small_runs import MATH_ALONE

from davinci.platform.config.places import sqlite_url
from davinci.platform.store.open import open_store
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.tracking.mirror import mirror_sweep
from davinci.reports.cli import main

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    *("scale.tokens=4096", "data.documents=60", "evaluation.max_items=4", "evaluation=bpb"),
    *("seeds=1", "data.level=L1,L2", MATH_ALONE),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's own use of SQLAlchemy
]


def run_py(output_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", "-m", *SMALL, *words, f"output_dir={output_dir}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    run = run_py(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture
def client(outputs: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=sqlite_url(outputs / "mlflow.db"))


def runs_of(client: MlflowClient, name: str = "data.level"):  # type: ignore[no-untyped-def]
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])


def davinci(outputs: Path, *words: str) -> int:
    return main([*words, "--output-dir", str(outputs)])


def test_runs_can_be_grouped_and_their_data_traced(outputs: Path, client: MlflowClient) -> None:
    found = {run.data.tags["davinci.arm"]: run for run in runs_of(client)}
    assert set(found) == {"L1", "L2"}
    for label, run in found.items():
        tags = run.data.tags
        assert (tags["davinci.factor"], tags["davinci.seed"]) == ("data.level", "0")
        assert tags["davinci.baseline"] == str(label == "L1").lower()
        datasets = {one.dataset.name: one.dataset for one in run.inputs.dataset_inputs}
        assert f"math {label}" in datasets
        corpora = {path.name[:36] for path in (outputs / "artifacts" / "corpus").glob("*")}
        assert {dataset.digest for dataset in datasets.values()} <= corpora
        links = re.findall(r"\(http://127\.0\.0\.1:5001/([^)]+)\)", tags["mlflow.note.content"])
        assert len(links) == 2
        assert all((outputs / "reports" / link).is_file() for link in links)
        assert tags["davinci.run"] in (outputs / "reports" / links[1]).read_text("utf-8")


def test_a_mirror_that_was_tampered_with_is_found_out_and_mended(
    outputs: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert davinci(outputs, "mlflow", "check") == 0
    first, second = runs_of(client)
    client.set_terminated(first.info.run_id, "FAILED")
    client.log_metric(second.info.run_id, "bpb/held_out_math/bits_per_byte", 0.001, step=10**9)
    client.set_tag(second.info.run_id, "davinci.arm", "L7")
    torso = client.create_run(first.info.experiment_id, tags={"davinci.run": "0" * 64})
    assert davinci(outputs, "mlflow", "check") == 1
    told = capsys.readouterr().out.replace("\n", "")
    assert "status FAILED instead of FINISHED" in told
    assert "metric bpb/held_out_math/bits_per_byte: 0.001 instead of" in told
    assert "tag davinci.arm: 'L7' instead of" in told
    assert "is not finished in the store" in told
    assert davinci(outputs, "mlflow", "sync") == 0
    assert davinci(outputs, "mlflow", "check") == 0
    assert client.get_run(torso.info.run_id).info.lifecycle_stage == "deleted"
    assert len(runs_of(client)) == 2


def test_a_mirror_that_is_gone_is_made_anew(outputs: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "elsewhere.db")
    assert davinci(outputs, "mlflow", "sync", "--url", url) == 0
    assert len(runs_of(MlflowClient(tracking_uri=url))) == 2


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", sqlite_url(folder / "server.db")]
    command += ["--artifacts-destination", str(folder / "files")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.25)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def test_a_server_that_is_down_costs_no_result_and_catches_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    out = tmp_path / "out"
    begun = time.monotonic()
    away = run_py(out, f"store.mlflow_url={url}")
    assert away.returncode == 0, away.stdout + away.stderr
    assert "MLflow was not updated" in away.stdout
    assert "davinci mlflow sync" in away.stdout
    assert time.monotonic() - begun < 120
    with server(tmp_path, port):
        assert davinci(out, "mlflow", "sync", "--url", url) == 0
        found = runs_of(MlflowClient(tracking_uri=url))
        assert [run.info.status for run in found] == ["FINISHED"] * 2
        again = run_py(out, f"store.mlflow_url={url}")
        assert "(0 runs written)" in again.stdout
        report = f"reports/{load(out)[:12]}"
        artifacts = MlflowClient(tracking_uri=url).list_artifacts(found[0].info.run_id, report)
        page = f"{found[0].data.tags['davinci.run'][:12]}.html"
        names = sorted(["index.html", "scores.csv", page])
        assert [artifact.path for artifact in artifacts] == [f"{report}/{name}" for name in names]


def load(out: Path) -> str:
    engine = open_store(sqlite_url(out / "davinci.db"))
    [digest] = list_sweeps(engine)
    engine.dispose()
    return digest


MIRROR = """
import sys
from pathlib import Path
from davinci.platform.store.open import open_store
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.tracking.mirror import mirror_sweep
engine = open_store(sys.argv[1])
sweep = load_sweep(engine, list_sweeps(engine)[0])
print(mirror_sweep(engine, sweep, sys.argv[2], Path("none")))
"""


def test_many_processes_may_meet_an_mlflow_database_that_is_not_there(
    outputs: Path, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path / "new" / "mlflow.db")
    command = [sys.executable, "-c", MIRROR, sqlite_url(outputs / "davinci.db"), url]
    every = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    ended = [process.communicate() for process in every]
    assert [process.returncode for process in every] == [0] * 6, ended
    assert sorted(int(out) for out, _ in ended) == [0, 0, 0, 0, 0, 2]
    assert len(runs_of(MlflowClient(tracking_uri=url))) == 2


def test_an_unchanged_sweep_is_not_written_again(outputs: Path) -> None:
    engine = open_store(sqlite_url(outputs / "davinci.db"))
    sweep = load_sweep(engine, list_sweeps(engine)[0])
    url = sqlite_url(outputs / "mlflow.db")
    assert mirror_sweep(engine, sweep, url, outputs / "none") == 0
    engine.dispose()
