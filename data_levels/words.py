"""Runs of words as numbers: what near-duplicates and near-copies are compared by."""

import re
import zlib

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
    hashes = {word: zlib.crc32(utf8(word)) for word in set(words)}
    return np.fromiter((hashes[word] for word in words), dtype=np.uint64, count=len(words))


def run_hashes(words: Hashes, size: int) -> Hashes:
    """Return a 64-bit hash of every run of `size` words, shape (max(0, len(words) - size + 1),)."""
    num_runs = max(0, len(words) - size + 1)
    combined = np.zeros(num_runs, dtype=np.uint64)
    for start in range(size):
        combined = (combined ^ words[start : start + num_runs]) * _MULTIPLIER
        combined ^= combined >> _SHIFT
    return combined
