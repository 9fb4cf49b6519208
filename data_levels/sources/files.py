"""The source `files`: the user's own documents, in a folder.

`options["path"]` names it; `readers.folder` says which files in it are read, and the package
`readers` what becomes of damaged ones. A row of a .jsonl or .parquet file has `text`, and if wanted
`id`, `format` (`text`, `html` or `code`), `level` (where it has been processed before) and any
other value, kept as provenance.

`options["held_out_frac"]` is the share held out, by the hash of the text. Held-out documents come
as drops without their text, so that the counts add up, and near-copies of them as drops too.
"""

import hashlib
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import DOMAINS, Document, Domain, Dropped, Outcome
from davinci.data_levels.readers.folder import Input, files_of, inputs_of, read_input
from davinci.data_levels.readers.records import Origin
from davinci.data_levels.sources.source import HeldOut, SourceSettings, Teacher

DEFAULT_HELD_OUT_FRAC = 0.02
MAX_HELD_OUT_FRAC = 0.5
MAX_HELD_OUT_TEXTS = 200
MAX_HELD_OUT_TEXT_BYTES = 2000
OPTIONS = ("path", "held_out_frac")
HELD_OUT = "held_out"

_HASH_BYTES = 8
_ALL: int = 2**64
"""Above every hash."""


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
    if not domains_of(options):
        names = ", ".join(f"{domain}.jsonl" for domain in DOMAINS)
        raise ValueError(
            f"`data.path` must hold documents, but {path!r} has none of {names}, nor .jsonl.gz, "
            ".jsonl.zst, .parquet, .warc or .warc.gz, nor folders of these names."
        )
    frac = options.get("held_out_frac", DEFAULT_HELD_OUT_FRAC)
    if isinstance(frac, bool) or not isinstance(frac, int | float):
        raise ValueError(f"`data.held_out_frac` must be a number, but got {frac!r}.")
    if not 0 < frac <= MAX_HELD_OUT_FRAC:
        raise ValueError(f"`0 < data.held_out_frac <= {MAX_HELD_OUT_FRAC}` must hold, got {frac}.")


def domains_of(options: Mapping[str, Any]) -> tuple[Domain, ...]:
    """Return the domains for which the folder holds a file or a folder; reads no document."""
    return tuple(domain for domain in DOMAINS if files_of(Path(options["path"]), domain))


def content_identity(options: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names and bytes of all input files."""
    root = Path(options["path"])
    sha = hashlib.sha256()
    for domain in DOMAINS:
        for file in files_of(root, domain):
            name = file.encode("utf-8", "surrogateescape")
            sha.update(len(name).to_bytes(8, "little") + name + _file_digest(*_stamp(root / file)))
    return sha.hexdigest()


def _stamp(path: Path) -> tuple[Path, int, int]:
    """Return a file with its size and its time of change, by which one notes a change."""
    try:
        known = path.stat()
    except OSError:  # a link that leads nowhere
        return path, -1, -1
    return path, known.st_size, known.st_mtime_ns


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, num_bytes: int, mtime_ns: int) -> bytes:
    """Return the SHA-256 of a file, read again only after it changed: every run asks for it."""
    if num_bytes < 0:
        return bytes(32)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class Files:
    """The user's files as a source; the same files give the same documents, wherever they lie."""

    name = "files"

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings: `documents` per domain at most (a sample by hash), 0 for all."""
        self._root = Path(settings.options["path"])
        self._frac = float(settings.options.get("held_out_frac", DEFAULT_HELD_OUT_FRAC))
        self._limit = settings.documents
        self._listed: dict[Domain, tuple[Input, ...]] = {}

    def num_inputs(self, domain: Domain) -> int:
        """Return the number of a domain's inputs, as `readers.folder` cuts them."""
        return len(self._inputs(domain))

    def acquire(self, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Outcome]:
        """Yield the outcomes of one input, in the order of its files."""
        from davinci.data_levels.sources.separation import HeldOutRuns, separate

        runs = HeldOutRuns(text for texts in held_out.texts.values() for text in texts)
        yield from separate(self._sampled(domain, index), runs)

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
        from davinci.data_levels.sources.separation import held_out_texts

        return {
            domain: held_out_texts(
                self._held_out_documents(domain),
                max_texts=MAX_HELD_OUT_TEXTS,
                max_bytes=MAX_HELD_OUT_TEXT_BYTES,
                max_per_document=4,
            )
            for domain in DOMAINS
        }

    def _held_out_documents(self, domain: Domain) -> Iterator[Document]:
        for index in range(self.num_inputs(domain)):
            for outcome in self._read(domain, index):
                if isinstance(outcome, Document) and self._is_held_out(outcome):
                    yield outcome

    def _sampled(self, domain: Domain, index: int) -> Iterator[Outcome]:
        """Yield what is asked for: what is not sampled leaves no trace."""
        below = self._sample_below(domain)
        for outcome in self._read(domain, index):
            if not isinstance(outcome, Document):
                yield outcome
            elif self._is_held_out(outcome):
                yield Dropped(replace(outcome, text=""), HELD_OUT)
            elif _sample_hash(outcome) < below:
                yield outcome

    def _sample_below(self, domain: Domain) -> int:
        """Return below which hash a document belongs to the sample."""
        if not self._limit:
            return _ALL
        files = (name for names in self._inputs(domain) for name in names)
        stamps = tuple(_stamp(self._root / name) for name in files)
        return _sample_below(self._root, domain, self._frac, self._limit, stamps)

    def _read(self, domain: Domain, index: int) -> Iterator[Outcome]:
        origin = Origin(source=self.name, domain=domain, path="")
        return read_input(self._root, self._inputs(domain)[index], origin)

    def _inputs(self, domain: Domain) -> tuple[Input, ...]:
        if domain not in self._listed:
            self._listed[domain] = inputs_of(self._root, domain)
        return self._listed[domain]

    def _is_held_out(self, document: Document) -> bool:
        from davinci.data_levels.sources.separation import falls_in

        return falls_in(document.text, self._frac)

    def _training_hashes(self, domain: Domain) -> Iterator[int]:
        for index in range(self.num_inputs(domain)):
            for outcome in self._read(domain, index):
                if isinstance(outcome, Document) and not self._is_held_out(outcome):
                    yield _sample_hash(outcome)


def _sample_hash(document: Document) -> int:
    return int.from_bytes(hash_order("sample", document.id)[:_HASH_BYTES], "big")


@lru_cache(maxsize=64)
def _sample_below(
    root: Path, domain: Domain, frac: float, limit: int, stamps: tuple[tuple[Path, int, int], ...]
) -> int:
    """Return the hash below which there are `limit` documents fit for training, in one pass.

    It is kept for the inputs to come, as long as the files carry the same stamps.
    """
    options = {"path": str(root), "held_out_frac": frac}
    files = Files(SourceSettings(name="files", documents=limit, options=options))
    lowest = heapq.nsmallest(limit + 1, files._training_hashes(domain))
    return lowest[limit] if len(lowest) > limit else _ALL
