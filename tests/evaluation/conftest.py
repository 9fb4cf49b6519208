"""A tiny model with firm opinions, its tokenizer, and a mirror of benchmarks."""

from pathlib import Path

import pytest
from tests.evaluation.benchmark_data import write_mirror
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2ForCausalLM

from davinci.models.build import build_model
from davinci.models.settings import ModelSettings

MERGES = [("Ċ", "Ġ"), ("ĊĠ", "Ġ"), ("Ġ", "a"), ("a", "b")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer with a few merges, two of them of white space."""
    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [left + right for left, right in MERGES]
    vocab = {name: index for index, name in enumerate(names)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=MERGES))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([names[0]])
    return made


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Qwen2ForCausalLM:
    """Return random weights, large enough that the model has firm opinions."""
    settings = ModelSettings(
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
        intermediate_size=48,
        vocab_size=tokenizer.get_vocab_size() + 3,
        context_length=48,
        initializer_std=0.4,
        tie_embeddings=False,
    )
    made = build_model(settings, seed=1)
    made.train(False)
    return made


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data of every benchmark's schema."""
    return write_mirror(tmp_path_factory.mktemp("mirror"))
