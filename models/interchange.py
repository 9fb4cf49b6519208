"""Checkpoints to and from elsewhere: Hugging Face folders of Qwen2 models.

Weights are read from safetensors alone; what is pickled is refused, not loaded.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from davinci.models.build import load_model, save_model
from davinci.models.settings import ModelSettings

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.json", "merges.txt", "added_tokens.json", "chat_template.jinja"),
)


def settings_of(folder: Path) -> ModelSettings:
    """Return the shape of the model in a Hugging Face folder.

    Raises:
        ValueError: If it is no Qwen2 model.
    """
    config = _config(folder)
    if config.get("model_type") != "qwen2":
        raise ValueError(
            f"`model_type` must be qwen2, but {folder} holds a {config.get('model_type')}."
        )
    rope = config.get("rope_parameters") or {}
    return ModelSettings(
        hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config["num_key_value_heads"],
        head_dim=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
        intermediate_size=config["intermediate_size"],
        vocab_size=config["vocab_size"],
        context_length=config["max_position_embeddings"],
        rope_theta=float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))),
        rms_norm_eps=config["rms_norm_eps"],
        tie_embeddings=config.get("tie_word_embeddings", False),
        initializer_std=config.get("initializer_range", 0.02),
    )


def import_model(folder: Path, out: Path) -> ModelSettings:
    """Write the model in a Hugging Face folder as davinci's own, in float32; return its shape.

    The folder may have its weights in any precision and in any number of files.

    Raises:
        ValueError: If it is no Qwen2 model, or has no safetensors.
    """
    settings = settings_of(folder)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"Weights must be in *.safetensors, but {folder} has none; pickled weights are not "
            "loaded: save the model anew with `safe_serialization`."
        )
    save_model(load_model(folder), out)
    return settings


def export_model(
    model: Path, out: Path, *, tokenizer: Path | None = None, end_of_text_id: int | None = None
) -> None:
    """Write a checkpoint as a Hugging Face folder that loads anywhere, with its tokenizer.

    Args:
        model: The `model` folder of a segment.
        out: Folder to write into; must not hold a model yet.
        tokenizer: Folder of the tokenizer that the model was trained with.
        end_of_text_id: Ends generation; as the model's config has it if not given.

    Raises:
        FileExistsError: If there is a model in `out` already.
    """
    if (out / "config.json").exists():
        raise FileExistsError(f"{out} holds a model already; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    config = _config(model)
    if end_of_text_id is not None:
        config |= {"bos_token_id": end_of_text_id, "eos_token_id": end_of_text_id}
    for file in model.glob("*.safetensors"):
        shutil.copyfile(file, out / file.name)
    _write(out / "config.json", config)
    ends = ("bos_token_id", "eos_token_id")
    generation: dict[str, Any] = {name: config[name] for name in ends if name in config}
    _write(out / "generation_config.json", generation)
    if tokenizer is not None:
        for name in TOKENIZER_FILES:
            if (tokenizer / name).is_file():
                shutil.copyfile(tokenizer / name, out / name)


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
