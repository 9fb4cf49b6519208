"""The source `files`: the user's own documents, as JSON lines or as folders of files.

`options["path"]` is a folder with, for each domain one has,

- `<domain>.jsonl` or `<domain>.jsonl.gz`: one object per line with `text`, and if wanted `id`,
  `format` (`text`, `html` or `code`) and any other string, kept as provenance; or
- `<domain>/`: a folder of .txt, .md, .html and .py files, searched to any depth.

`options["held_out_frac"]` is the share held out, by the hash of the text; near-copies of held-out
text are kept out of training.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import DOMAINS, Document, Domain, Dropped
from davinci.data_levels.source import HeldOut, SourceSettings, Teacher

DEFAULT_HELD_OUT_FRAC = 0.02
MAX_HELD_OUT_FRAC = 0.5
MAX_HELD_OUT_TEXTS = 200
MAX_HELD_OUT_TEXT_BYTES = 2000
OPTIONS = ("path", "held_out_frac")
FORMATS: dict[str, str] = {
    ".txt": "text",
    ".md": "text",
    ".html": "html",
    ".htm": "html",
    ".py": "code",
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise what is wrong with the options, without reading any document.

    Raises:
        ValueError: If an option is unknown or wrong, or the folder holds no documents.
    """
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ValueError(f"No option `data.{unknown[0]}`; `files` knows: {', '.join(OPTIONS)}.")
    path = options.get("path")
    if not isinstance(path, str) or not path:
        raise ValueError(
            "`data.path` must name the folder with your documents (`<domain>.jsonl` files or "
            f"`<domain>/` folders), but got {path!r}."
        )
    if not Path(path).is_dir():
        raise ValueError(f"`data.path` must be a folder, but there is none at {path!r}.")
    if not any(_inputs(Path(path), domain) for domain in DOMAINS):
        names = ", ".join(f"{domain}.jsonl" for domain in DOMAINS)
        raise ValueError(
            f"`data.path` must hold documents, but {path!r} has none of {names}, nor .jsonl.gz, "
            "nor folders of these names."
        )
    frac = options.get("held_out_frac", DEFAULT_HELD_OUT_FRAC)
    if isinstance(frac, bool) or not isinstance(frac, int | float):
        raise ValueError(f"`data.held_out_frac` must be a number, but got {frac!r}.")
    if not 0 < frac <= MAX_HELD_OUT_FRAC:
        raise ValueError(f"`0 < data.held_out_frac <= {MAX_HELD_OUT_FRAC}` must hold, got {frac}.")


def domains_of(options: Mapping[str, Any]) -> tuple[Domain, ...]:
    """Return the domains for which the folder holds a file or a folder; reads no document."""
    return tuple(domain for domain in DOMAINS if _inputs(Path(options["path"]), domain))


