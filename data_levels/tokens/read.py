"""Reading token shards; light, so that a machine that only trains needs nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOKENS_FILE = "tokens.npy"
DOCUMENTS_FILE = "documents.npy"
QUESTIONS_FILE = "questions.npy"
MANIFEST_FILE = "manifest.json"

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


def load_shards(path: Path) -> Tokens:
    """Return the token ids of a shards folder, shape (num_tokens,), mapped read-only from disk.

    Raises:
        ValueError: If the folder holds none.
    """
    tokens: Tokens = np.load(_file(path, TOKENS_FILE), mmap_mode="r", allow_pickle=False)
    return tokens


def load_document_offsets(path: Path) -> NDArray[np.int64]:
    """Return where documents begin, and where the last one ends, shape (num_documents + 1,).

    Raises:
        ValueError: If the folder holds no such file.
    """
    offsets: NDArray[np.int64] = np.load(_file(path, DOCUMENTS_FILE), mmap_mode="r")
    return offsets


def load_question_ranges(path: Path) -> NDArray[np.int64]:
    """Return the runs [start, end) of question tokens, in order and apart, shape (num_runs, 2).

    Raises:
        ValueError: If the folder holds no such file.
    """
    ranges: NDArray[np.int64] = np.load(_file(path, QUESTIONS_FILE), mmap_mode="r")
    return ranges


def load_shards_manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest of a shards folder, as `write_shards` returned it.

    Raises:
        ValueError: If the folder holds none.
    """
    text = _file(path, MANIFEST_FILE).read_text(encoding="ascii")
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _file(path: Path, name: str) -> Path:
    if not (path / name).is_file():
        raise ValueError(f"A shards folder holds {name}, but {path} does not.")
    return path / name
