"""Interrupted, forked or straight: the same bits."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.small_training import (
    LAW,
    RUNTIME,
    SETTINGS,
    Shards,
    curves_of,
    digest_of,
    newest_snapshot,
    result_of,
    train,
    write_shards,
)

from davinci.platform.training import entry
from davinci.platform.training import keeper as keeper_module
from davinci.platform.training.guards import Preempted
from davinci.platform.training.job import Job, read_job, write_job
from davinci.platform.training.settings import SegmentSettings

OFTEN = replace(RUNTIME, snapshot_interval_s=1e-9)
"""A snapshot after every step."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, shards: Shards) -> Path:
    return train(tmp_path_factory.mktemp("straight") / "segment", shards)


class StopAt:
    """Asks a segment to stop after a step, as a signal would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        original = keeper_module.Keeper.on_train_batch_end

        def wrapped(keeper, trainer, module, *rest):  # type: ignore[no-untyped-def]
            if module.step == step:
                os.kill(os.getpid(), signal.SIGTERM)
            original(keeper, trainer, module, *rest)

        monkeypatch.setattr(keeper_module.Keeper, "on_train_batch_end", wrapped)


@pytest.mark.parametrize("step", [1, 7, 10, 23])
def test_asked_to_stop_it_leaves_a_snapshot_and_goes_on_to_the_same_bits(
    tmp_path: Path,
    shards: Shards,
    straight: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        StopAt(patch, step)
        with pytest.raises(Preempted, match=f"after step {step}"):
            train(tmp_path, shards)
    assert signal.getsignal(signal.SIGTERM) is before
    assert [path.name for path in tmp_path.glob("snapshot-*")] == [f"snapshot-{step}"]
    train(tmp_path, shards)
    assert digest_of(tmp_path) == digest_of(straight)
    assert curves_of(tmp_path) == curves_of(straight)
    assert not list(tmp_path.glob("*snapshot*"))


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_with_the_same_bits(
    tmp_path: Path, shards: Shards, straight: Path
) -> None:
    out, job = tmp_path / "out", tmp_path / "job.json"
    write_job(Job(settings=SETTINGS, shards=shards, parent=None, out=out, runtime=OFTEN), job)
    assert read_job(job).settings == SETTINGS
    rng, steps = random.Random(0), sorted(random.Random(1).sample(range(1, 19), 10))
    processes = multiprocessing.get_context("forkserver")  # as the executor does
    processes.set_forkserver_preload(["davinci.platform.training.entry"])
    for step in steps:
        process = processes.Process(target=entry.main, args=(job,))
        process.start()
        while newest_snapshot(out) < step and process.is_alive():
            time.sleep(0.002)
        time.sleep(rng.random() * 0.01)
        process.kill()
        process.join()
    assert list(out.glob("snapshot-*")), "it was killed before its end"
    train(out, shards)
    assert digest_of(out) == digest_of(straight)
    assert curves_of(out) == curves_of(straight)


def test_snapshots_themselves_change_nothing(
    tmp_path: Path, shards: Shards, straight: Path
) -> None:
    assert digest_of(train(tmp_path, shards, runtime=OFTEN)) == digest_of(straight)
    assert curves_of(tmp_path) == curves_of(straight)


def damage(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def stopped(out: Path, shards: Shards, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    with monkeypatch.context() as patch:
        StopAt(patch, step)
        with pytest.raises(Preempted):
            train(out, shards, runtime=OFTEN)


def test_a_damaged_snapshot_is_passed_over_for_the_one_before(
    tmp_path: Path,
    shards: Shards,
    straight: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stopped(tmp_path, shards, monkeypatch, 9)
    assert sorted(p.name for p in tmp_path.glob("snapshot-*")) == ["snapshot-8", "snapshot-9"]
    damage(tmp_path / "snapshot-9")
    train(tmp_path, shards)
    assert "snapshot-9 is damaged" in caplog.text
    assert "snapshot-8 is damaged" not in caplog.text
    assert digest_of(tmp_path) == digest_of(straight)


def test_where_no_snapshot_is_whole_it_begins_anew(
    tmp_path: Path, shards: Shards, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path, shards, monkeypatch, 9)
    damage(tmp_path / "snapshot-9")
    (tmp_path / "snapshot-8" / "snapshot.json").write_text("{")
    assert digest_of(train(tmp_path, shards)) == digest_of(straight)


def test_a_snapshot_of_another_segment_is_not_gone_on_from(
    tmp_path: Path, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path / "one", shards, monkeypatch, 9)
    other = replace(SETTINGS, seed=1)
    expected = digest_of(train(tmp_path / "expected", shards, other))
    assert digest_of(train(tmp_path / "one", shards, other)) == expected


def test_a_full_disk_leaves_the_snapshot_before_whole(
    tmp_path: Path, shards: Shards, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path, shards, monkeypatch, 9)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("davinci.platform.training.snapshots.save_tensors", full)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path, shards, runtime=OFTEN)
    assert (tmp_path / "snapshot-9").is_dir()
    assert not list(tmp_path.glob(".snapshot-*"))
    assert digest_of(train(tmp_path, shards)) == digest_of(straight)


def piece(begin: int, end: int) -> SegmentSettings:
    """Return a part of the straight segment, by its steps."""
    return replace(
        SETTINGS,
        num_steps=end - begin,
        first_position=4 * begin,
        tokens_before=64 * begin,
        lr=replace(LAW, begun_tokens=64 * begin),
    )


@pytest.mark.parametrize("cuts", [(12,), (1, 2, 20), (5, 10, 15, 20)])
def test_a_segment_cut_into_pieces_gives_the_bits_of_the_whole(
    tmp_path: Path, shards: Shards, straight: Path, cuts: tuple[int, ...]
) -> None:
    parent: Path | None = None
    tokens: list[float] = []
    for begin, end in zip((0, *cuts), (*cuts, 24), strict=True):
        parent = train(tmp_path / str(end), shards, piece(begin, end), parent=parent)
        tokens += curves_of(parent)["loss"]["tokens"]
    assert parent is not None
    assert digest_of(parent) == digest_of(straight)
    assert tokens == sorted(tokens)
    whole, last = result_of(straight), result_of(parent)
    for name in ("tokens_total", "position", "epochs_total_per_domain"):
        assert last[name] == whole[name]


def test_two_forks_of_one_parent_are_what_they_would_be_alone(
    tmp_path: Path, shards: Shards
) -> None:
    parent = train(tmp_path / "parent", shards, piece(0, 12))
    kept = digest_of(parent)
    second = replace(SETTINGS, stage_index=1, num_steps=6, weights={"code": 1.0}, lr=LAW)
    for name, settings in (("a", second), ("b", replace(second, weights={"math": 1.0}))):
        forked = train(tmp_path / name, shards, settings, parent=parent)
        alone = train(tmp_path / f"alone-{name}", shards, piece(0, 12))
        unshared = train(tmp_path / f"unshared-{name}", shards, settings, parent=alone)
        assert digest_of(forked) == digest_of(unshared)
    assert digest_of(parent) == kept
    shutil.rmtree(tmp_path / "parent" / "optimizer")
    without = train(tmp_path / "c", shards, second, parent=parent)
    assert digest_of(without) != digest_of(tmp_path / "a")
    steps = load_file(next((without / "optimizer").glob("*.safetensors")))
    assert {float(t) for n, t in steps.items() if n.startswith("step.")} == {6.0}
    assert torch.isfinite(steps["exp_avg.model.norm.weight"]).all()


def test_it_may_go_on_with_other_micro_batches_in_the_middle_of_an_interval(
    tmp_path: Path, shards: Shards, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path, shards, monkeypatch, 7)
    train(tmp_path, shards, runtime=replace(RUNTIME, micro_batch_size=1))
    ours, theirs = curves_of(tmp_path)["loss"], curves_of(straight)["loss"]
    assert ours["tokens"] == theirs["tokens"]
    assert ours["values"] == pytest.approx(theirs["values"], rel=1e-3)


def test_what_a_killed_attempt_has_written_of_its_end_is_not_mixed_in(
    tmp_path: Path, shards: Shards, straight: Path
) -> None:
    for stale in ("model/old.safetensors", "optimizer/shard-00002-model-00001.safetensors"):
        (tmp_path / stale).parent.mkdir()
        (tmp_path / stale).write_bytes(b"half of it")
    assert digest_of(train(tmp_path, shards)) == digest_of(straight)
    assert not list(tmp_path.glob("*/old*")) + list(tmp_path.glob("*/shard-00002*"))