def content_identity(options: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names and bytes of all input files."""
    root = Path(options["path"])
    sha = hashlib.sha256()
    for domain in DOMAINS:
        for path in _inputs(root, domain):
            name = path.relative_to(root).as_posix().encode("utf-8", "surrogateescape")
            known = path.stat()
            digest = _file_digest(path, known.st_size, known.st_mtime_ns)
            sha.update(len(name).to_bytes(8, "little") + name + digest)
    return sha.hexdigest()


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, num_bytes: int, mtime_ns: int) -> bytes:
    """Return the SHA-256 of a file, read again only after it changed: every run asks for it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class Files:
    """The user's files as a source; the same files give the same documents, wherever they lie."""

    name = "files"
    max_level = "L3"

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings: `documents` per domain at most (a sample by hash), 0 for all."""
        self._root = Path(settings.options["path"])
        self._frac = float(settings.options.get("held_out_frac", DEFAULT_HELD_OUT_FRAC))
        self._limit = settings.documents
        self._left_out: dict[Domain, list[Dropped]] = {}
        self._read: dict[Domain, list[Document]] = {}

    def acquire(self, domain: Domain) -> Iterator[Document]:
        """Yield the documents of a domain that are not held out, in the order of the files.

        Raises:
            ValueError: If a file or a line is malformed; it names both.
        """
        from davinci.data_levels.separation import HeldOutRuns, separate

        training = [d for d in self._documents(domain) if not self._is_held_out(d)]
        if self._limit:
            chosen = sorted(training, key=lambda d: hash_order("sample", d.id))[: self._limit]
            ids = {document.id for document in chosen}
            training = [document for document in training if document.id in ids]
        held_out = HeldOutRuns(text for texts in self._texts.values() for text in texts)
        kept, self._left_out[domain] = separate(training, held_out)
        yield from kept

    def left_out(self, domain: Domain) -> list[Dropped]:
        """Return the documents that are near-copies of held-out text."""
        if domain not in self._left_out:
            list(self.acquire(domain))
        return self._left_out[domain]

    def held_out(self) -> HeldOut:
        """Return clean held-out text of every domain; there are no benchmark items."""
        return HeldOut(texts=self._texts)

    def labels(self, domain: Domain, documents: list[Document]) -> Mapping[str, bool] | None:
        """Return None: nobody has labelled these documents."""
        return None

    def teacher(self) -> Teacher | None:
        """Return None: an endpoint must serve."""
        return None

    @cached_property
    def _texts(self) -> Mapping[Domain, tuple[str, ...]]:
        from davinci.data_levels.separation import held_out_texts

        return {
            domain: held_out_texts(
                [document for document in self._documents(domain) if self._is_held_out(document)],
                max_texts=MAX_HELD_OUT_TEXTS,
                max_bytes=MAX_HELD_OUT_TEXT_BYTES,
                max_per_document=4,
            )
            for domain in DOMAINS
        }

    def _is_held_out(self, document: Document) -> bool:
        from davinci.data_levels.separation import falls_in

        return falls_in(document.text, self._frac)

    def _documents(self, domain: Domain) -> list[Document]:
        if domain not in self._read:
            inputs = _inputs(self._root, domain)
            documents = (d for path in inputs for d in _read_file(path, self._root, domain))
            self._read[domain] = list(documents)
        return self._read[domain]


def _inputs(root: Path, domain: Domain) -> list[Path]:
    """Return the files that hold a domain's documents, sorted."""
    lines = [root / f"{domain}.jsonl", root / f"{domain}.jsonl.gz"]
    folder = root / domain
    files = [path for path in folder.rglob("*") if path.suffix.lower() in FORMATS]
    return [path for path in [*lines, *sorted(files)] if path.is_file()]


def _read_file(path: Path, root: Path, domain: Domain) -> Iterator[Document]:
    name = path.relative_to(root).as_posix()
    if path.suffix.lower() in FORMATS:
        meta = {
            "source": "files",
            "path": name,
            "format": FORMATS[path.suffix.lower()],
            "encoding": "bytes",
        }
        yield Document(id=name, domain=domain, text=path.read_bytes().decode("latin-1"), meta=meta)
        return
    open_lines = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with open_lines(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _read_line(line, name, number, domain)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{name}, after line {number}: the file is damaged: {error}.") from error


def _read_line(line: bytes, name: str, number: int, domain: Domain) -> Document:
    """Return the document of one line; without an `id` its place is its name."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(
            f"{name}, line {number}: a line holds one JSON object: {error}."
        ) from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError(f'{name}, line {number}: a line holds an object with a string "text".')
    meta = {"source": "files", "path": name, "format": "code" if domain == "code" else "text"}
    for key, value in row.items():
        if key in ("text", "id"):
            continue
        if not isinstance(value, str):
            raise ValueError(f"{name}, line {number}: {key!r} must be a string, got {value!r}.")
        meta[key] = value
    if meta["format"] not in ("text", "html", "code"):
        raise ValueError(
            f"{name}, line {number}: `format` is text, html or code, but got {meta['format']!r}."
        )
    if meta.pop("encoding", "utf-8").lower() not in ("utf-8", "utf8"):
        raise ValueError(f"{name}, line {number}: JSON lines are UTF-8; leave out `encoding`.")
    place = f"{name}:{number}"
    return Document(id=str(row.get("id", place)), domain=domain, text=row["text"], meta=meta)
