"""Each GPU goes to one task at a time."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.small_training import SETTINGS

from davinci.models.settings import ModelSettings
from davinci.platform.config.identity import canonical
from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.execute import devices
from davinci.platform.execute.devices import (
    MEMORY_OF_A_PROCESS,
    Free,
    Need,
    allot,
    need_of,
    num_bytes_of_memory,
    visible_gpus,
)
from davinci.platform.ledger.task import Task

LARGE = ModelSettings(
    hidden_size=2048,
    num_layers=36,
    num_heads=16,
    num_kv_heads=2,
    head_dim=128,
    intermediate_size=11008,
    vocab_size=151936,
    context_length=16,
)

SEGMENT, EVALUATION, CORPUS = (
    Task(kind="segment", settings={}),
    Task(kind="evaluation", settings={}),
    Task(kind="corpus", settings={}),
)


def test_training_takes_its_devices_and_evaluation_one() -> None:
    two = TrainingRuntime(devices=2)
    assert need_of(SEGMENT, two, on_gpu=True)[:2] == (1, 2)
    assert need_of(EVALUATION, two, on_gpu=True)[:2] == (1, 1)
    assert need_of(CORPUS, two, on_gpu=True)[:2] == (1, 0)
    assert need_of(SEGMENT, two, on_gpu=False)[:2] == (2, 0)
    assert need_of(SEGMENT, replace(two, devices=1), on_gpu=False)[:2] == (1, 0)


def test_training_on_a_cpu_takes_the_memory_of_its_processes() -> None:
    settings = canonical(SETTINGS)
    segment = Task(kind="segment", settings=settings)
    one = need_of(segment, TrainingRuntime(), on_gpu=False).memory
    assert one > MEMORY_OF_A_PROCESS
    assert one > need_of(CORPUS, TrainingRuntime(), on_gpu=False).memory
    large = Task(kind="segment", settings=canonical(replace(SETTINGS, model=LARGE)))
    assert need_of(large, TrainingRuntime(), on_gpu=False).memory > 3_000_000_000 * 12


def test_what_the_machine_tells_of_its_memory_is_believed(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal: 2048 kB\nMemAvailable:    1024 kB\n")
    assert num_bytes_of_memory(told) == 2**20
    assert num_bytes_of_memory(tmp_path / "none") >= 2**30


def test_gpus_are_given_out_one_by_one_and_none_twice() -> None:
    free = Free(slots=4, gpus=("3", "5", "7"), memory=100)
    assert allot(Need(1, 2), free, alone=False) == ("3", "5")
    assert allot(Need(1, 2), free._replace(gpus=("7",)), alone=True) is None


def test_what_does_not_fit_waits_and_what_never_fits_runs_alone() -> None:
    free = Free(slots=1, gpus=(), memory=100)
    assert allot(Need(2, 0), free, alone=False) is None
    assert allot(Need(1, 0, 101), free, alone=False) is None
    assert allot(Need(1, 0, 100), free, alone=False) == ()
    assert allot(Need(8, 0, 1000), free, alone=True) == ()


def test_gpus_that_the_user_hides_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert visible_gpus("auto") == ("4", "6")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus("gpu") == ("0", "1")
    assert visible_gpus("cpu") == ()
