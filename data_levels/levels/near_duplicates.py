"""Near-duplicates by MinHash and locality-sensitive hashing.

Two documents are near-duplicates when all hashes of any one bucket agree. With 14 buckets of 8
hashes that happens with probability 1/2 at a Jaccard similarity of 0.69 of their shingle sets.

Source: Broder 1997 (MinHash); daVinci-LLM Appendix C for 14 x 8.
"""

from collections.abc import Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

from davinci.data_levels.corpus import Progress, silent
from davinci.data_levels.document import Document, Dropped, StepResult
from davinci.data_levels.settings import RuleSettings
from davinci.data_levels.words import run_hashes, word_hashes

BATCH_SHINGLES = 10_000
"""Hashed at once: bounds the memory that one very long document takes."""


def drop_near_duplicates(
    documents: Sequence[Document], rules: RuleSettings, progress: Progress = silent
) -> StepResult:
    """Keep the first of every group of near-duplicates, in order."""
    num_hashes = rules.minhash_buckets * rules.minhash_hashes_per_bucket
    empty = MinHash(num_perm=num_hashes, seed=1, hashfunc=int)
    lsh = MinHashLSH(
        num_perm=num_hashes, params=(rules.minhash_buckets, rules.minhash_hashes_per_bucket)
    )
    kept: list[Document] = []
    dropped: list[Dropped] = []
    for index, document in enumerate(documents):
        minhash = empty.copy()
        runs = shingles(document.text, rules.minhash_shingle_words)
        for start in range(0, len(runs), BATCH_SHINGLES):
            minhash.update_batch(runs[start : start + BATCH_SHINGLES])
        if lsh.query(minhash):
            dropped.append(Dropped(document, "near_duplicate"))
        else:
            lsh.insert(document.id, minhash, check_duplication=False)
            kept.append(document)
        if index % 256 == 0:
            progress(index, len(documents), "near-duplicates")
    return StepResult(kept, dropped, 0)


def shingles(text: str, num_words: int) -> list[int]:
    """Return a 32-bit hash of every run of `num_words` words, in order.

    Words are compared in lower case and punctuation marks are words, since `a + b` is not `a - b`.
    A text shorter than one run is one shingle.
    """
    words = word_hashes(text, with_marks=True)
    runs: list[int] = (run_hashes(words, min(num_words, len(words))) >> np.uint64(32)).tolist()
    return runs
