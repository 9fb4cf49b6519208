"""The main job, for real and small: two levels, three seeds, both protocols, report and MLflow."""

import csv
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine, func, select

from davinci.platform.config.errors import ConfigError
from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.execute.choose import check_devices
from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.platform.store.read import list_sweeps, load_sweep
from davinci.platform.store.records import Sweep
from davinci.reports.cli import main
from davinci.reports.write import write_index

ROOT = Path(__file__).resolve().parents[1]
TINY = ("scale.tokens=24576", "data.documents=150", "evaluation.max_items=12")
MAIN_JOB = ("-m", "data.level=L2,L5", "mixture=math_heavy", *TINY)

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's own use of SQLAlchemy
]


def run_py(*words: str, output_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "run.py", *words, f"output_dir={output_dir}"]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def store_of(output_dir: Path) -> Engine:
    return open_store(f"sqlite:///{output_dir / 'davinci.db'}")


def newest_sweep(output_dir: Path) -> Sweep:
    engine = store_of(output_dir)
    sweep = load_sweep(engine, list_sweeps(engine)[0])
    engine.dispose()
    return sweep


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output_dir = tmp_path_factory.mktemp("main") / "outputs"
    run = run_py(*MAIN_JOB, output_dir=output_dir)
    assert run.returncode == 0, run.stdout + run.stderr
    return output_dir


def test_it_leaves_the_store_the_mirror_and_the_reports(outputs: Path) -> None:
    page = outputs / "reports" / newest_sweep(outputs).digest[:12] / "index.html"
    places = [
        outputs / "davinci.db",
        outputs / "mlflow.db",
        outputs / "reports" / "index.html",
        page,
    ]
    for place in places:
        assert place.stat().st_size > 1000, place


def test_every_run_was_trained_and_evaluated_under_every_protocol(outputs: Path) -> None:
    sweep = newest_sweep(outputs)
    assert [arm.label for arm in sweep.arms] == ["L2", "L5"]
    for arm in sweep.arms:
        assert [run.seed for run in arm.runs] == [0, 1, 2]
        for run in arm.runs:
            assert run.state == "done"
            assert {o.protocol for o in run.outcomes} == {"bpb", "ppl", "generative"}
            assert {o.domain for o in run.outcomes if o.protocol == "ppl"} == set(run.corpora)
            loss = next(curve for curve in run.curves if curve.name == "loss")
            assert loss.values[-1] < loss.values[0]
            assert run.cost is not None
            assert run.cost.tokens == 24576
            assert run.cost.cpu_s > 0


def test_the_levels_of_the_arms_lie_on_one_chain_of_corpora(outputs: Path) -> None:
    sweep = newest_sweep(outputs)
    shallow, deep = (arm.runs[0].corpora["math"] for arm in sweep.arms)
    chain, digest = [], deep
    while digest:
        chain.append(digest)
        digest = sweep.corpora[digest].parent
    assert [sweep.corpora[d].level for d in chain] == ["L5", "L4", "L3", "L2", "L1", "L0"]
    assert shallow == chain[3]


