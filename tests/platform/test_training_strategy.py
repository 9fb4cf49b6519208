"""Where a process stands among others, as torchrun and SLURM tell it."""

from dataclasses import replace

import pytest
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from tests.small_training import RUNTIME

from davinci.platform.training.strategy import Place, build_strategy, is_sharded, place


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("rank", "size"), [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")]
)
def test_the_launcher_tells_a_process_its_place(
    monkeypatch: pytest.MonkeyPatch, rank: str, size: str
) -> None:
    monkeypatch.setenv(rank, "3")
    monkeypatch.setenv(size, "4")
    assert place(replace(RUNTIME, devices=2, num_nodes=2)) == Place(3, 4)
    assert place(RUNTIME) == Place(0, 1), "one process asks nobody"


def test_other_processes_than_were_asked_for_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="got 2 x 1 and 1 started"):
        place(replace(RUNTIME, devices=2))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ValueError, match="got 2 x 2 and 8 started"):
        place(replace(RUNTIME, devices=2, num_nodes=2))


def test_only_several_processes_have_a_strategy() -> None:
    assert build_strategy(replace(RUNTIME, strategy="fsdp")) == "auto"
    assert not is_sharded(replace(RUNTIME, strategy="fsdp"))
    assert isinstance(build_strategy(replace(RUNTIME, devices=2)), DDPStrategy)
    sharded = build_strategy(replace(RUNTIME, devices=4, strategy="fsdp"))
    assert isinstance(sharded, ModelParallelStrategy)
