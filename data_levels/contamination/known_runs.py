"""The runs of words of many texts, sorted, to look the runs of documents up in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.words import Hashes, run_hashes, runs_by_size

WINDOW_WORDS = 2**15
"""Words whose runs are looked up at a time: what they take fits a processor's cache."""

SLOTS_PER_RUN = 16
"""Size of the table by which most strange runs are passed over with one look."""

Numbers = NDArray[np.intp]


class Hits(NamedTuple):
    """Known runs that stand in a document: where each begins, and its number; shapes (H,)."""

    places: Numbers
    runs: Numbers


class Owners(NamedTuple):
    """The texts that have some of the runs asked for, ascending, and how many each has."""

    texts: Numbers
    counts: Numbers


class KnownRuns:
    """All runs of texts; `num_runs` says how many each text has, repeated ones counted again.

    A text of `size` words or more has its runs of `size` words. A shorter one is a single run; if
    it is shorter than `min_size`, only a document that consists of it holds this run.
    """

    def __init__(self, texts: Sequence[Hashes], *, size: int, min_size: int) -> None:
        """Index texts, given as hashes of words; an empty one has no runs."""
        self._texts, self._size = texts, size
        runs = [
            run_hashes(words, min(size, len(words))) if len(words) else words for words in texts
        ]
        self.num_runs: Numbers = np.array([len(own) for own in runs], dtype=np.intp)
        self._begins: Numbers = np.concatenate(([0], self.num_runs.cumsum())).astype(np.intp)
        flat = np.concatenate([*runs, np.empty(0, np.uint64)])
        self._hashes, self._run_of, self._frequency = np.unique(
            flat, return_inverse=True, return_counts=True
        )
        self._ends: Numbers = self._frequency.cumsum()
        owners = np.repeat(np.arange(len(texts)), self.num_runs)
        self._owners: Numbers = owners[np.argsort(self._run_of, kind="stable")]
        lengths = {min(size, len(words)) for words in texts if len(words)}
        self._sizes = {length for length in lengths if length >= min_size}
        self._whole_sizes = lengths - self._sizes
        num_slots = 2 ** max(16, (SLOTS_PER_RUN * len(self._hashes)).bit_length())
        self._mask = np.uint64(num_slots - 1)
        self._may_know = np.zeros(num_slots, dtype=np.bool_)
        self._may_know[self._hashes & self._mask] = True

    def __len__(self) -> int:
        """Return the number of distinct runs."""
        return len(self._hashes)

    def find(self, words: Hashes) -> Hits:
        """Return all known runs in documents, given as the hashes of their words in a row."""
        found = [Hits(np.empty(0, np.intp), np.empty(0, np.intp))]
        for start in range(0, len(words), WINDOW_WORDS):
            window = words[start : start + WINDOW_WORDS + self._size - 1]
            for runs in runs_by_size(window, self._sizes).values():
                places, numbers = self._known(runs[:WINDOW_WORDS])
                found.append(Hits(start + places, numbers))
        return Hits(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))

    def find_whole(self, words: Hashes) -> Hits:
        """Return the run of a text shorter than `min_size` that the whole document is."""
        if len(words) not in self._whole_sizes:
            return Hits(np.empty(0, np.intp), np.empty(0, np.intp))
        return self._known(run_hashes(words, len(words)))

    def owners(self, runs: Numbers) -> Owners:
        """Return whose these distinct runs are."""
        lengths = self._frequency[runs]
        places = _ranges(self._ends[runs] - lengths, lengths)
        return Owners(*np.unique(self._owners[places], return_counts=True))

    def counts(self, marked: NDArray[np.bool_]) -> Numbers:
        """Return how many of each text's runs are marked; `marked` has one entry per run."""
        owners = self._owners[np.repeat(marked, self._frequency)]
        return np.bincount(owners, minlength=len(self.num_runs))

    def holds_whole(self, words: Hashes, hits: Hits, text: int) -> bool:
        """Return whether a document holds a text from its first word to its last in one stretch.

        Args:
            words: The document's.
            hits: All known runs in it, ordered by `runs`.
            text: Number of the text.
        """
        own = self._texts[text]
        first = self._run_of[self._begins[text]]
        begin, end = np.searchsorted(hits.runs, [first, first + 1])
        return any(
            np.array_equal(words[place : place + len(own)], own) for place in hits.places[begin:end]
        )

    def _known(self, runs: Hashes) -> Hits:
        """Return which of the runs are known, by their places among them."""
        places = np.flatnonzero(self._may_know[runs & self._mask])
        numbers = np.searchsorted(self._hashes, runs[places]).clip(max=len(self._hashes) - 1)
        known = self._hashes[numbers] == runs[places]
        return Hits(places[known], numbers[known])


def _ranges(firsts: Numbers, lengths: Numbers) -> Numbers:
    """Return the numbers of all ranges that begin at `firsts`, one range after the other."""
    before = lengths.cumsum() - lengths
    ranges: Numbers = np.repeat(firsts - before, lengths) + np.arange(lengths.sum())
    return ranges
