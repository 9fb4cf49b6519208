from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from davinci.models.build import build_model, load_model, save_model
from davinci.models.optimizer import build_optimizer
from davinci.models.schedule import learning_rate
from davinci.models.settings import ModelSettings, OptimizerSettings

TINY = ModelSettings(
    hidden_size=16,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    intermediate_size=24,
    vocab_size=32,
    context_length=16,
)


def test_weights_are_a_function_of_the_seed_alone() -> None:
    torch.manual_seed(99)
    state = torch.get_rng_state()
    first, second, other = (build_model(TINY, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_a_saved_model_loads_with_equal_logits_here_and_in_transformers(tmp_path: Path) -> None:
    model = build_model(TINY, seed=0)
    save_model(model, tmp_path)
    ids = torch.arange(16)[None]
    expected = model(input_ids=ids).logits
    assert torch.equal(load_model(tmp_path)(input_ids=ids).logits, expected)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(theirs(input_ids=ids).logits, expected)


def test_a_model_without_biases_is_refused() -> None:
    with pytest.raises(ValueError, match="qkv_bias"):
        build_model(replace(TINY, qkv_bias=False), device="meta")


def test_heads_that_do_not_share_keys_evenly_are_refused() -> None:
    with pytest.raises(ValueError, match="num_kv_heads"):
        build_model(replace(TINY, num_heads=3, num_kv_heads=2), device="meta")


def test_real_weights_need_a_seed() -> None:
    with pytest.raises(ValueError, match="seed"):
        build_model(TINY)


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_model(tmp_path)


def test_only_matrices_decay() -> None:
    model = build_model(TINY, seed=0)
    decayed, free = build_optimizer(model, OptimizerSettings(lr_peak=1.0)).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim == 2 for parameter in decayed["params"])
    assert all(parameter.ndim == 1 for parameter in free["params"])
    # Seven matrices per layer and the tied embedding; three biases and two norms, and one norm.
    assert (len(decayed["params"]), len(free["params"])) == (2 * 7 + 1, 2 * 5 + 1)


def rate(trained_tokens: int, shape: str, lr_end: float = 0.1) -> float:
    return learning_rate(
        trained_tokens,
        total_tokens=1000,
        warmup_tokens=200,
        shape=shape,  # type: ignore[arg-type]
        lr_start=1.0,
        lr_end=lr_end,
    )


def test_warmup_is_linear_from_nothing() -> None:
    assert [rate(tokens, "cosine") for tokens in (0, 50, 100)] == [0.0, 0.25, 0.5]


def test_after_the_warmup_each_shape_goes_its_way() -> None:
    assert [rate(tokens, "constant") for tokens in (200, 600, 1000)] == [1.0, 1.0, 1.0]
    assert [rate(tokens, "linear") for tokens in (200, 600, 1000)] == pytest.approx([1, 0.55, 0.1])
    assert [rate(tokens, "cosine") for tokens in (200, 600, 1000)] == pytest.approx([1, 0.55, 0.1])
    assert rate(400, "cosine") == pytest.approx(0.1 + 0.9 * (1 + 2**-0.5) / 2)


def test_a_warmup_as_long_as_the_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup_tokens"):
        learning_rate(
            1, total_tokens=10, warmup_tokens=10, shape="constant", lr_start=1.0, lr_end=1.0
        )


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="known: constant, cosine, linear"):
        rate(500, "wavy")
