from dataclasses import replace

import pytest
import torch
from tests.small_training import MODEL, RUNTIME, SETTINGS

from davinci.models.peaks import peak_flops
from davinci.platform.training.guards import (
    OutOfMemory,
    SpikeWatch,
    check_finite,
    check_level,
)
from davinci.platform.training.memory import micro_batch_size, with_advice
from davinci.platform.training.settings import TrainingDiverged


def test_a_step_that_stands_out_is_noted_with_what_was_usual() -> None:
    watch = SpikeWatch()
    losses = [2.0 + 0.01 * (step % 5) for step in range(100)]
    norms = [0.2] * 100
    losses[60], norms[80] = 2.6, 1.5
    watch.see(0, losses, norms)
    assert [(spike["step"], spike["kind"]) for spike in watch.found] == [
        (60, "loss"),
        (80, "grad_norm"),
    ]
    assert watch.found[0]["usual"] == pytest.approx(2.02)


def test_a_falling_loss_and_the_first_steps_are_no_spikes() -> None:
    watch = SpikeWatch()
    watch.see(0, [9.0, 3.0, 30.0], [1.0, 100.0, 1.0])
    watch.see(3, [6.0 * 0.98**step for step in range(200)], [1.0] * 200)
    assert watch.found == []


def test_a_watch_goes_on_from_its_state() -> None:
    losses = [2.0 + 0.01 * (step % 7) for step in range(90)] + [4.0]
    whole, first = SpikeWatch(), SpikeWatch()
    whole.see(0, losses, [1.0] * 91)
    first.see(0, losses[:50], [1.0] * 50)
    rest = SpikeWatch.restored(first.state())
    rest.see(50, losses[50:], [1.0] * 41)
    assert rest.state() == whole.state()
    assert [spike["step"] for spike in rest.found] == [90]


def test_the_first_value_that_is_no_number_is_named() -> None:
    with pytest.raises(TrainingDiverged, match="loss of step 12 is nan"):
        check_finite(10, [1.0, 2.0, float("nan")], [1.0, 1.0, float("inf")])
    with pytest.raises(TrainingDiverged, match="gradient norm of step 11 is inf"):
        check_finite(10, [1.0, 2.0], [1.0, float("inf")])


def test_a_model_far_worse_than_guessing_has_diverged() -> None:
    check_level(100, 6.9, 1000, num_steps=20)  # ln 1000 = 6.91
    check_level(100, 9.5, 1000, num_steps=1)
    with pytest.raises(TrainingDiverged, match="step 99"):
        check_level(100, 9.0, 1000, num_steps=20)


def test_a_lack_of_memory_says_what_would_fit() -> None:
    settings = replace(SETTINGS, batch_tokens=64 * 16)
    with (
        pytest.raises(OutOfMemory, match=r"Set trainer\.micro_batch_size=32\."),
        with_advice(settings, RUNTIME, 64),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")
    huge = replace(
        MODEL, hidden_size=2**17, num_heads=2**14, num_layers=99, intermediate_size=2**19
    )
    with (
        pytest.raises(OutOfMemory, match=r"strategy=fsdp"),
        with_advice(replace(settings, model=huge), RUNTIME, 1),
    ):
        raise MemoryError
    with pytest.raises(RuntimeError, match="else"), with_advice(settings, RUNTIME, 64):
        raise RuntimeError("something else")


def test_a_micro_batch_divides_what_a_process_takes() -> None:
    settings = replace(SETTINGS, batch_tokens=16 * 12)
    assert micro_batch_size(settings, RUNTIME) == 12
    assert micro_batch_size(settings, replace(RUNTIME, devices=3)) == 4
    with pytest.raises(ValueError, match="must divide the 6 sequences"):
        micro_batch_size(settings, replace(RUNTIME, devices=2, micro_batch_size=4))
    with pytest.raises(ValueError, match="must divide the 12 sequences of a step, but got 5 x 1"):
        micro_batch_size(settings, replace(RUNTIME, devices=5))


def test_a_cards_peak_is_found_by_its_longest_name() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("NVIDIA H200") == 989e12
    assert peak_flops("abacus") == 0.0
