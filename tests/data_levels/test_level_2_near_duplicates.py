"""L2: what counts as a near-duplicate: shingles, signatures and clusters."""

import random
from pathlib import Path

import numpy as np
import pytest
from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

from davinci.data_levels.levels.selection.near_duplicates import (
    BATCH_SHINGLES,
    Clusters,
    Signatures,
    first_of_each,
    shingles,
    signature,
)
from davinci.data_levels.settings import RuleSettings

RULES = RuleSettings()


def paragraph(seed: int, num_words: int = 120) -> str:
    rng = random.Random(seed)
    words = ["stone", "river", "cloud", "the", "is", "of", "and", "mill", "grain", "to", "with"]
    return " ".join(rng.choice(words) + str(rng.randrange(9)) for _ in range(num_words)) + (
        " and that is the end of it, which is as it should be."
    )


def framed(text: str) -> str:
    return f"Home | About | Contact\n{text}\nCopyright 2020"


def test_near_duplicates_are_found_and_different_texts_are_not() -> None:
    originals = [paragraph(seed) for seed in range(20)]
    assert first_of_each([*originals, *map(framed, originals)], RULES) == list(range(20))


def test_half_changed_texts_are_no_near_duplicates() -> None:
    texts = [paragraph(1) + paragraph(seed) for seed in range(2, 8)]
    assert len(first_of_each(texts, RULES)) == 6


def test_marks_and_numbers_tell_texts_apart() -> None:
    plus = "\n".join(f"{n} + {n} gives the number {n} + {n}" for n in range(20))
    others = [plus.replace("+", "-"), "\n".join(f"{n} + {n} gives" for n in range(50, 100))]
    assert first_of_each([plus, *others], RULES) == [0, 1, 2]
    sums = [f"What is {n} + {n + 1}? It is {2 * n + 1}." for n in range(50)]
    assert first_of_each(sums, RULES) == list(range(50))


def test_very_short_texts_are_near_duplicates_only_when_their_words_are_the_same() -> None:
    assert first_of_each(["One two", "one, three", "one TWO", ""], RULES) == [0, 1, 3]


def test_a_chain_of_near_duplicates_is_one_cluster() -> None:
    words = paragraph(9, 300).split()
    chain = [" ".join(words[step * 25 : step * 25 + 240]) for step in range(3)]
    sets = [set(shingles(text, 5).tolist()) for text in chain]
    alike = [
        len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        for one, other in ((0, 1), (1, 2), (0, 2))
    ]
    assert alike == pytest.approx([0.81, 0.81, 0.65], abs=0.01)  # the ends are further apart
    assert first_of_each([chain[0], chain[2]], RULES) == [0, 1]
    assert first_of_each(chain, RULES) == [0]


def test_a_cluster_is_named_by_its_smallest_number() -> None:
    clusters = Clusters()
    for one, other in ((7, 5), (9, 8), (5, 9), (3, 2)):
        clusters.join(one, other)
    assert [clusters.first(number) for number in range(10)] == [0, 1, 2, 2, 4, 5, 6, 5, 5, 5]
    assert [number for number in range(10) if number in clusters] == [2, 3, 5, 7, 8, 9]


def test_long_chains_of_clusters_need_no_recursion() -> None:
    clusters = Clusters()
    for number in reversed(range(50_000)):
        clusters.join(number + 1, number)
    assert clusters.first(50_000) == 0


@pytest.mark.parametrize("num_shingles", [1, 5, BATCH_SHINGLES, 3 * BATCH_SHINGLES + 17])
def test_signatures_are_those_of_datatrove_for_the_same_shingles(
    tmp_path: Path, num_shingles: int
) -> None:
    runs = np.random.RandomState(0).randint(0, 2**64, dtype=np.uint64, size=(num_shingles, 1))
    ours = Signatures(tmp_path, RULES)
    assert ours.get_signature(runs) == MinhashDedupSignature.get_signature(ours, runs)
    assert signature(runs[:, 0], 14, 8).shape == (14, 8)


def test_a_hash_that_is_the_prime_itself_counts_as_zero(tmp_path: Path) -> None:
    ours = Signatures(tmp_path, RULES)
    factors, summands = (values[0].tolist() for values in ours.parameters)
    place = next(place for place, factor in enumerate(factors) if factor % 2)
    shingle = (2**61 - 1 - summands[place]) * pow(factors[place], -1, 2**64) % 2**64
    rows = signature(np.array([shingle], dtype=np.uint64), 14, 8)
    assert rows.ravel()[place] == 0


def test_equal_hashes_are_as_frequent_as_the_jaccard_similarity_says() -> None:
    rng = np.random.RandomState(1)
    agreeing = []
    for _ in range(100):
        both, one, other = np.split(rng.randint(0, 2**64, dtype=np.uint64, size=400), [200, 300])
        rows = [signature(np.concatenate([both, own]), 14, 8) for own in (one, other)]
        agreeing.append(float(np.mean(rows[0] == rows[1])))
    # 200 shared of 400; the standard error over 100 pairs of 112 hashes is 0.005
    assert np.mean(agreeing) == pytest.approx(0.5, abs=0.015)
