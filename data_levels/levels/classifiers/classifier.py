"""Checks the settings of L3 before any work is done, and tells what identifies its model."""

import hashlib
import math
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from davinci.data_levels.settings import ClassifierSettings, changed_fields, check_choice

KINDS = ("trained", "huggingface", "fasttext")
REASONS = {
    "educational": "low_quality",
    "domain": "unwanted_domain",
    "document_type": "unwanted_document_type",
}
"""Why a document goes, by what is judged."""

SOURCE_LABELS = ("keep", "drop")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?", re.ASCII)
_BLOCK_BYTES = 2**20


def check_classifier(settings: ClassifierSettings) -> None:
    """Check the settings of L3 without loading anything.

    Raises:
        ValueError: It names the field, what it holds and what it may hold.
    """
    check_choice("data.classifier.kind", settings.kind, KINDS)
    check_choice("data.classifier.target", settings.target, tuple(REASONS))
    if not settings.keep:
        raise ValueError("`data.classifier.keep` must name a label, but is empty.")
    _check_threshold(settings)
    if settings.kind == "trained":
        _check_training(settings)
    elif not settings.model:
        raise ValueError(f"`data.classifier.kind`={settings.kind} needs `data.classifier.model`.")
    elif settings.kind == "huggingface":
        _check_huggingface(settings.model)
    else:
        _check_fasttext(settings.model)


def classifier_identity(settings: ClassifierSettings) -> dict[str, Any]:
    """Return plain data that determines the classifier: changed fields, and digests of files.

    A label file and a local model stand for their content, wherever they lie; a model of the hub
    is known by its name.

    Raises:
        ValueError: If a file is missing.
    """
    identity = changed_fields(settings)
    if settings.kind == "trained" and settings.labels not in ("source", "teacher"):
        identity["labels"] = f"sha256:{labels_identity(settings)}"
    if settings.kind != "trained" and Path(settings.model).exists():
        identity["model"] = f"sha256:{_digest_of(_stamps(Path(settings.model)))}"
    return identity


def labels_identity(settings: ClassifierSettings) -> str:
    """Return the SHA-256 of the label file, in hex.

    Raises:
        ValueError: If there is no such file.
    """
    _check_label_file(settings.labels)
    return _digest_of(_stamps(Path(settings.labels)))


def _check_threshold(settings: ClassifierSettings) -> None:
    limit = settings.min_keep_probability
    fits = math.isfinite(limit) and (settings.kind == "huggingface" or 0 <= limit <= 1)
    if not fits:
        raise ValueError(
            f"`data.classifier.min_keep_probability` must be from 0 to 1, got {limit}."
        )


def _check_training(settings: ClassifierSettings) -> None:
    if settings.model:
        raise ValueError(
            f"`data.classifier.model`={settings.model} is for `data.classifier.kind`=huggingface "
            "or fasttext; `trained` learns its own."
        )
    for name in ("ngram_max", "num_features", "num_teacher_labels"):
        if getattr(settings, name) < 1:
            value = getattr(settings, name)
            raise ValueError(f"`data.classifier.{name}` must be at least 1, got {value}.")
    if settings.labels == "source":
        if settings.target != "educational" or not set(settings.keep) <= set(SOURCE_LABELS):
            raise ValueError(
                "`data.classifier.labels`=source tells `keep` from `drop` by educational value, "
                f"but got `data.classifier.target`={settings.target} and "
                f"`data.classifier.keep`={list(settings.keep)}."
            )
    elif settings.labels != "teacher":
        _check_label_file(settings.labels)


def _check_label_file(labels: str) -> None:
    if not Path(labels).is_file():
        raise ValueError(
            "`data.classifier.labels` must be source, teacher or the path of a file of JSON lines, "
            f"but got {labels!r}."
        )


def _check_huggingface(model: str) -> None:
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise ValueError(
                "`data.classifier.model` must hold config.json and safetensors, but "
                f"{model} does not."
            )
    elif not _HUB_NAME.fullmatch(model):
        raise ValueError(
            "`data.classifier.model` must be a folder or a hub name such as owner/model, but got "
            f"{model!r}."
        )


def _check_fasttext(model: str) -> None:
    if not Path(model).is_file():
        raise ValueError(
            f"`data.classifier.model` must be the path of a fastText model, but got {model!r}."
        )
    if find_spec("fasttext") is None:
        raise ValueError(
            "`data.classifier.kind`=fasttext needs the package fasttext-predict: "
            "pip install fasttext-predict."
        )


def _stamps(path: Path) -> tuple[tuple[str, str, int, int], ...]:
    """Return place, name, size and time of change of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    return tuple(
        (
            str(file),
            "" if file == path else file.relative_to(path).as_posix(),
            file.stat().st_size,
            file.stat().st_mtime_ns,
        )
        for file in files
        if file == path or not file.relative_to(path).as_posix().startswith(".")
    )


@lru_cache(maxsize=16)
def _digest_of(stamps: tuple[tuple[str, str, int, int], ...]) -> str:
    """Return the SHA-256 over the files: of one its bytes, of several names and sizes as well."""
    sha = hashlib.sha256()
    for place, name, size, _ in stamps:
        if name:
            sha.update(f"{name}\x00{size}\x00".encode())
        with open(place, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                sha.update(block)
    return sha.hexdigest()
