"""Random weights, large enough that the model has firm opinions."""

from typing import Any

from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.models.build import build_model
from davinci.models.settings import ModelSettings


def tiny_model(tokenizer: Tokenizer, **changes: Any) -> Qwen2ForCausalLM:
    """Return a tiny model for a tokenizer; `changes` are fields of its settings."""
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 8,
        "intermediate_size": 48,
        "vocab_size": tokenizer.get_vocab_size(),
        "context_length": 6000,
        "initializer_std": 0.4,
    }
    made = build_model(ModelSettings(**{**shape, **changes}), seed=1)
    made.train(False)
    return made