def test_mlflow_shows_the_same_runs_states_parameters_and_scores(outputs: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("data.level")
    assert experiment is not None
    mirrored = {
        r.data.tags["davinci.run"]: r for r in client.search_runs([experiment.experiment_id])
    }
    sweep = newest_sweep(outputs)
    runs = {run.digest: (arm, run) for arm in sweep.arms for run in arm.runs}
    assert set(mirrored) == set(runs)
    for digest, (arm, run) in runs.items():
        shown = mirrored[digest]
        assert shown.info.status == "FINISHED"
        assert shown.data.params["seed"] == str(run.seed)
        assert shown.data.params["data.levels.math"] == arm.label
        assert shown.data.tags["davinci.recipe"] == run.recipe
        assert shown.data.tags[f"davinci.sweep.{sweep.digest[:12]}"] == arm.label
        assert shown.info.end_time - shown.info.start_time > 100
        for outcome in run.outcomes:
            name = f"{outcome.protocol}/{outcome.benchmark}/{outcome.metric}"
            assert shown.data.metrics[name] == pytest.approx(outcome.score)
        curve = client.get_metric_history(shown.info.run_id, "train/loss")
        stored = next(c for c in run.curves if c.name == "loss")
        assert [m.step for m in curve] == [int(t) for t in stored.tokens]
        place = f"reports/{sweep.digest[:12]}"
        attached = {a.path for a in client.list_artifacts(shown.info.run_id, place)}
        names = ("index.html", "scores.csv", f"{run.digest[:12]}.html")
        assert attached == {f"{place}/{name}" for name in names}


def test_the_table_beside_the_report_holds_the_scores_of_the_store(outputs: Path) -> None:
    sweep = newest_sweep(outputs)
    table = outputs / "reports" / sweep.digest[:12] / "scores.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    shown = {(r["arm"], r["protocol"], r["benchmark"], r["metric"]): r["score"] for r in rows}
    stored: dict[tuple[str, str, str, str], list[float]] = {}
    for arm in sweep.arms:
        for outcome in (o for run in arm.runs for o in run.outcomes):
            key = (arm.label, outcome.protocol, outcome.benchmark, outcome.metric)
            stored.setdefault(key, []).append(outcome.score)
    assert set(shown) == set(stored)
    for key, scores in stored.items():
        assert float(shown[key]) == pytest.approx(sum(scores) / 3), key


def test_the_same_command_again_recomputes_nothing_and_says_so(outputs: Path) -> None:
    engine = store_of(outputs)
    with engine.connect() as connection:
        before = connection.scalar(select(func.sum(tables.task.c.attempts)))
    run = run_py(*MAIN_JOB, output_dir=outputs)
    with engine.connect() as connection:
        after = connection.scalar(select(func.sum(tables.task.c.attempts)))
    engine.dispose()
    assert run.returncode == 0, run.stderr
    assert "nothing is recomputed" in run.stdout
    assert before == after


def test_a_run_that_is_reproduced_has_the_same_bits(
    outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = newest_sweep(outputs).arms[0].runs[0]
    words = ("reproduce", first.digest[:12], "executor.workers=2", "--into", str(tmp_path))
    assert main([*words, "--output-dir", str(outputs)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"L2 +0 +same bits +[1-9]\d+ +0 +0 *\n", told), told
    assert "1 of 1 runs are the same, item by item." in told
    again = newest_sweep(tmp_path).arms[0].runs[0]
    assert again.checkpoint == first.checkpoint
    place = Path("artifacts") / "segment" / first.checkpoint / "model" / "model.safetensors"
    assert (outputs / place).read_bytes() == (tmp_path / place).read_bytes()


def test_an_arm_that_diverges_fails_by_name_and_the_other_goes_on(outputs: Path) -> None:
    words = ("-m", "data.level=L2", "mixture=math_heavy", *TINY, "evaluation=bpb", "seeds=1")
    run = run_py(*words, "scale.lr_peak=3e-3,1e18", output_dir=outputs)
    assert run.returncode == 1
    assert "diverged" in run.stdout
    good, bad = (arm.runs[0] for arm in newest_sweep(outputs).arms)
    assert good.state == "done"
    assert (bad.state, bad.cause) == ("failed", "diverged")
    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`davinci.run` = '{bad.digest}'")
    assert [r.info.status for r in found] == ["FAILED"]


def test_the_same_command_over_changed_files_gives_the_new_scores(tmp_path: Path) -> None:
    def score(words_known: str) -> str:
        draw = random.Random(0)
        texts = [" ".join(draw.choices(words_known.split(), k=60)) for _ in range(200)]
        lines = [json.dumps({"text": f"This is the text and that is all: {t}."}) for t in texts]
        (tmp_path / "general.jsonl").write_text("\n".join(lines))
        weights = "mixture.weights={general: 1, code: 0, math: 0, science: 0, qa: 0}"
        words = ("data=files", f"data.path={tmp_path}", "data.level=L1", weights)
        small = ("data.held_out_frac=0.2", "scale.tokens=4096", "store.mlflow=false")
        run = run_py(*words, *small, output_dir=tmp_path / "out")
        assert run.returncode == 0, run.stdout + run.stderr
        return str(re.findall(r"bpb general bits_per_byte \S+ +(\S+)", run.stdout)[0])

    first = score("cold grey sea stone wind rain cliff gull tide salt sand foam")
    second = score("mountain village evening harvest orchard neighbour candle bread stories")
    assert first != second
    assert score("cold grey sea stone wind rain cliff gull tide salt sand foam") == first


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("data.level=L11",), "Did you mean L1?"),
        (("-m", "data.level=L2,L11", "mixture=maths"), "2 problems"),
        (("store.url=sqlite:///pyproject.toml",), "not an SQLite database"),
    ],
)
def test_bad_input_ends_with_code_two_before_anything_is_built(
    tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    run = run_py(*words, output_dir=tmp_path / "outputs")
    assert run.returncode == 2
    assert hint in run.stderr
    assert "Traceback" not in run.stderr
    assert not list((tmp_path / "outputs").glob("artifacts"))


def test_more_gpus_than_there_are_is_one_error_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("davinci.platform.execute.choose.may_have_gpu", lambda: True)
    monkeypatch.setattr(
        "davinci.platform.execute.choose.visible_gpus", lambda accelerator: ("0", "1")
    )
    with pytest.raises(ConfigError, match=r"trainer\.devices=4: there are 2 GPUs"):
        check_devices(TrainingRuntime(accelerator="gpu", devices=4))
    check_devices(TrainingRuntime(accelerator="gpu", devices=2))


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = run_py("data.level=L1", output_dir=tmp_path / "file" / "outputs")
    assert run.returncode == 2
    assert "output_dir=" in run.stderr


@pytest.mark.parametrize("words", [("--help",), ("--cfg", "job"), ("-m", "sweep.dry_run=true")])
def test_looking_computes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    started = time.monotonic()
    run = run_py(*words, output_dir=tmp_path / "outputs")
    assert run.returncode == 0, run.stderr
    assert "mixture" in run.stdout or "Dry run" in run.stdout
    assert not list((tmp_path / "outputs").glob("artifacts"))
    assert time.monotonic() - started < 60


def test_shell_completion_offers_the_options_of_a_group() -> None:
    command = [sys.executable, "run.py", "-sc", "query=bash"]
    environment = {**os.environ, "COMP_LINE": "python run.py mixture=ma", "COMP_POINT": "24"}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert "mixture=math_heavy" in run.stdout


def davinci(*words: str, output_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "davinci.reports.cli", *words, "--output-dir", str(output_dir)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_status_lists_the_sweeps_with_the_states_of_their_runs(outputs: Path) -> None:
    shown = davinci("status", output_dir=outputs)
    assert shown.returncode == 0, shown.stderr
    assert "6 done" in shown.stdout


def test_a_report_can_be_written_anew_from_the_store_alone(outputs: Path) -> None:
    main_job = next(s for s in every_sweep(outputs) if len(s.arms) == 2 and "level" in s.name)
    page = outputs / "reports" / main_job.digest[:12] / "index.html"
    before = page.read_text()
    page.unlink()
    record = page.parent / "entry.json"
    kept = json.loads(record.read_text())
    record.write_text(json.dumps({**kept, "num_done": kept["num_done"] + 1}))
    engine = store_of(outputs)
    write_index(engine, outputs / "reports")
    engine.dispose()
    assert json.loads(record.read_text()) == kept, "a record that the store contradicts is no use"
    shown = davinci("report", main_job.digest[:8], output_dir=outputs)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == str(page)
    assert page.read_text() == before
    page.unlink()
    every = davinci("report", "--all", output_dir=outputs)
    assert every.returncode == 0, every.stderr
    assert every.stdout.strip() == str(outputs / "reports" / "index.html")
    assert page.read_text() == before


def test_asking_where_there_is_no_store_says_how_to_make_one(tmp_path: Path) -> None:
    for command in ("status", "report", "ui"):
        shown = davinci(command, output_dir=tmp_path)
        assert shown.returncode == 2
        assert "python run.py" in shown.stderr


def test_the_ui_serves_mlflow_and_the_reports(outputs: Path) -> None:
    main_job = next(s for s in every_sweep(outputs) if len(s.arms) == 2 and "level" in s.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "davinci.reports.cli", "ui", "--output-dir", str(outputs), "--port", str(port)]
    server = subprocess.Popen([sys.executable, *words], cwd=ROOT, start_new_session=True)
    try:
        runs = ask_until_answered(f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/search")
        names = {run["info"]["run_name"] for run in runs}
        assert {"L2 · seed 0", "L5 · seed 2"} <= names
        reports = http.client.HTTPConnection("127.0.0.1", port + 1, timeout=60)
        run = main_job.arms[1].runs[0].digest
        for path in ("/", f"/{main_job.digest[:12]}/runs/{run[:12]}.html"):
            reports.request("GET", path)
            answer = reports.getresponse()
            assert (answer.status, b"davinci" in answer.read()) == (200, True)
        for wanted, status in ((run, 302), ("0" * 64, 404), ("'; drop", 404)):
            reports.request("GET", f"/mlflow/{urllib.parse.quote(wanted)}")
            answer = reports.getresponse()
            answer.read()
            assert answer.status == status
            if status == 302:
                where = answer.getheader("Location", "")
                assert where.startswith(f"http://127.0.0.1:{port}/#/experiments/1/runs/")
        server.terminate()
        assert server.wait(timeout=60) == 143
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.1", port))
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def ask_until_answered(url: str) -> list[dict[str, dict[str, str]]]:
    body = json.dumps({"experiment_ids": ["1"], "max_results": 100}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return list(json.load(answer)["runs"])
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer within a minute")


def every_sweep(output_dir: Path) -> list[Sweep]:
    engine = store_of(output_dir)
    sweeps = [load_sweep(engine, digest) for digest in list_sweeps(engine)]
    engine.dispose()
    return sweeps
