"""Several processes for real: gloo on the CPU, started by torchrun."""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from safetensors.torch import load_file
from tests.small_training import (
    LAW,
    RUNTIME,
    SETTINGS,
    Shards,
    curves_of,
    newest_snapshot,
    train,
    write_shards,
)

from davinci.platform.training.guards import Preempted
from davinci.platform.training.job import Job
from davinci.platform.training.processes import run_job
from davinci.platform.training.settings import SegmentSettings, TrainingDiverged, TrainingRuntime

pytestmark = pytest.mark.slow
EVERY_STEP = replace(RUNTIME, log_interval_steps=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_shards(tmp_path_factory.mktemp("shards"))


def two(strategy: Literal["ddp", "fsdp"]) -> TrainingRuntime:
    return replace(EVERY_STEP, devices=2, strategy=strategy)


def run(
    out: Path, shards: Shards, runtime: TrainingRuntime, settings: SegmentSettings = SETTINGS
) -> list[tuple[int, int, str]]:
    notes: list[tuple[int, int, str]] = []
    job = Job(settings=settings, shards=shards, parent=None, out=out, runtime=runtime)
    run_job(job, lambda *note: notes.append(note))
    return notes


def assert_close(out: Path, straight: Path) -> None:
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (out, straight))
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        assert tensor.shape == theirs[name].shape
        assert (tensor - theirs[name]).abs().max() < 1e-4, name


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("masked", [False, True])
def test_two_processes_follow_the_loss_curve_of_one(
    tmp_path: Path, shards: Shards, strategy: Literal["ddp", "fsdp"], masked: bool
) -> None:
    settings = replace(SETTINGS, mask_questions=masked)
    train(tmp_path / "one", shards, settings, runtime=EVERY_STEP)
    runtime = replace(two(strategy), micro_batch_size=1)
    notes = run(tmp_path / "two", shards, runtime, settings)
    assert [done for done, _, _ in notes] == [64 * step for step in range(1, 25)]
    one, both = (curves_of(tmp_path / name) for name in ("one", "two"))
    for name in ("loss", "lr", "grad_norm", "share_math"):
        assert both[name]["tokens"] == one[name]["tokens"]
        assert both[name]["values"] == pytest.approx(one[name]["values"], rel=1e-4, abs=1e-5), name
    assert_close(tmp_path / "two", tmp_path / "one")


def test_a_sharded_run_goes_on_with_one_process_and_again_with_two(
    tmp_path: Path, shards: Shards
) -> None:
    long_ = replace(SETTINGS, num_steps=150, lr=replace(LAW, total_tokens=64 * 150))
    straight = train(tmp_path / "straight", shards, long_, runtime=EVERY_STEP)
    out = tmp_path / "out"
    stop_after_some_steps(out, shards, two("fsdp"), long_)
    stop_after_some_steps(out, shards, EVERY_STEP, long_)
    assert not (out / "result.json").exists()
    assert 10 <= newest_snapshot(out) < 150
    run(out, shards, two("fsdp"), long_)
    assert_close(out, straight)
    ours, theirs = (curves_of(path)["loss"] for path in (out, straight))
    assert ours["tokens"] == theirs["tokens"]
    assert ours["values"] == pytest.approx(theirs["values"], rel=1e-3)


def stop_after_some_steps(
    out: Path, shards: Shards, runtime: TrainingRuntime, settings: SegmentSettings
) -> None:
    """Train five more steps or a few, then ask this process to stop, as an executor would."""
    often = replace(runtime, snapshot_interval_s=1e-9)
    begun = newest_snapshot(out)
    ended = threading.Event()

    def watch() -> None:  # as long as it takes: two processes may need many seconds to start
        while not ended.wait(0.002):
            if newest_snapshot(out) >= begun + 5:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(Preempted, match="goes on from there"):
            run(out, shards, often, settings)
    finally:
        ended.set()
        watcher.join()


def test_why_a_process_failed_is_raised_here_as_it_was_there(
    tmp_path: Path, shards: Shards
) -> None:
    hot = replace(SETTINGS, optimizer=replace(SETTINGS.optimizer, lr_peak=1e38))
    with pytest.raises(TrainingDiverged) as raised:
        run(tmp_path, shards, two("ddp"), hot)
    assert raised.value.what in ("loss", "gradient norm")
    assert "TrainingDiverged" in raised.value.__notes__[0]


def test_several_machines_are_started_from_outside(tmp_path: Path, shards: Shards) -> None:
    with pytest.raises(ValueError, match="srun or torchrun"):
        run(tmp_path, shards, replace(EVERY_STEP, num_nodes=2))
