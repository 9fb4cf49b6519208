"""Keeps held-out text and training text apart: a split by hash, and near-copies left out.

A training document is a near-copy when it shares half of the 13-word runs of a held-out text, or
half of its own runs with the held-out texts.

Source: 13-word runs as in GPT-3 (Brown et al. 2020, Appendix C), which drops on one shared run;
half of them is asked here because installed text shares licences and signatures everywhere.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from davinci.data_levels.corpus import hash_order, utf8
from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.settings import RuleSettings
from davinci.data_levels.words import Hashes, run_hashes, word_hashes

RUN_WORDS = 13
MIN_SHARED_FRAC = 0.5
NEAR_COPY = "near_copy_of_held_out"
CHUNK_CHARS = 2**20
"""Of a long text, so much at a time is taken apart into words."""

_SPACE = re.compile(r"\s")
_PARAGRAPH = re.compile(r"\n\s*\n")


def falls_in(key: str, frac: float, seed: str = "held_out") -> bool:
    """Return whether a key belongs to the given share of all keys, by its hash."""
    return int.from_bytes(hash_order(seed, key)[:8], "big") < frac * 2**64


class HeldOutRuns:
    """The runs of words of all held-out texts, to look training documents up in.

    A held-out text of fewer than 13 words counts as copied only by a text of the same words.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Index the texts."""
        self._whole: set[bytes] = set()
        self._num_runs: list[int] = []
        self._owners: dict[int, list[int]] = defaultdict(list)
        for text in texts:
            words = word_hashes(text)
            self._whole.add(words.tobytes())
            runs = set(run_hashes(words, RUN_WORDS).tolist())
            for run in runs:
                self._owners[run].append(len(self._num_runs))
            self._num_runs.append(len(runs))
        self._known = np.array(sorted(self._owners), dtype=np.uint64)

    def has_copy_in(self, text: str) -> bool:
        """Return whether the text is a near-copy of a held-out text, or holds one."""
        words = _words_of(text)
        runs = run_hashes(words, RUN_WORDS)
        shared = self._shared(runs)
        mostly_copied = bool(shared) and len(shared) >= MIN_SHARED_FRAC * len(runs)
        return words.tobytes() in self._whole or self._holds_one(shared) or mostly_copied

    def _shared(self, runs: Hashes) -> list[int]:
        """Return those runs that a held-out text has too."""
        if not len(runs) or not len(self._known):
            return []
        places = np.searchsorted(self._known, runs).clip(max=len(self._known) - 1)
        return [int(run) for run in runs[self._known[places] == runs]]

    def _holds_one(self, shared: Sequence[int]) -> bool:
        hits = Counter(owner for run in set(shared) for owner in self._owners[run])
        return any(
            count >= MIN_SHARED_FRAC * self._num_runs[owner] for owner, count in hits.items()
        )


def separate(outcomes: Iterable[Outcome], held_out: HeldOutRuns) -> Iterator[Outcome]:
    """Yield what comes in, with documents too close to held-out text turned into drops."""
    for outcome in outcomes:
        if isinstance(outcome, Document) and held_out.has_copy_in(readable(outcome)):
            outcome = Dropped(outcome, NEAR_COPY)
        yield outcome


def held_out_texts(
    documents: Iterable[Document],
    *,
    max_texts: int,
    max_bytes: int,
    max_per_document: int,
    fits: Callable[[str], bool] = bool,
) -> tuple[str, ...]:
    """Return clean pieces of held-out documents: L1, the rules of L2, cut, a sample by hash.

    No two pieces are near-copies of one another. Of more than `2 * max_texts` documents with such
    pieces those are taken whose ids hash lowest, so that memory does not grow with their number.

    Args:
        documents: Raw held-out documents.
        max_texts: How many pieces to return at most.
        max_bytes: UTF-8 bytes of a piece at most.
        max_per_document: How many pieces of one document at most.
        fits: Whether a piece is fit to be scored.
    """
    lowest: list[tuple[int, tuple[str, ...]]] = []  # a heap; the highest hash, negated, first
    for document in documents:
        key = -int.from_bytes(hash_order("held_out_documents", document.id), "big")
        if len(lowest) == 2 * max_texts and key <= lowest[0][0]:
            continue
        pieces = tuple(_shuffled(filter(fits, clean_pieces(document, max_bytes))))
        if pieces:
            heapq.heappush(lowest, (key, pieces[:max_per_document]))
        if len(lowest) > 2 * max_texts:
            heapq.heappop(lowest)
    candidates = _shuffled({piece for _, pieces in lowest for piece in pieces})
    return tuple(islice(_without_near_copies(candidates), max_texts))


def clean_pieces(document: Document, max_bytes: int) -> list[str]:
    """Return the pieces of a raw document that L1 and the rules of L2 leave of it."""
    from davinci.data_levels.levels import l1
    from davinci.data_levels.levels.selection.rules import rule_broken

    rules = RuleSettings()
    text = l1.normalise(document)
    if rule_broken(text, rules=rules) is not None:
        return []
    return [piece for piece in cut(text.text, max_bytes) if len(piece) >= rules.min_chars]


def _without_near_copies(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the pieces of which less than half the runs of words stood in one before."""
    whole: set[bytes] = set()
    seen: set[int] = set()
    for piece in pieces:
        words = word_hashes(piece)
        runs = set(run_hashes(words, RUN_WORDS).tolist())
        is_copy = words.tobytes() in whole or len(runs & seen) >= MIN_SHARED_FRAC * len(runs) > 0
        whole.add(words.tobytes())
        seen |= runs
        if not is_copy:
            yield piece


def cut(text: str, max_bytes: int) -> list[str]:
    """Cut a text at blank lines into pieces of at most `max_bytes`; leave longer paragraphs out."""
    pieces: list[str] = []
    for paragraph in _PARAGRAPH.split(text.strip("\n")):
        joined = f"{pieces[-1]}\n\n{paragraph}" if pieces else paragraph
        if pieces and len(utf8(joined)) <= max_bytes:
            pieces[-1] = joined
        elif len(utf8(paragraph)) <= max_bytes:
            pieces.append(paragraph)
    return [piece for piece in pieces if piece.strip()]


def readable(document: Document) -> str:
    """Return the text as L1 would give it, for comparison; cheap where L1 has little to do."""
    from davinci.data_levels.levels import l1

    if document.meta.get("format") in ("html", "pdf"):
        return l1.normalise(document).text
    if document.meta.get("encoding") == "bytes":
        data = document.text.encode("latin-1", "replace")
        return l1.decode(data, document.meta.get("charset", ""))[0]
    return document.text


def _words_of(text: str) -> Hashes:
    """Return what `word_hashes` returns, with few words at a time in memory as strings."""
    parts: list[Hashes] = []
    start = 0
    while start < len(text) or not parts:
        space = _SPACE.search(text, start + CHUNK_CHARS)
        end = space.start() if space else len(text)
        parts.append(word_hashes(text[start:end]))
        start = end
    return np.concatenate(parts)


def _shuffled(pieces: Iterable[str]) -> list[str]:
    return sorted(pieces, key=lambda piece: hash_order("pieces", piece))
