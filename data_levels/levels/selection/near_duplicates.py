"""MinHash signatures: equal in one bucket means near-duplicates, so that equal texts are, too.

Two documents are near-duplicates when all hashes of any one bucket agree. With 14 buckets of 8
hashes that happens with probability 1 - (1 - s^8)^14 at a Jaccard similarity s of their shingle
sets: 1/2 at 0.69.

datatrove writes and compares the signatures. What is hashed differs: its shingles forget marks and
take all numbers for one, but here `a + b` is not `a - b`, and an exercise with other numbers is
another exercise.

Source: Broder 1997 (MinHash); daVinci-LLM Appendix C for 14 x 8.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig

from davinci.data_levels.corpus import utf8
from davinci.data_levels.levels.selection.word_tokenizer import ENGLISH
from davinci.data_levels.settings import RuleSettings
from davinci.data_levels.words import Hashes, run_hashes, word_hashes

BATCH_SHINGLES = 256
"""Hashed at once: with 112 hashes they fill 0.23 MB, however long the document is."""
TEXT_DIGEST_BYTES = 16
"""128 bits: among 10^9 texts, two different ones share a digest with probability 10^-21."""

_PRIME = np.uint64((1 << 61) - 1)
_PRIME_BITS = np.uint64(61)


class Clusters:
    """Numbered things that were found to belong together; the smallest number stands for all."""

    def __init__(self) -> None:
        """Start with everything apart."""
        self._parents: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        """Whether anything was joined to this number."""
        return number in self._parents

    def first(self, number: int) -> int:
        """Return the smallest number of the cluster."""
        parents = self._parents
        while (parent := parents.get(number, number)) != number:
            parents[number] = parents[parent]
            number = parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Make one cluster of the two that these numbers are in."""
        first, second = sorted((self.first(one), self.first(other)))
        self._parents[second] = first
        self._parents.setdefault(first, first)


def text_digest(text: str) -> bytes:
    """Return 128 bits of BLAKE2 over a text: documents with the same are exact duplicates."""
    return hashlib.blake2b(utf8(text), digest_size=TEXT_DIGEST_BYTES).digest()


def shingles(text: str, num_words: int) -> Hashes:
    """Return a hash of every run of `num_words` words, in order, shape (N,) with N >= 1.

    Words are compared in lower case and marks are words. A text shorter than one run is one
    shingle; so is a text without any word, by its digest.
    """
    words = word_hashes(text, with_marks=True)
    if not len(words):
        return np.frombuffer(text_digest(text)[:8], dtype="<u8").astype(np.uint64)
    return run_hashes(words, min(num_words, len(words)))


@lru_cache(maxsize=8)
def _factors(num_hashes: int) -> tuple[Hashes, Hashes]:
    """Return the factors and summands of the hash functions, as datatrove draws them."""
    rng = np.random.RandomState(1)
    shape = (1, num_hashes)
    return (
        rng.randint(1, _PRIME, dtype=np.uint64, size=shape),
        rng.randint(0, _PRIME, dtype=np.uint64, size=shape),
    )


def signature(runs: Hashes, num_buckets: int, hashes_per_bucket: int) -> Hashes:
    """Return the smallest value of every hash function, shape (num_buckets, hashes_per_bucket).

    The hash functions are datatrove's, modulo 2^61 - 1. The remainder is taken by folding, which is
    faster than dividing.

    Args:
        runs: Hashes of shingles, shape (N,).
        num_buckets: Rows.
        hashes_per_bucket: Columns.
    """
    factors, summands = _factors(num_buckets * hashes_per_bucket)
    smallest = np.full(num_buckets * hashes_per_bucket, _PRIME)
    for start in range(0, len(runs), BATCH_SHINGLES):
        hashes_NH = runs[start : start + BATCH_SHINGLES, None] * factors
        hashes_NH += summands
        high = hashes_NH >> _PRIME_BITS
        hashes_NH &= _PRIME
        hashes_NH += high
        np.minimum(hashes_NH, hashes_NH - _PRIME, out=hashes_NH)  # below the prime it wraps around
        np.minimum(smallest, hashes_NH.min(axis=0), out=smallest)
    return smallest.reshape(num_buckets, hashes_per_bucket)


def minhash_config(rules: RuleSettings) -> MinhashConfig:
    """Return the settings as datatrove takes them.

    Its hash function is never called, since words are hashed here; SHA-1 needs no package.
    """
    return MinhashConfig(
        n_grams=rules.minhash_shingle_words,
        num_buckets=rules.minhash_buckets,
        hashes_per_bucket=rules.minhash_hashes_per_bucket,
        hash_config=HashConfig(hash_fc="sha1"),
    )


class Signatures(MinhashDedupSignature):  # type: ignore[misc]  # datatrove has no types
    """datatrove's first stage: writes the sorted signatures of a stream, over our shingles."""

    def __init__(self, folder: Path, rules: RuleSettings) -> None:
        """Take where to write, and the shape of the signatures."""
        super().__init__(str(folder), minhash_config(rules), language=ENGLISH)

    def get_shingles(self, text: str) -> Hashes:
        """Return the shingles of a text, shape (N, 1)."""
        return shingles(text, self.config.n_grams).reshape(-1, 1)

    def get_signature(self, shingles: Hashes) -> list[list[int]]:
        """Return the hashes of every bucket, of shingles of shape (N, 1)."""
        shape = self.config.num_buckets, self.config.hashes_per_bucket
        rows: list[list[int]] = signature(shingles[:, 0], *shape).tolist()
        return rows


def signatures(texts: Iterable[str], rules: RuleSettings) -> Iterator[Hashes]:
    """Yield the signature of every text, shape (buckets, hashes)."""
    for text in texts:
        runs = shingles(text, rules.minhash_shingle_words)
        yield signature(runs, rules.minhash_buckets, rules.minhash_hashes_per_bucket)


def first_of_each(texts: Sequence[str], rules: RuleSettings) -> list[int]:
    """Return the places of the texts that are no duplicates of an earlier one, in memory."""
    clusters = Clusters()
    seen: dict[tuple[int, bytes], int] = {}
    for place, rows in enumerate(signatures(texts, rules)):
        for bucket, row in enumerate(rows):
            clusters.join(seen.setdefault((bucket, row.tobytes()), place), place)
    return [place for place in range(len(texts)) if clusters.first(place) == place]
