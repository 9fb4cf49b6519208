"""Each GPU goes to one task at a time."""

from dataclasses import replace

import pytest

from davinci.platform.config.runtime import TrainingRuntime
from davinci.platform.execute import devices
from davinci.platform.execute.devices import Need, allot, need_of, visible_gpus
from davinci.platform.ledger.task import Task

SEGMENT, EVALUATION, CORPUS = (
    Task(kind="segment", settings={}),
    Task(kind="evaluation", settings={}),
    Task(kind="corpus", settings={}),
)


def test_training_takes_its_devices_and_evaluation_one() -> None:
    two = TrainingRuntime(devices=2)
    assert need_of(SEGMENT, two, on_gpu=True) == Need(1, 2)
    assert need_of(EVALUATION, two, on_gpu=True) == Need(1, 1)
    assert need_of(CORPUS, two, on_gpu=True) == Need(1, 0)
    assert need_of(SEGMENT, two, on_gpu=False) == Need(2, 0)
    assert need_of(SEGMENT, replace(two, devices=1), on_gpu=False) == Need(1, 0)


def test_gpus_are_given_out_one_by_one_and_none_twice() -> None:
    assert allot(Need(1, 2), free_slots=4, free_gpus=("3", "5", "7"), alone=False) == ("3", "5")
    assert allot(Need(1, 2), free_slots=4, free_gpus=("7",), alone=True) is None
    assert allot(Need(2, 0), free_slots=1, free_gpus=(), alone=False) is None
    assert allot(Need(8, 0), free_slots=2, free_gpus=(), alone=True) == ()


def test_gpus_that_the_user_hides_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert visible_gpus("auto") == ("4", "6")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus("gpu") == ("0", "1")
    assert visible_gpus("cpu") == ()
