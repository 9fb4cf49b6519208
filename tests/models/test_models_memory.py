from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from davinci.models.build import build_model
from davinci.models.memory import largest_micro_batch, saved_bytes_per_token, training_memory
from davinci.models.network import Network
from davinci.models.settings import ModelSettings
from davinci.models.size import num_layer_parameters, num_parameters

SMALL = ModelSettings(
    hidden_size=64,
    num_layers=1,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=176,
    vocab_size=64,
    context_length=64,
)
PAPER_3B = ModelSettings(
    hidden_size=2048,
    num_layers=36,
    num_heads=16,
    num_kv_heads=2,
    head_dim=128,
    intermediate_size=11008,
    vocab_size=151936,
    context_length=4096,
)


def saved_bytes(settings: ModelSettings, *, low: bool) -> int:
    """Return what torch keeps for the backward pass of two sequences, parameters aside."""
    model = build_model(settings, seed=0).train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    windows = torch.zeros(2, settings.context_length + 1, dtype=torch.int64)
    with (
        saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=low),
    ):
        Network(model)(windows)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize(
    "changes",
    [{}, {"hidden_size": 128}, {"num_heads": 8}, {"intermediate_size": 400}, {"head_dim": 32}],
)
def test_what_a_layer_saves_is_what_torch_saves(low: bool, changes: dict[str, int]) -> None:
    one = replace(SMALL, **changes)  # type: ignore[arg-type]
    two = replace(one, num_layers=2)
    measured = saved_bytes(two, low=low) - saved_bytes(one, low=low)
    width, sums = one.hidden_size, one.num_heads * one.head_dim
    matrices = num_layer_parameters(one) - 2 * width - sums - 2 * one.num_kv_heads * one.head_dim
    copies = 2 * matrices if low else 0  # autocast keeps the weights in bfloat16 as well
    expected = 2 * one.context_length * saved_bytes_per_token(one, low=low) + copies
    assert measured == pytest.approx(expected, rel=0.02)


def test_the_papers_model_takes_sixteen_bytes_a_parameter_and_then_some() -> None:
    memory = training_memory(PAPER_3B, precision="32-true", micro_batch_size=1)
    states = memory.weights + memory.gradients + memory.optimizer
    assert states == 16 * num_parameters(PAPER_3B)
    low = training_memory(PAPER_3B, precision="bf16-mixed", micro_batch_size=1, recompute=True)
    assert 50 < low.total / 2**30 < 64
    assert low.activations < memory.activations / 15
    parts = training_memory(
        PAPER_3B, precision="bf16-mixed", micro_batch_size=1, recompute=True, num_shards=8
    )
    assert parts.optimizer * 8 == pytest.approx(low.optimizer)
    assert parts.total < low.total / 3


def test_the_largest_micro_batch_divides_and_fits() -> None:
    found = largest_micro_batch(PAPER_3B, 80 * 2**30, precision="bf16-mixed", share=12)
    assert found == 0
    found = largest_micro_batch(
        PAPER_3B, 80 * 2**30, precision="bf16-mixed", share=12, recompute=True
    )
    fits = training_memory(
        PAPER_3B, precision="bf16-mixed", micro_batch_size=found, recompute=True
    ).total
    assert 12 % found == 0
    assert fits < 0.9 * 80 * 2**30
