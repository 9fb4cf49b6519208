"""A corpus on disk: one domain's documents at one level, in parts of bounded size.

    documents/<part>.jsonl.zst   the documents, one JSON object a line, in order
    dropped/<part>.jsonl         what was let go on the way: id, step, reason, detail
    digests/<part>.bin           32 bytes a document, from which the corpus's digest is made
    manifest.json                see `manifest`; written last

Parts are named in order, and a level's parts have the names of its parent's. All files are written
aside and renamed, so that a part is there whole or not at all.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import zstandard

from davinci.data_levels.document import Document

DOCUMENTS_DIR = "documents"
DROPPED_DIR = "dropped"
DIGESTS_DIR = "digests"
PART_SUFFIX = ".jsonl.zst"
PART_BYTES = 8 * 2**20
"""A part ends with the document that makes it so large (UTF-8 bytes of the texts)."""
COMPRESSION_LEVEL = 3

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, note)` by functions that take long."""


class Drop(NamedTuple):
    """The record of a dropped document: its id, the step that dropped it, and why."""

    id: str
    step: str
    reason: str
    detail: str = ""


def silent(done: int, total: int, note: str) -> None:
    """Report nothing: the progress of whoever does not want to hear of it."""


def utf8(text: str) -> bytes:
    """Return the UTF-8 bytes of a text, lone surrogates (broken JSON escapes) included."""
    return text.encode("utf-8", "surrogatepass")


def num_bytes(documents: Iterable[Document]) -> int:
    """Return the UTF-8 bytes of all texts."""
    return sum(len(utf8(document.text)) for document in documents)


def document_digest(document: Document) -> bytes:
    """Return the SHA-256 over id and text; each is preceded by its length."""
    sha = hashlib.sha256()
    for part in (utf8(document.id), utf8(document.text)):
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.digest()


def content_digest(documents: Iterable[Document]) -> str:
    """Return the SHA-256 over the digests of all documents, in order; parts do not matter."""
    sha = hashlib.sha256()
    for document in documents:
        sha.update(document_digest(document))
    return sha.hexdigest()


def hash_order(seed: str, key: str) -> bytes:
    """Return a pseudo-random sort key: the order it gives depends on `seed` and `key` alone."""
    return hashlib.sha256(utf8(f"{seed}\x00{key}")).digest()


def part_names(corpus: Path) -> list[str]:
    """Return the names of a corpus's parts, in order."""
    files = (corpus / DOCUMENTS_DIR).glob(f"*{PART_SUFFIX}")
    return sorted(f.name.removesuffix(PART_SUFFIX) for f in files if not f.name.startswith("."))


def read_part(corpus: Path, part: str) -> Iterator[Document]:
    """Yield the documents of one part, in order; only one line is held at a time."""
    with zstandard.open(corpus / DOCUMENTS_DIR / f"{part}{PART_SUFFIX}", "rb") as file:
        for line in io.BufferedReader(file, 2**20):
            yield Document(**parse_row(line))


def read_documents(corpus: Path) -> Iterator[Document]:
    """Yield the documents of a corpus folder, in order.

    Raises:
        ValueError: If the folder holds no corpus.
    """
    if not (corpus / DOCUMENTS_DIR).is_dir():
        raise ValueError(f"A corpus folder holds {DOCUMENTS_DIR}/, but {corpus} does not.")
    for part in part_names(corpus):
        yield from read_part(corpus, part)


def read_drops(corpus: Path) -> Iterator[Drop]:
    """Yield what was dropped on the way to this corpus from its parent, in order."""
    for path in sorted((corpus / DROPPED_DIR).glob("[!.]*.jsonl")):
        with path.open("rb") as file:
            yield from (Drop(**parse_row(line)) for line in file)


class PartWriter:
    """Writes one part: documents, drops and digests; nothing is visible before `publish`."""

    def __init__(self, corpus: Path, part: str) -> None:
        """Start a part; the folders are made if need be."""
        self.num_documents = self.num_bytes = 0
        self._paths = {
            folder: corpus / folder / f"{part}{suffix}"
            for folder, suffix in (
                (DOCUMENTS_DIR, PART_SUFFIX),
                (DROPPED_DIR, ".jsonl"),
                (DIGESTS_DIR, ".bin"),
            )
        }
        for path in self._paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        self._documents = zstandard.open(_aside(self._paths[DOCUMENTS_DIR]), "wb", cctx=compressor)
        self._drops: list[Drop] = []
        self._digests: list[bytes] = []

    def write(self, document: Document) -> int:
        """Append a document; return the bytes of its text."""
        size = len(utf8(document.text))
        self._documents.write(row_line(_row(document)))
        self._digests.append(document_digest(document))
        self.num_documents += 1
        self.num_bytes += size
        return size

    def drop(self, drop: Drop) -> None:
        """Record a dropped document."""
        self._drops.append(drop)

    def publish(self) -> None:
        """Move the files to their places; documents last, for they make the part one."""
        self._documents.close()
        lines = b"".join(row_line(drop._asdict()) for drop in self._drops)
        write_aside(self._paths[DROPPED_DIR], lines)
        write_aside(self._paths[DIGESTS_DIR], b"".join(self._digests))
        _aside(self._paths[DOCUMENTS_DIR]).replace(self._paths[DOCUMENTS_DIR])

    def discard(self) -> None:
        """Remove what was written aside."""
        self._documents.close()
        _aside(self._paths[DOCUMENTS_DIR]).unlink(missing_ok=True)


@contextmanager
def writing_part(corpus: Path, part: str) -> Iterator[PartWriter]:
    """Give a writer; publish the part at the end, or discard it if anything was raised."""
    writer = PartWriter(corpus, part)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise
    writer.publish()


def write_documents(documents: Iterable[Document], corpus: Path) -> None:
    """Write documents as a corpus of a single part, without a manifest."""
    with writing_part(corpus, "00000") as writer:
        for document in documents:
            writer.write(document)


def digest_of_parts(corpus: Path) -> str:
    """Return the content digest of the corpus from its parts' sidecars."""
    sha = hashlib.sha256()
    for part in part_names(corpus):
        sha.update((corpus / DIGESTS_DIR / f"{part}.bin").read_bytes())
    return sha.hexdigest()


def write_aside(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    aside = _aside(path)
    aside.write_bytes(data)
    aside.replace(path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _row(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "domain": document.domain,
        "text": document.text,
        "meta": dict(sorted(document.meta.items())),
    }


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as one line of JSON, lone surrogates escaped."""
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a lone surrogate: only escapes can carry it
        return json.dumps(row).encode("ascii") + b"\n"


def parse_row(line: bytes) -> dict[str, Any]:
    """Return the row of a line that `row_line` wrote."""
    try:
        row: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = json.loads(line)
    return row
