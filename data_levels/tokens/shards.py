"""Token shards: a corpus as one long row of token ids, ready to be memory-mapped.

    tokens.npy     ids of all documents, in order, each ended by the end of text
    documents.npy  where documents begin in that row, and where the last one ends
    questions.npy  runs of tokens that belong to questions, so that they can be masked
    manifest.json  counts; written last

Each part of the corpus is tokenized into a piece (see `pieces`); then the pieces are joined. Memory
holds a piece at a time, and the files are the same however many workers and kills there were.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.corpus import (
    Progress,
    digest_of_parts,
    part_names,
    read_documents,
    silent,
    write_aside,
)
from davinci.data_levels.tokens.pieces import (
    LENGTHS_PIECE,
    QUESTIONS_PIECE,
    TOKENS_PIECE,
    TokenizePart,
    open_tokenizer,
    read_counts,
)
from davinci.data_levels.tokens.read import (
    DOCUMENTS_FILE,
    MANIFEST_FILE,
    QUESTIONS_FILE,
    TOKENS_FILE,
)
from davinci.data_levels.tokens.tokenizer import end_of_text_id, file_digest


def write_shards(
    corpus: Path,
    tokenizer: Path,
    out: Path,
    progress: Progress = silent,
    workers: int = 1,
    work: Path | None = None,
) -> dict[str, Any]:
    """Tokenize a corpus into the folder `out`: documents in order, each ended by the end of text.

    Args:
        corpus: Folder of the corpus.
        tokenizer: Folder of the tokenizer.
        out: Folder for the files above; ids are uint16, uint32 above 65536 of them.
        progress: Told after every part.
        workers: Processes that tokenize parts at the same time; each uses all cores as it is.
        work: Folder for the pieces, `out` if none is given; they survive a kill, are gone in the
            end, and serve no other corpus or tokenizer.

    Returns:
        The manifest: `num_tokens`, `num_documents`, `num_bytes` (UTF-8, of the texts), `vocab_size`
        (one more than the largest id), `end_of_text_id`, `tokenizer` (SHA-256 of its file),
        `num_question_tokens`, and `tokens_by_source` and `documents_by_source`, where a source is
        what a document's meta calls `entry` or, without one, `source`. Tokens include the ends.

    Raises:
        ValueError: If the corpus has no documents.
    """
    from davinci.data_levels.engine import Engine  # datatrove is slow to import

    if next(read_documents(corpus), None) is None:
        raise ValueError(
            "Training needs documents, but this corpus has none left; give its domain more, choose "
            f"a shallower `data.level`, or set its mixture weight to 0. It is {corpus}."
        )
    digest = f"{file_digest(tokenizer)} {end_of_text_id(tokenizer)}"
    name = hashlib.sha256(f"{digest} {digest_of_parts(corpus)}".encode()).hexdigest()[:16]
    parts = tuple(part_names(corpus))
    engine = Engine(
        work=(work or out) / f"pieces-{name}",
        workers=min(workers, len(parts)),
        progress=progress,
    )
    step = TokenizePart(
        corpus=corpus,
        parts=parts,
        tokenizer=tokenizer,
        digest=digest,
        pieces=engine.work / "pieces",
    )
    out.mkdir(parents=True, exist_ok=True)
    engine.run("tokenize", [step], len(parts), "parts tokenized")
    manifest = _join(step, out)
    engine.clear()
    if work is not None and not any(work.iterdir()):
        work.rmdir()
    return manifest


def _join(step: TokenizePart, out: Path) -> dict[str, Any]:
    """Write the shards out of all pieces; return the manifest."""
    pieces = [step.pieces / part for part in step.parts]
    counts = [read_counts(piece) for piece in pieces]
    tokens, documents = Counter[str](), Counter[str]()
    for of_piece in counts:
        tokens.update(of_piece.tokens_by_source)
        documents.update(of_piece.documents_by_source)
    opened = open_tokenizer(step.tokenizer, step.digest)
    manifest = {
        "num_tokens": tokens.total(),
        "num_documents": documents.total(),
        "num_bytes": sum(of_piece.num_bytes for of_piece in counts),
        "vocab_size": opened.num_ids,
        "end_of_text_id": opened.end_id,
        "tokenizer": file_digest(step.tokenizer),
        "num_question_tokens": sum(of_piece.num_question_tokens for of_piece in counts),
        "tokens_by_source": dict(sorted(tokens.items())),
        "documents_by_source": dict(sorted(documents.items())),
    }
    begins = list(accumulate((sum(c.tokens_by_source.values()) for c in counts), initial=0))
    num_runs = sum((piece / QUESTIONS_PIECE).stat().st_size for piece in pieces) // 16
    _write(out / DOCUMENTS_FILE, "q", (documents.total() + 1,), _offsets(pieces, begins))
    _write(out / QUESTIONS_FILE, "q", (num_runs, 2), _questions(pieces, begins))
    ids = (np.fromfile(piece / TOKENS_PIECE, opened.typecode) for piece in pieces)
    _write(out / TOKENS_FILE, opened.typecode, (tokens.total(),), ids)
    text = json.dumps(manifest, indent=1) + "\n"
    write_aside(out / MANIFEST_FILE, text.encode("ascii"))
    return manifest


def _offsets(pieces: Sequence[Path], begins: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    yield np.zeros(1, dtype=np.int64)
    for piece, begin in zip(pieces, begins, strict=False):
        yield begin + np.cumsum(np.fromfile(piece / LENGTHS_PIECE, np.int64))


def _questions(pieces: Sequence[Path], begins: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    for piece, begin in zip(pieces, begins, strict=False):
        yield begin + np.fromfile(piece / QUESTIONS_PIECE, np.int64)


def _write(
    path: Path, typecode: str, shape: tuple[int, ...], arrays: Iterable[NDArray[Any]]
) -> None:
    """Write what `np.save` would, with one of the arrays in memory at a time."""
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(typecode)),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays:
            array.tofile(file)
    aside.replace(path)
