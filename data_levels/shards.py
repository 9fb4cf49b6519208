"""Token shards: a corpus as one long row of token ids, ready to be memory-mapped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from davinci.data_levels.corpus import Progress, num_bytes, read_documents, silent
from davinci.data_levels.tokenizer import END_OF_TEXT_ID, load_tokenizer

TOKENS_FILE = "tokens.npy"
MANIFEST_FILE = "manifest.json"
BATCH_DOCUMENTS = 256

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


def write_shards(
    corpus: Path, tokenizer: Path | Tokenizer, out: Path, progress: Progress = silent
) -> dict[str, Any]:
    """Tokenize a corpus into the folder `out`: documents in order, each ended by id 0.

    Args:
        corpus: Folder of the corpus.
        tokenizer: Folder of the tokenizer, or the tokenizer as `load_tokenizer` returns it.
        out: Folder for `tokens.npy` (uint16, uint32 above 65535 ids) and `manifest.json`.
        progress: Told after every batch of documents.

    Returns:
        The manifest: `num_tokens`, `num_documents`, `num_bytes`, `vocab_size`.

    Raises:
        ValueError: If the corpus has no documents.
    """
    if isinstance(tokenizer, Path):
        tokenizer = load_tokenizer(tokenizer)
    documents = list(read_documents(corpus))
    if not documents:
        raise ValueError(
            "Training needs documents, but this corpus has none left; give its domain more, choose "
            f"a shallower `data.level`, or set its mixture weight to 0. It is {corpus}."
        )
    vocab_size = tokenizer.get_vocab_size()
    dtype: type[np.uint16] | type[np.uint32] = np.uint16 if vocab_size <= 2**16 else np.uint32
    end = np.array([END_OF_TEXT_ID], dtype=dtype)
    pieces: list[NDArray[Any]] = []
    for start in range(0, len(documents), BATCH_DOCUMENTS):
        texts = [document.text for document in documents[start : start + BATCH_DOCUMENTS]]
        for encoding in tokenizer.encode_batch_fast(texts):
            pieces += [np.array(encoding.ids, dtype=dtype), end]
        progress(min(start + BATCH_DOCUMENTS, len(documents)), len(documents), "documents")
    tokens = np.concatenate(pieces)
    manifest = {
        "num_tokens": len(tokens),
        "num_documents": len(documents),
        "num_bytes": num_bytes(documents),
        "vocab_size": vocab_size,
    }
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / TOKENS_FILE, tokens, allow_pickle=False)
    (out / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="ascii")
    return manifest


def load_shards(path: Path) -> Tokens:
    """Return the token ids of a shards folder, shape (num_tokens,), mapped read-only from disk.

    Raises:
        ValueError: If the folder holds none.
    """
    if not (path / TOKENS_FILE).is_file():
        raise ValueError(f"A shards folder holds {TOKENS_FILE}, but {path} does not.")
    tokens: Tokens = np.load(path / TOKENS_FILE, mmap_mode="r", allow_pickle=False)
    return tokens


def load_shards_manifest(path: Path) -> Mapping[str, int]:
    """Return `num_tokens`, `num_documents`, `num_bytes` and `vocab_size` of a shards folder.

    Raises:
        ValueError: If the folder holds none.
    """
    if not (path / MANIFEST_FILE).is_file():
        raise ValueError(f"A shards folder holds {MANIFEST_FILE}, but {path} does not.")
    manifest: dict[str, int] = json.loads((path / MANIFEST_FILE).read_text(encoding="ascii"))
    return manifest
