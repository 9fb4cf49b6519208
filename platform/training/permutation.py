"""A seeded permutation of 0..n-1 at any place, without a table: for shards of any size."""

import hashlib

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]
NUM_ROUNDS = 4
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def key_of(*parts: int | str) -> int:
    """Return 64 bits that depend on all parts and on nothing else."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def permuted(indices: UInts, size: int, key: int) -> UInts:
    """Return where the permutation `key` of `range(size)` sends each index, shape as given.

    A Feistel network over the next power of four, walked until the value falls below `size`; so it
    is a bijection of `range(size)` for every key.

    Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains" (cycle walking).

    Raises:
        ValueError: If an index is not below `size`.
    """
    if indices.size and int(indices.max()) >= size:
        raise ValueError(f"Indices must be below {size=}, but got {int(indices.max())}.")
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    values = _feistel(indices.astype(np.uint64), half_bits, key)
    while (outside := values >= np.uint64(size)).any():
        values[outside] = _feistel(values[outside], half_bits, key)
    return values


def _feistel(values: UInts, half_bits: int, key: int) -> UInts:
    shift, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> shift, values & mask
    for round_index in range(NUM_ROUNDS):
        round_key = np.uint64(key_of(key, round_index))
        left, right = right, left ^ (_mixed(right ^ round_key) & mask)
    return (left << shift) | right


def _mixed(values: UInts) -> UInts:
    """Return the 64-bit finalizer of splitmix64 (Steele et al. 2014), elementwise."""
    for multiplier, bits in zip(_MULTIPLIERS, (30, 27), strict=True):
        values = (values ^ (values >> np.uint64(bits))) * multiplier
    return values ^ (values >> np.uint64(31))
