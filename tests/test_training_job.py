"""Training through the entry, for real and small: the paper's curriculum, adaptive, parents."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.small_runs import MATH_ALONE
from tests.test_main_job import ROOT, newest_sweep, run_py

from davinci.platform.store.records import Run

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's own use of SQLAlchemy
]
WORDS = ("data.documents=150", "evaluation=bpb", "evaluation.max_items=8", "seeds=1")
PAPER = ("-m", "curriculum=davinci", "scale.tokens=262144", "trainer.log_interval_steps=1", *WORDS)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an output folder with the paper's curriculum in it."""
    output_dir = tmp_path_factory.mktemp("training") / "outputs"
    run = run_py(*PAPER, output_dir=output_dir)
    assert run.returncode == 0, run.stdout + run.stderr
    return output_dir


def only_run(outputs: Path) -> Run:
    ((run,),) = [arm.runs for arm in newest_sweep(outputs).arms]
    return run


def history(outputs: Path, run: Run, name: str) -> list[tuple[int, float]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    found = client.get_metric_history(run.mlflow_run_id, name)
    return [(point.step, point.value) for point in found]


def shares_in(points: list[tuple[int, float]], begin: int, end: int) -> float:
    """Return the mean of a curve between two places, over its points; each ends a step."""
    inside = [value for step, value in points if begin < step <= end]
    return sum(inside) / len(inside)


def test_the_four_substages_are_in_the_logged_curves(outputs: Path) -> None:
    run = only_run(outputs)
    assert run.cost is not None
    assert run.cost.tokens == 262_144
    ends = [0, 131_072, 196_608, 229_376, 262_144]
    stages = list(zip(ends, ends[1:], strict=False))
    assert [int(step) for step, _ in history(outputs, run, "train/loss")][-1] == 262_144
    batches = history(outputs, run, "train/batch_tokens")
    assert sorted({value for _, value in batches}) == [512, 1024, 2048]
    assert [value for _, value in batches] == sorted(value for _, value in batches)
    rates = dict(history(outputs, run, "train/lr"))
    assert max(rates.values()) == pytest.approx(4e-3)
    assert rates[ends[1]] == pytest.approx(4e-3), "constant to the end of stage 1-1"
    assert rates[ends[2]] == pytest.approx(4e-4), "down to a tenth at the end of stage 1-2"
    assert rates[ends[4]] == pytest.approx(4e-4)
    wanted = {
        "general": (0.682, 0.5542, 0.10, 0.1884),
        "code": (0.0953, 0.1166, 0.30, 0.0261),
        "qa": (0.0, 0.0, 0.30, 0.70),
    }
    for domain, weights in wanted.items():
        points = history(outputs, run, f"train/share_{domain}")
        for (begin, end), weight in zip(stages, weights, strict=True):
            if weight:
                assert shares_in(points, begin, end) == pytest.approx(weight, abs=0.08), domain
            else:
                assert not [value for step, value in points if begin < step <= end]
    scored = history(outputs, run, "bpb/held_out_math/bits_per_byte")
    assert len(scored) == 10, "nine checkpoints on the way, and the last"


def test_a_checkpoint_of_it_is_a_parent_and_the_data_go_on(outputs: Path) -> None:
    before = newest_sweep(outputs).arms[0].runs[0]
    third = before.segments[-4].digest
    words = ("curriculum=decay", f"curriculum.parent={third[:10]}", "scale.tokens=16384", *WORDS)
    run = run_py(*words[:-1], output_dir=outputs)
    assert run.returncode == 0, run.stdout + run.stderr
    child = only_run(outputs)
    assert child.segments[0].begin_tokens == before.segments[-4].begin_tokens + (
        before.segments[-4].tokens
    )
    position = child.segments[0].result["position"]
    assert position["stage_index"] == 3
    consumed = before.segments[-4].result["position"]["consumed"]
    assert position["consumed_at_stage_begin"] == consumed


def test_pruned_checkpoints_are_computed_again_when_they_are_needed(outputs: Path) -> None:
    words = ("curriculum=two_stage", "scale.tokens=16384", *WORDS[:-1])
    assert run_py(*words, "trainer.keep=last", output_dir=outputs).returncode == 0
    first, last = only_run(outputs).segments
    folder = outputs / "artifacts" / "segment"
    assert not (folder / first.digest / "model").exists()
    assert (folder / last.digest / "model").exists()
    again = run_py(*words, "trainer.keep=last", output_dir=outputs)
    assert "computed 0 tasks" in again.stdout
    other = run_py(*words, "curriculum.stages.1.qa_frac=0.1", output_dir=outputs)
    assert other.returncode == 0, other.stdout + other.stderr
    assert only_run(outputs).segments[0].digest == first.digest
    assert (folder / first.digest / "model").exists()


def test_an_adaptive_run_decides_on_items_that_it_is_not_scored_on(outputs: Path) -> None:
    words = ("curriculum=adaptive", "scale.tokens=65536", "curriculum.controller.patience=1")
    run = run_py(*words, "curriculum.stages.0.checkpoints=8", *WORDS[:-1], output_dir=outputs)
    assert run.returncode == 0, run.stdout + run.stderr
    sweep = newest_sweep(outputs)
    found = sweep.arms[0].runs[0]
    assert len(found.decisions) == 7
    watched = set()
    for file in (outputs / "artifacts" / "evaluation").glob("*/result.json"):
        task = json.loads((outputs / "tasks" / f"{file.parent.name}.json").read_text())
        if task["settings"]["evaluation"].get("items") == "watched":
            watched |= {item for row in json.loads(file.read_text()) for item in row["item_ids"]}
    scored = {item for one in found.outcomes for item in one.item_ids}
    assert watched
    assert scored
    assert not watched & scored
    page = (outputs / "reports" / sweep.digest[:12] / "index.html").read_text()
    assert "What the adaptive curriculum decided" in page


def test_killed_in_the_middle_of_a_segment_it_goes_on_from_its_snapshot(
    outputs: Path, tmp_path: Path
) -> None:
    small = ("scale.tokens=98304", "store.mlflow=false", MATH_ALONE)
    words = ("curriculum=constant", *small, *WORDS[:-1])
    often = (*words, "trainer.snapshot_interval_s=0.05", f"output_dir={tmp_path}")
    process = subprocess.Popen([sys.executable, "run.py", *often], cwd=ROOT)
    for _ in range(2400):
        if any((tmp_path / "artifacts" / "segment").glob(".*.unfinished/snapshot-*")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (snapshot, *_) = sorted((tmp_path / "artifacts" / "segment").glob(".*/snapshot-*"))
    assert int(snapshot.name.removeprefix("snapshot-")) < 192
    assert run_py(*words, output_dir=tmp_path).returncode == 0
    assert run_py(*words, output_dir=outputs).returncode == 0
    weights = [
        (folder / "artifacts" / "segment" / only_run(folder).checkpoint / "model")
        for folder in (tmp_path, outputs)
    ]
    first, second = ((path / "model.safetensors").read_bytes() for path in weights)
    assert first == second
    assert not list((tmp_path / "artifacts" / "segment").glob(".*"))
