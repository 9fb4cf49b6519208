"""A tiny model with firm opinions, its tokenizer, and a mirror of benchmarks."""

from pathlib import Path

import pytest
from tests.evaluation.benchmark_data import write_mirror
from tests.evaluation.tiny_model import tiny_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2ForCausalLM

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
    """Return a tiny model of short context, with a few ids that no token has."""
    vocab_size = tokenizer.get_vocab_size() + 3
    return tiny_model(tokenizer, vocab_size=vocab_size, context_length=48, tie_embeddings=False)


@pytest.fixture(scope="module")
def long_model(tokenizer: Tokenizer) -> Qwen2ForCausalLM:
    """Return a tiny model that reads long contexts."""
    return tiny_model(tokenizer, tie_embeddings=False)


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data of every benchmark's schema."""
    return write_mirror(tmp_path_factory.mktemp("mirror"))
