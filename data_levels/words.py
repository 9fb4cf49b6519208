"""Runs of words as numbers: what near-duplicates and near-copies are compared by."""

import re
import zlib
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.corpus import utf8

_WORD = re.compile(r"\w+")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)

Hashes = NDArray[np.uint64]


def word_hashes(text: str, *, with_marks: bool = False) -> Hashes:
    """Return a hash of every word in lower case, in order; marks count as words if asked for."""
    words = (_WORD_OR_MARK if with_marks else _WORD).findall(text.lower())
    try:
        return _checksums(map(str.encode, words), len(words))
    except UnicodeEncodeError:  # a lone surrogate
        return _checksums(map(utf8, words), len(words))


def _checksums(words: Iterable[bytes], count: int) -> Hashes:
    return np.fromiter(map(zlib.crc32, words), dtype=np.uint64, count=count)


def run_hashes(words: Hashes, size: int) -> Hashes:
    """Return a 64-bit hash of every run of `size` words, shape (max(0, len(words) - size + 1),)."""
    num_runs = max(0, len(words) - size + 1)
    combined = np.zeros(num_runs, dtype=np.uint64)
    for start in range(size):
        combined = (combined ^ words[start : start + num_runs]) * _MULTIPLIER
        combined ^= combined >> _SHIFT
    return combined


def runs_by_size(words: Hashes, sizes: Collection[int]) -> dict[int, Hashes]:
    """Return what `run_hashes` returns for each of the sizes, in one pass."""
    found: dict[int, Hashes] = {}
    combined = np.zeros(len(words), dtype=np.uint64)
    for start in range(max(sizes, default=0)):
        combined = (combined[: max(0, len(words) - start)] ^ words[start:]) * _MULTIPLIER
        combined ^= combined >> _SHIFT
        if start + 1 in sizes:
            found[start + 1] = combined
    return found
