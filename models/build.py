"""From settings to a Qwen2 model of transformers, so that every checkpoint loads everywhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging as transformers_logging

from davinci.models.parametrization import rescale
from davinci.models.settings import ModelSettings

END_OF_TEXT_ID = 0
"""Ends every document and stands before the first; the tokenizer gives it id 0."""


def qwen2_config(settings: ModelSettings) -> Qwen2Config:
    """Return the transformers configuration; dropout is off everywhere.

    Raises:
        ValueError: If the shape is not a Qwen2 model's.
    """
    if not settings.qkv_bias:
        raise ValueError(
            "`qkv_bias` must be true: Qwen2ForCausalLM has biases on its query, key and value "
            "projections, and a checkpoint without them would not load elsewhere."
        )
    if settings.num_heads % settings.num_kv_heads:
        raise ValueError(
            "`num_heads` must be a multiple of `num_kv_heads`, but got "
            f"{settings.num_heads=}, {settings.num_kv_heads=}."
        )
    config = Qwen2Config(
        vocab_size=settings.vocab_size,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_kv_heads,
        max_position_embeddings=settings.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        rms_norm_eps=settings.rms_norm_eps,
        tie_word_embeddings=settings.tie_embeddings,
        initializer_range=settings.initializer_std,
        attention_dropout=0.0,
        use_sliding_window=False,
        bos_token_id=END_OF_TEXT_ID,
        eos_token_id=END_OF_TEXT_ID,
    )
    config.head_dim = settings.head_dim
    config._attn_implementation = "sdpa"
    return config


def build_model(
    settings: ModelSettings,
    *,
    device: Literal["meta"] | None = None,
    seed: int | None = None,
) -> Qwen2ForCausalLM:
    """Return a model in float32; on the meta device it has shapes and no memory.

    The weights are a function of `seed` alone, and the global random state is left as it was.

    Raises:
        ValueError: If the shape is no Qwen2 model's, or if real weights are asked without a seed.
    """
    config = qwen2_config(settings)
    if device == "meta":
        with torch.device("meta"):
            return Qwen2ForCausalLM(config)
    if seed is None:
        raise ValueError("A model with real weights needs a `seed`; without one, use `meta`.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config)
    rescale(model, settings)
    return model


def load_model(folder: Path) -> Qwen2ForCausalLM:
    """Return the model saved in `folder` (config.json and model.safetensors), in float32.

    Raises:
        FileNotFoundError: If the folder holds no checkpoint.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no checkpoint: config.json is missing.")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = Qwen2ForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, attn_implementation="sdpa"
    )
    assert isinstance(model, Qwen2ForCausalLM)
    return model


def save_model(
    model: Qwen2ForCausalLM, folder: Path, tensors: Mapping[str, Tensor] | None = None
) -> None:
    """Write `model` as a Hugging Face folder that `load_model` and transformers read.

    `tensors` take the place of its parameters where it holds but a part of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tensors is None:
        tensors = {name: p.detach().cpu() for name, p in model.named_parameters()}
    model.config.architectures = [type(model).__name__]
    model.config.dtype = next(iter(tensors.values())).dtype
    model.config.save_pretrained(folder)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / "model.safetensors", metadata={"format": "pt"})
