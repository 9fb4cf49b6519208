"""The source `davinci`: the paper's pool, streamed from the hub or read from a local mirror.

`options` are `path` (a mirror: a folder `<entry>/` of .parquet, .jsonl, .jsonl.gz or .jsonl.zst
files for each entry; "" for the hub), `stage`, `entries`, `below` and `level`. Entries come at the
level at which they were published, which is in every document's `meta["level"]`. With
`below="keep"`, as in the paper, those below the level that is asked for stay as they are; with
`below="process"` they are brought to it.

A share of each entry's first documents is held out by the hash of the text, and kept out of the
training text wherever it stands. `documents` caps the documents of a domain, dealt out among its
entries by their tokens.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from davinci.data_levels.document import DOMAINS, Document, Domain, Dropped, Outcome
from davinci.data_levels.sources.pool.entries import Entry, choose_entries
from davinci.data_levels.sources.pool.options import PoolOptions, read_options
from davinci.data_levels.sources.source import HeldOut, SourceSettings, Teacher

HELD_OUT_SCANNED = 20_000
"""Documents of each entry, from its beginning, among which some are held out."""
MAX_HELD_OUT_TEXTS = 200
MAX_HELD_OUT_TEXT_BYTES = 2000
HELD_OUT = "held_out"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")


class Pool:
    """The pool as a source; one input for each entry of a domain."""

    name = "davinci"

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; nothing is read yet.

        Raises:
            ValueError: If an option is unknown or wrong.
        """
        self._options: PoolOptions = read_options(settings.options)
        self._limit = settings.documents

    def num_inputs(self, domain: Domain) -> int:
        """Return the number of the domain's entries."""
        return len(self._entries(domain))

    def acquire(self, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Outcome]:
        """Yield the documents of one entry, in its own order; what is held out comes as dropped."""
        from davinci.data_levels.sources.separation import NEAR_COPY, HeldOutRuns, readable

        entries = self._entries(domain)
        known = HeldOutRuns(text for texts in held_out.texts.values() for text in texts)
        left = self._quota(entries, index)
        for outcome in self._read(entries[index]):
            if left == 0:
                return
            if self._is_held_out(outcome):
                assert isinstance(outcome, Document)
                yield Dropped(replace(outcome, text=""), HELD_OUT)
                continue
            left = None if left is None else left - 1
            if isinstance(outcome, Document) and known.has_copy_in(readable(outcome)):
                yield Dropped(outcome, NEAR_COPY)
            else:
                yield outcome

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
                [document for entry in self._entries(domain) for document in self._first(entry)],
                max_texts=MAX_HELD_OUT_TEXTS,
                max_bytes=MAX_HELD_OUT_TEXT_BYTES,
                max_per_document=2,
            )
            for domain in DOMAINS
        }

    def _first(self, entry: Entry) -> Iterator[Document]:
        """Yield the held-out documents among the first of an entry."""
        for outcome in islice(self._read(entry), HELD_OUT_SCANNED):
            if isinstance(outcome, Document) and self._is_held_out(outcome):
                yield outcome

    def _is_held_out(self, outcome: Outcome) -> bool:
        from davinci.data_levels.sources.separation import falls_in

        return isinstance(outcome, Document) and falls_in(outcome.text, self._options.held_out_frac)

    def _entries(self, domain: Domain) -> tuple[Entry, ...]:
        options = self._options
        return choose_entries(domain, options.level, stage=options.stage, only=options.entries)

    def _quota(self, entries: tuple[Entry, ...], index: int) -> int | None:
        """Return how many documents one entry gives; boundaries are rounded, not shares."""
        if not self._limit:
            return None
        total = sum(entry.tokens_B for entry in entries)
        before = sum(entry.tokens_B for entry in entries[:index]) / total
        until = sum(entry.tokens_B for entry in entries[: index + 1]) / total
        return round(self._limit * until) - round(self._limit * before)

    def _read(self, entry: Entry) -> Iterator[Outcome]:
        for outcome in self._read_raw(entry):
            yield self._as_published(outcome, entry)

    def _read_raw(self, entry: Entry) -> Iterator[Outcome]:
        from davinci.data_levels.readers.hub import HubData, read_hub
        from davinci.data_levels.readers.records import Origin

        meta = {"entry": entry.name, "licence": entry.licence}
        origin = Origin(
            source="davinci",
            domain=entry.domain,
            path=entry.name,
            text_field=entry.text_field,
            meta=meta,
        )
        if not self._options.path:
            data = HubData(
                address=entry.address,
                config=entry.config,
                split=entry.split,
                revision=entry.revision,
            )
            yield from read_hub(data, origin)
            return
        mirror = Path(self._options.path)
        for file in mirror_files(mirror, entry):
            # With its folders: ids are made of it, and two folders may each have a 0.parquet.
            name = file.relative_to(mirror).as_posix()
            yield from _read_file(file, replace(origin, path=name))

    def _as_published(self, outcome: Outcome, entry: Entry) -> Outcome:
        """Return the document with its level, and a question joined to its answer."""
        if isinstance(outcome, Dropped):
            return outcome
        published = {"published_level": entry.level}
        level = self._options.level if self._options.below == "keep" else entry.level
        text, meta = outcome.text, {**outcome.meta, "level": level, **published}
        if entry.question_field:
            question = _question(meta.pop(entry.question_field, ""))
            text = f"Question: {question}\nAnswer: {text.strip()}"
        return replace(outcome, text=text, meta=meta)


def mirror_files(mirror: Path, entry: Entry) -> list[Path]:
    """Return the files of an entry in a local mirror, sorted."""
    folder = mirror / entry.name
    files = (f for f in folder.rglob("*") if f.name.lower().endswith(SUFFIXES))
    return sorted(f for f in files if f.is_file())


def _read_file(file: Path, origin: Any) -> Iterator[Outcome]:
    from davinci.data_levels.readers.json_lines import read_json_lines
    from davinci.data_levels.readers.parquet import read_parquet

    read = read_parquet if file.name.lower().endswith(".parquet") else read_json_lines
    yield from read(file, origin)


def _question(told: str) -> str:
    """Return the last thing that a user says in a conversation, or the text itself."""
    try:
        turns = json.loads(told)
    except ValueError:
        return told.strip()
    if not isinstance(turns, list):
        return told.strip()
    asked = [t.get("content", "") for t in turns if isinstance(t, dict) and t.get("role") == "user"]
    return str(asked[-1]).strip() if asked else told.strip()
