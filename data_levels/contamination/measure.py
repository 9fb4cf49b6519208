"""Measures how much of every held-out item and text stands in a corpus, and which items are dirty.

Texts are compared by runs of 13 words, marks counted as words: in formulas the marks are the
content. An item shorter than that is one run; below 5 words it is not checkable, and found only
where a whole document consists of it. It is dirty when a single document holds

- of an item: its whole question, word for word; or, if the question has 50 words, half of the runs
  of question and answer together;
- of a held-out text: half of its runs, as in `separation`; all of them below 50 words.

Half of what is short is not enough, because exercises of one kind share most of their words: a page
of them can hold nearly all runs of one that it neither poses nor solves. What all documents hold
between them is measured too, but makes no item dirty. Reworded copies are not found.

Source: runs of 13 words as in GPT-3 (Brown et al. 2020, Appendix C), where one shared run is a hit.
`DATA_DARWINISM` is the stricter published alternative.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from davinci.data_levels.contamination.known_runs import Hits, KnownRuns, Numbers
from davinci.data_levels.contamination.probes import Probes, Sought, probes_of, words_of
from davinci.data_levels.contamination.record import Contamination, Floats, Overlap
from davinci.data_levels.contamination.settings import DEFAULT_RULE, ContaminationRule
from davinci.data_levels.corpus import DOCUMENTS_DIR, Progress, part_names, read_part, silent, utf8
from davinci.data_levels.document import Document
from davinci.data_levels.sources.held_out import load_held_out
from davinci.data_levels.sources.separation import readable
from davinci.data_levels.sources.source import HeldOut
from davinci.data_levels.words import Hashes

MAX_EXAMPLES = 3

BATCH_WORDS = 2**15
"""Words of documents that are looked up together: the documents of many corpora are short."""

_GAP: Hashes = np.array([2**64 - 1], dtype=np.uint64)
"""Stands between two documents; no word has this hash."""

_TAG = re.compile(r"<[^<>]*>")


def measure_contamination(
    corpus: Path,
    held_out: Path,
    *,
    rule: ContaminationRule = DEFAULT_RULE,
    progress: Progress = silent,
) -> Contamination:
    """Compare every document of a corpus with every held-out item and text.

    One document is held at a time; apart from it, memory grows with the held-out data alone.

    Args:
        corpus: Corpus folder.
        held_out: Folder of held-out data.
        rule: When an item is dirty.
        progress: Told after every part.

    Raises:
        ValueError: If one of the folders does not hold what it should.
    """
    if not (corpus / DOCUMENTS_DIR).is_dir():
        raise ValueError(f"A corpus folder holds {DOCUMENTS_DIR}/, but {corpus} does not.")
    search = _Search(load_held_out(held_out), rule)
    parts = part_names(corpus)
    for done, part in enumerate(parts, start=1):
        for batch in _batches(read_part(corpus, part)):
            search.look_into(batch)
        progress(done, len(parts), "comparing with held-out items")
    return search.result()


class _Read(NamedTuple):
    """What is needed of a document: its id, where it comes from, its bytes, its words' hashes."""

    id: str
    source: str
    num_bytes: int
    words: Hashes


def _batches(documents: Iterable[Document]) -> Iterator[list[_Read]]:
    """Yield documents as batches of about `BATCH_WORDS` words."""
    batch: list[_Read] = []
    num_words = 0
    for document in documents:
        source = document.meta.get("entry") or document.meta.get("source", "unknown")
        words = words_of(_text_of(document))
        batch.append(_Read(document.id, source, len(utf8(document.text)), words))
        num_words += len(words)
        if num_words >= BATCH_WORDS:
            yield batch
            batch, num_words = [], 0
    if batch:
        yield batch


