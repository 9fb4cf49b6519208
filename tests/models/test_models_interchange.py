import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, Qwen2Config
from transformers import Qwen2ForCausalLM as Qwen2

from davinci.models.build import build_model, load_model, save_model
from davinci.models.interchange import export_model, import_model, settings_of
from davinci.models.settings import ModelSettings

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
IDS = torch.arange(16)[None]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Return a folder as others save it: bfloat16, several files, untied, another rope base."""
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    folder = tmp_path / "theirs"
    Qwen2(config).bfloat16().save_pretrained(folder, max_shard_size="8KB")
    return folder


def test_a_foreign_checkpoint_comes_in_with_equal_logits(theirs: Path, tmp_path: Path) -> None:
    assert len(list(theirs.glob("*.safetensors"))) > 1
    settings = import_model(theirs, tmp_path / "ours")
    assert settings == settings_of(theirs)
    assert (settings.rope_theta, settings.tie_embeddings, settings.head_dim) == (1e6, False, 8)
    expected = AutoModelForCausalLM.from_pretrained(theirs, dtype=torch.float32)(input_ids=IDS)
    found = load_model(tmp_path / "ours")
    assert found.dtype == torch.float32
    assert torch.equal(found(input_ids=IDS).logits, expected.logits)


def test_an_exported_checkpoint_loads_with_equal_logits_and_ends_where_it_should(
    tmp_path: Path,
) -> None:
    model = build_model(TINY, seed=0)
    save_model(model, tmp_path / "model")
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    export_model(tmp_path / "model", tmp_path / "out", tokenizer=tokenizer, end_of_text_id=7)
    found = Qwen2.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert torch.equal(found(input_ids=IDS).logits, model(input_ids=IDS).logits)
    assert (found.config.eos_token_id, found.generation_config.eos_token_id) == (7, 7)
    assert (tmp_path / "out" / "tokenizer.json").is_file()
    assert settings_of(tmp_path / "out") == settings_of(tmp_path / "model") == TINY


def test_nothing_is_exported_over_a_model(tmp_path: Path) -> None:
    save_model(build_model(TINY, seed=0), tmp_path / "model")
    with pytest.raises(FileExistsError, match="already"):
        export_model(tmp_path / "model", tmp_path / "model")


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="`model_type` must be qwen2, but .* holds a gpt2"):
        import_model(tmp_path, tmp_path / "out")


def test_pickled_weights_are_not_loaded(theirs: Path, tmp_path: Path) -> None:
    for file in theirs.glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(ValueError, match=r"\*\.safetensors"):
        import_model(theirs, tmp_path / "out")
    assert json.loads((theirs / "config.json").read_text())["model_type"] == "qwen2"
