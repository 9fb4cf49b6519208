"""A checkpoint to start from: found, read and compared with the recipe before anything starts."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from davinci.models.settings import ModelSettings
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.recipe import Parent

FIELD = "curriculum.parent"
MIN_DIGITS = 6
KEYS: Mapping[str, str] = {
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "intermediate_size": "intermediate_size",
    "vocab_size": "vocab_size",
    "tie_embeddings": "tie_word_embeddings",
}
"""Fields of `scale` that a parent must agree in -> their names in a Hugging Face config."""


def find_parent(asked: str, model: ModelSettings, output_dir: Path) -> Parent | None:
    """Return the checkpoint that a config names; None where it names none.

    `asked` is a Hugging Face folder, a segment's folder, or the first digits of its digest.

    Raises:
        ConfigError: If there is no such checkpoint, or its model is of another shape.
    """
    if not asked:
        return None
    folder = _segment(asked, output_dir) or Path(asked).expanduser().absolute()
    own = (folder / "result.json").is_file()
    weights = folder / "model" if own else folder
    if not (weights / "config.json").is_file():
        raise ConfigError([_unknown(asked, output_dir)])
    if problems := _differences(asked, weights, model):
        raise ConfigError(problems)
    if not own:
        return Parent(kind="folder", digest=_content(weights), path=str(folder))
    result = json.loads((folder / "result.json").read_text())
    return Parent(
        kind="segment",
        digest=folder.name,
        path=str(folder),
        tokens=result["tokens_total"],
        num_stages=result["position"]["stage_index"] + 1,
    )


def _segment(asked: str, output_dir: Path) -> Path | None:
    """Return the folder of the one segment whose digest begins so, if `asked` is hex digits."""
    if not re.fullmatch(rf"[0-9a-f]{{{MIN_DIGITS},64}}", asked):
        return None
    found = sorted((output_dir / "artifacts" / "segment").glob(f"{asked}*"))
    if len(found) > 1:
        rule = f"{len(found)} segments begin so; give more digits."
        raise ConfigError([Problem(field=FIELD, value=asked, rule=rule)])
    return found[0] if found else None


def _unknown(asked: str, output_dir: Path) -> Problem:
    known = sorted((output_dir / "artifacts" / "segment").glob("[0-9a-f]*"))
    newest = sorted(known, key=lambda path: path.stat().st_mtime, reverse=True)[:5]
    rule = "there is no such checkpoint: give a Hugging Face folder (config.json and "
    rule += "*.safetensors), or the first digits of the digest of a segment in output_dir."
    allowed = tuple(path.name[:12] for path in newest)
    return Problem(field=FIELD, value=asked, rule=rule, allowed=allowed)


def _differences(asked: str, weights: Path, model: ModelSettings) -> list[Problem]:
    config: dict[str, Any] = json.loads((weights / "config.json").read_text())
    kind = config.get("model_type")
    if kind != "qwen2":
        rule = f"its model is a {kind}; only qwen2 models can go on here."
        return [Problem(field=FIELD, value=asked, rule=rule)]
    if not any(weights.glob("*.safetensors")):
        rule = "it holds no *.safetensors; weights that are pickled are not loaded."
        return [Problem(field=FIELD, value=asked, rule=rule)]
    theirs = {**config, "head_dim": config.get("head_dim") or _head_dim(config)}
    found = [
        Problem(
            field=f"scale.{name}",
            value=str(getattr(model, name)),
            rule=f"the parent checkpoint has {theirs.get(key)}; choose the scale it was made at.",
        )
        for name, key in KEYS.items()
        if theirs.get(key) != getattr(model, name)
    ]
    theta = (config.get("rope_parameters") or {}).get("rope_theta", config.get("rope_theta"))
    if theta != model.rope_theta:
        rule = f"the parent checkpoint has {theta}; choose the scale it was made at."
        found.append(Problem(field="scale.rope_theta", value=f"{model.rope_theta:g}", rule=rule))
    return found


def _head_dim(config: Mapping[str, Any]) -> int:
    return int(config["hidden_size"]) // int(config["num_attention_heads"])


def _content(weights: Path) -> str:
    """Return the SHA-256 over a folder's shape and weights."""
    total = hashlib.sha256()
    for path in sorted([weights / "config.json", *weights.glob("*.safetensors")]):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
