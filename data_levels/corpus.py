"""A corpus on disk: one domain's documents at one level, one JSON object per line."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from davinci.data_levels.document import Document

DOCUMENTS_FILE = "documents.jsonl"

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, note)` by functions that take long."""


def silent(done: int, total: int, note: str) -> None:
    """Report nothing: the progress of whoever does not want to hear of it."""


def utf8(text: str) -> bytes:
    """Return the UTF-8 bytes of a text, lone surrogates (broken JSON escapes) included."""
    return text.encode("utf-8", "surrogatepass")


def num_bytes(documents: Iterable[Document]) -> int:
    """Return the UTF-8 bytes of all texts."""
    return sum(len(utf8(document.text)) for document in documents)


def content_digest(documents: Iterable[Document]) -> str:
    """Return the SHA-256 over ids and texts, in order; each part is preceded by its length."""
    sha = hashlib.sha256()
    for document in documents:
        for part in (utf8(document.id), utf8(document.text)):
            sha.update(len(part).to_bytes(8, "little"))
            sha.update(part)
    return sha.hexdigest()


def hash_order(seed: str, key: str) -> bytes:
    """Return a pseudo-random sort key: the order it gives depends on `seed` and `key` alone."""
    return hashlib.sha256(utf8(f"{seed}\x00{key}")).digest()


def write_documents(documents: Sequence[Document], corpus: Path) -> None:
    """Write `documents.jsonl` into the folder `corpus`, as pure ASCII, in the order given."""
    with (corpus / DOCUMENTS_FILE).open("w", encoding="ascii", newline="\n") as file:
        for document in documents:
            row = {
                "id": document.id,
                "domain": document.domain,
                "text": document.text,
                "meta": dict(sorted(document.meta.items())),
            }
            file.write(json.dumps(row) + "\n")


def read_documents(corpus: Path) -> Iterator[Document]:
    """Yield the documents of a corpus folder, in order.

    Raises:
        ValueError: If the folder holds no corpus.
    """
    path = corpus / DOCUMENTS_FILE
    if not path.is_file():
        raise ValueError(f"A corpus folder holds {DOCUMENTS_FILE}, but {corpus} does not.")
    with path.open(encoding="ascii") as file:
        for line in file:
            yield Document(**json.loads(line))
