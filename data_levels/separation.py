"""Keeps held-out text and training text apart: a split by hash, and near-copies left out.

A training document is a near-copy when it shares half of the 13-word runs of a held-out text, or
half of its own runs with the held-out texts.

Source: 13-word runs as in GPT-3 (Brown et al. 2020, Appendix C), which drops on one shared run;
half of them is asked here because installed text shares licences and signatures everywhere.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from davinci.data_levels.corpus import hash_order, utf8
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.settings import RuleSettings
from davinci.data_levels.words import Hashes, run_hashes, word_hashes

RUN_WORDS = 13
MIN_SHARED_FRAC = 0.5
NEAR_COPY = "near_copy_of_held_out"

_PARAGRAPH = re.compile(r"\n\s*\n")


def falls_in(key: str, frac: float, seed: str = "held_out") -> bool:
    """Return whether a key belongs to the given share of all keys, by its hash."""
    return int.from_bytes(hash_order(seed, key)[:8], "big") < frac * 2**64


class HeldOutRuns:
    """The runs of words of all held-out texts, to look training documents up in.

    A held-out text of fewer than 13 words counts as copied only by a text of the same words.
    """

    def __init__(self, texts: Iterable[str], *, with_marks: bool = False) -> None:
        """Index the texts; marks count as words if asked for."""
        self._with_marks = with_marks
        self._whole: set[bytes] = set()
        self._num_runs: list[int] = []
        self._owners: dict[int, list[int]] = defaultdict(list)
        for text in texts:
            words = word_hashes(text, with_marks=with_marks)
            self._whole.add(words.tobytes())
            runs = set(run_hashes(words, RUN_WORDS).tolist())
            for run in runs:
                self._owners[run].append(len(self._num_runs))
            self._num_runs.append(len(runs))
        self._known = np.array(sorted(self._owners), dtype=np.uint64)

    def has_copy_in(self, text: str) -> bool:
        """Return whether the text is a near-copy of a held-out text, or holds one."""
        words = word_hashes(text, with_marks=self._with_marks)
        runs = run_hashes(words, RUN_WORDS)
        shared = self._shared(runs)
        mostly_copied = bool(shared) and len(shared) >= MIN_SHARED_FRAC * len(runs)
        return words.tobytes() in self._whole or self._holds_one(shared) or mostly_copied

    def is_held_in(self, text: str) -> bool:
        """Return whether the text holds half of a held-out text or more, whatever else it says."""
        words = word_hashes(text, with_marks=self._with_marks)
        return words.tobytes() in self._whole or self._holds_one(
            self._shared(run_hashes(words, RUN_WORDS))
        )

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


def separate(
    documents: Iterable[Document], held_out: HeldOutRuns
) -> tuple[list[Document], list[Dropped]]:
    """Return the documents fit for training, and those too close to held-out text."""
    kept: list[Document] = []
    dropped: list[Dropped] = []
    for document in documents:
        if held_out.has_copy_in(readable(document)):
            dropped.append(Dropped(document, NEAR_COPY))
        else:
            kept.append(document)
    return kept, dropped


def held_out_texts(
    documents: Sequence[Document],
    *,
    max_texts: int,
    max_bytes: int,
    max_per_document: int,
    fits: Callable[[str], bool] = bool,
) -> tuple[str, ...]:
    """Return clean pieces of held-out documents: L1, the rules of L2, cut, a sample by hash.

    Args:
        documents: Raw held-out documents.
        max_texts: How many pieces to return at most.
        max_bytes: UTF-8 bytes of a piece at most.
        max_per_document: How many pieces of one document at most.
        fits: Whether a piece is fit to be scored.
    """
    from davinci.data_levels.levels import l1, l2

    rules = RuleSettings()
    good = l2.run(l1.extract_texts(documents).kept, rules)[-1].result.kept
    pieces: dict[str, None] = {}
    for document in good:
        own = [p for p in cut(document.text, max_bytes) if len(p) >= rules.min_chars and fits(p)]
        pieces.update(dict.fromkeys(_shuffled(own)[:max_per_document]))
    return tuple(_shuffled(pieces)[:max_texts])


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

    if document.meta.get("format") == "html":
        return l1.normalise(document).text
    if document.meta.get("encoding") == "bytes":
        return l1.decode(document.text.encode("latin-1", "replace"))[0]
    return document.text


def _shuffled(pieces: Iterable[str]) -> list[str]:
    return sorted(pieces, key=lambda piece: hash_order("pieces", piece))
