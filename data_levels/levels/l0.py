"""L0, acquisition: the raw documents as their source gives them; nothing is judged or repaired."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from datatrove.pipeline.base import PipelineStep
from numpy.typing import NDArray

from davinci.data_levels.accounts import MAX_EVIDENCE, Account, Measured, Report, timed
from davinci.data_levels.corpus import (
    Drop,
    PartWriter,
    hash_order,
    part_names,
    read_part,
    utf8,
    writing_part,
)
from davinci.data_levels.document import Document, Domain, Dropped, Outcome
from davinci.data_levels.sources.held_out import load_held_out
from davinci.data_levels.sources.source import Source

MAX_IDS_AT_ONCE = 2**20
"""Ids compared at once: 8 MB, however many documents there are."""

STEP = "acquire"


class Acquire(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Writes the raw documents of the input whose place is the rank, in parts of bounded size."""

    type, name = "READER", STEP

    def __init__(
        self,
        source: Source,
        domain: Domain,
        held_out: Path,
        *,
        out: Path,
        work: Path,
        part_bytes: int,
    ) -> None:
        """Take the source, its held-out folder, the corpus to write and a folder for notes."""
        super().__init__()
        self._source, self._domain, self._held_out = source, domain, held_out
        self._out, self._work, self._part_bytes = out, work, part_bytes

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Outcome]:
        """Write one input; yield nothing."""
        outcomes = timed(self._source.acquire(self._domain, rank, load_held_out(self._held_out)))
        for number, first in enumerate(outcomes):
            self._write_part(f"{rank:05d}-{number:05d}", chain((first,), outcomes))
        yield from ()

    def _write_part(self, part: str, outcomes: Iterator[tuple[Outcome, float]]) -> None:
        """Write documents until the part is full or the input ends."""
        account = Account()
        report = Report(part=part, accounts={STEP: account})
        ids: list[str] = []
        with writing_part(self._out, part) as writer:
            for outcome, seconds in outcomes:
                account.inclusive_s += seconds
                account.documents_in += 1
                if isinstance(outcome, Dropped):
                    self._leave_out(outcome, writer, report)
                else:
                    ids.append(outcome.id)
                    self._enter(outcome, writer, report)
                if account.bytes_in >= self._part_bytes:
                    break
        _save_ids(ids, self._work, part)
        report.save(self._work / "reports")

    def _enter(self, document: Document, writer: PartWriter, report: Report) -> None:
        account, size = report.accounts[STEP], writer.write(document)
        account.bytes_in += size
        account.bytes_out += size
        account.documents_out += 1
        report.samples.add(None, document)
        provenance = report.invariants.setdefault("provenance", Measured())
        provenance.checked += 1
        if "source" not in document.meta:
            provenance.violations += 1
            provenance.samples = [*provenance.samples, (document.id, "no source")][:MAX_EVIDENCE]

    def _leave_out(self, outcome: Dropped, writer: PartWriter, report: Report) -> None:
        document, reason, detail = outcome
        account = report.accounts[STEP]
        account.bytes_in += len(utf8(document.text))
        account.drop(reason)
        writer.drop(Drop(document.id, STEP, reason, detail))
        report.samples.add(document, None, reason, detail)


def check_unique_ids(corpus: Path, work: Path) -> int:
    """Return how many documents there are, after making sure that no two share an id.

    Ids are compared by 64-bit hashes, a range of them at a time, so that memory does not grow with
    the corpus.

    Raises:
        ValueError: If an id stands for two documents; it names one.
    """
    files = [work / "ids" / f"{part}.npy" for part in part_names(corpus)]
    total = sum(len(np.load(file, mmap_mode="r")) for file in files)
    num_ranges = total // MAX_IDS_AT_ONCE + 1
    edges = [2**64 * k // num_ranges for k in range(num_ranges + 1)]
    for low, high in zip(edges, edges[1:], strict=False):
        ids = np.sort(np.concatenate([_between(file, low, high) for file in files] or [_NONE]))
        twice = ids[1:][ids[1:] == ids[:-1]]
        if len(twice):
            raise ValueError(_name_twice(corpus, int(twice[0]), len(twice)))
    return total


_NONE: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


def _save_ids(ids: list[str], work: Path, part: str) -> None:
    hashes = np.array([_id_hash(name) for name in ids], dtype=np.uint64)
    (work / "ids").mkdir(parents=True, exist_ok=True)
    np.save(work / "ids" / f"{part}.npy", np.sort(hashes), allow_pickle=False)


def _id_hash(name: str) -> int:
    return int.from_bytes(hash_order("id", name)[:8], "big")


def _between(file: Path, low: int, high: int) -> NDArray[np.uint64]:
    """Return a copy: a view would keep the file open, and a process may open but so many."""
    ids = np.load(file, mmap_mode="r")
    start = np.searchsorted(ids, np.uint64(low))
    end = len(ids) if high >= 2**64 else np.searchsorted(ids, np.uint64(high))
    return np.array(ids[start:end])


def _name_twice(corpus: Path, hashed: int, num_twice: int) -> str:
    found = [
        f"{d.id!r} ({d.meta.get('path') or d.meta.get('url') or d.meta.get('source', '?')})"
        for part in part_names(corpus)
        for d in read_part(corpus, part)
        if _id_hash(d.id) == hashed
    ]
    return (
        f"Document ids are unique within source and domain, but {num_twice} are used again: "
        f"{' and '.join(found[:2])}. Give each document an `id` of its own, or none."
    )