class _Search:
    """What was found so far. Texts 0 to I-1 are the items' questions, I to 2I-1 their full texts.

    Per text, shape (2I,): `needed` runs in one document make its item dirty, of a question in one
    stretch; `most` is the best document so far.
    """

    def __init__(self, held_out: HeldOut, rule: ContaminationRule) -> None:
        self._rule = rule
        self._probes = probes_of(held_out, min_words=rule.min_words, long_words=rule.words)
        items = [item for probes in self._probes for item in probes.sought]
        self._num_items = len(items)
        self._known = KnownRuns(
            [item.question for item in items] + [item.text for item in items],
            size=rule.words,
            min_size=rule.min_words,
        )
        self._needed = _needed(items, self._known.num_runs, rule)
        self._most = np.zeros_like(self._needed)
        self._seen = np.zeros(len(self._known), dtype=np.bool_)
        self._num_documents = np.zeros(len(items), dtype=np.int64)
        self._examples: dict[int, list[str]] = {}
        ends = np.cumsum([0, *(len(probes.sought) for probes in self._probes)])
        self._ends: Numbers = ends.astype(np.intp)
        self._sources: list[Counter[str]] = [Counter() for _ in self._probes]
        self._all_sources: Counter[str] = Counter()
        self._total_documents = self._total_bytes = 0

    def look_into(self, batch: Sequence[_Read]) -> None:
        """Compare documents with all items."""
        self._total_documents += len(batch)
        self._total_bytes += sum(read.num_bytes for read in batch)
        found = self._known.find(np.concatenate([w for r in batch for w in (r.words, _GAP)]))
        begins = np.cumsum([0, *(len(read.words) + 1 for read in batch)])
        order = np.lexsort((found.runs, np.searchsorted(begins, found.places, side="right")))
        places, runs = found.places[order], found.runs[order]
        cuts = np.searchsorted(np.sort(found.places), begins)
        for read, begin, first, end in zip(batch, begins, cuts, cuts[1:], strict=False):
            hits = Hits(places[first:end] - begin, runs[first:end])
            if len(read.words) < self._rule.min_words:
                hits = self._known.find_whole(read.words)
            if len(hits.runs):
                self._settle(read, hits)

    def _settle(self, read: _Read, hits: Hits) -> None:
        """Count what one document holds; its hits are ordered by `runs`."""
        holds = partial(self._known.holds_whole, read.words, hits)
        runs = np.unique(hits.runs)
        self._seen[runs] = True
        texts, counts = self._known.owners(runs)
        self._most[texts] = np.maximum(self._most[texts], counts)
        enough = texts[counts >= self._needed[texts]]
        dirty = [t for t in enough.tolist() if t >= self._num_items or holds(t)]
        if dirty:
            self._note(read, np.unique(np.array(dirty) % self._num_items))

    def _note(self, read: _Read, dirty: Numbers) -> None:
        """Write down a document that makes the items with these numbers dirty."""
        self._all_sources[read.source] += 1
        benchmarks = np.searchsorted(self._ends, dirty, side="right") - 1
        for benchmark in np.unique(benchmarks).tolist():
            self._sources[benchmark][read.source] += 1
        self._num_documents[dirty] += 1
        for item in dirty.tolist():
            examples = self._examples.setdefault(item, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(read.id)

    def result(self) -> Contamination:
        """Return what was found."""
        shares = _shares(self._most, self._known.num_runs)
        coverage = _shares(self._known.counts(self._seen), self._known.num_runs)
        return Contamination(
            rule=self._rule,
            num_documents=self._total_documents,
            num_bytes=self._total_bytes,
            sources=dict(sorted(self._all_sources.items())),
            benchmarks=tuple(
                self._overlap(number, probes, shares, coverage)
                for number, probes in enumerate(self._probes)
            ),
        )

    def _overlap(self, number: int, probes: Probes, shares: Floats, coverage: Floats) -> Overlap:
        first, end = int(self._ends[number]), int(self._ends[number + 1])
        questions, full = slice(first, end), slice(self._num_items + first, self._num_items + end)
        min_words = self._rule.min_words
        return Overlap(
            benchmark=probes.benchmark,
            domain=probes.domain,
            item_ids=probes.item_ids,
            checkable=np.array([len(item.text) >= min_words for item in probes.sought], np.bool_),
            question_overlap=shares[questions],
            overlap=shares[full],
            coverage=coverage[full],
            num_documents=self._num_documents[questions],
            examples={
                probes.item_ids[item - first]: tuple(found)
                for item, found in sorted(self._examples.items())
                if first <= item < end
            },
            sources=dict(sorted(self._sources[number].items())),
        )


def _needed(items: Sequence[Sought], num_runs: Numbers, rule: ContaminationRule) -> Numbers:
    """Return how many runs of each text a document needs to make its item dirty, shape (2I,)."""
    asked, full = np.split(num_runs, 2)
    half = np.maximum(1, np.ceil(rule.min_shared_frac * full)).astype(np.intp)
    lengths = np.array([len(item.question) or len(item.text) for item in items], dtype=np.intp)
    # More runs than there are: of a short question, the answer beside it decides nothing.
    whole = np.where(asked > 0, full + 1, full)
    least = np.where(lengths < rule.min_partial_words, whole, half)
    return np.concatenate((asked, least))


def _shares(counts: Numbers, num_runs: Numbers) -> Floats:
    """Return counts as shares; NaN where a text has no runs."""
    return np.where(num_runs > 0, counts / np.maximum(1, num_runs), np.nan)


def _text_of(document: Document) -> str:
    """Return the text as L1 would decode it; of a page, without its tags.

    Not the main content alone, as L1 takes it: what stands around it is trained on at L0 too.
    """
    if document.meta.get("format") != "html":
        return readable(document)
    meta = {name: value for name, value in document.meta.items() if name != "format"}
    return html.unescape(_TAG.sub(" ", readable(replace(document, meta=meta))))
