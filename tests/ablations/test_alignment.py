"""The quick way to align records says what the thorough one says, whatever is wrong with them."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from davinci.ablations import alignment
from davinci.ablations.alignment import Aligned, ReplicateKey, Replicates, align, align_each
from davinci.platform.store.records import Outcomes

NUM_ITEMS, NUM_SEEDS, NUM_WORLDS = 12, 3, 2


def record(rng: np.random.Generator, **changes: Any) -> Outcomes:
    fields: dict[str, Any] = {
        "benchmark": "b",
        "domain": "math",
        "protocol": "ppl",
        "metric": "accuracy",
        "higher_is_better": True,
        "item_ids": tuple(f"item {number}" for number in range(NUM_ITEMS)),
        "values": rng.normal(size=NUM_ITEMS),
        "weights": np.arange(1.0, NUM_ITEMS + 1),
    }
    return Outcomes(**{**fields, **changes})


def arm(seed: int) -> dict[ReplicateKey, Outcomes]:
    rng = np.random.default_rng(seed)
    keys = [ReplicateKey(w, s) for w in range(NUM_WORLDS) for s in range(NUM_SEEDS)]
    return {key: record(rng) for key in keys}


def with_place(values: Any, place: int, value: Any) -> Any:
    changed = list(values)
    changed[place] = value
    return tuple(changed) if isinstance(values, tuple) else np.array(changed)


CHANGES: dict[str, Callable[[Outcomes], Outcomes]] = {
    "nothing": lambda one: one,
    "a value is NaN": lambda one: replace(one, values=with_place(one.values, 3, np.nan)),
    "a weight is 0": lambda one: replace(one, weights=with_place(one.weights, 3, 0.0)),
    "a weight is NaN": lambda one: replace(one, weights=with_place(one.weights, 3, np.nan)),
    "a weight is below 0": lambda one: replace(one, weights=with_place(one.weights, 3, -1.0)),
    "a weight is another": lambda one: replace(one, weights=with_place(one.weights, 3, 7.5)),
    "an item is there twice": lambda one: replace(
        one, item_ids=with_place(one.item_ids, 3, "item 4")
    ),
    "an item is another": lambda one: replace(one, item_ids=with_place(one.item_ids, 3, "new")),
    "the order is another": lambda one: replace(
        one,
        item_ids=one.item_ids[::-1],
        values=one.values[::-1],
        weights=one.weights[::-1],
    ),
    "an item lacks": lambda one: replace(
        one, item_ids=one.item_ids[1:], values=one.values[1:], weights=one.weights[1:]
    ),
    "items come in clusters": lambda one: replace(
        one, clusters=tuple(f"law {number % 4}" for number in range(NUM_ITEMS))
    ),
    "some items come in clusters": lambda one: replace(
        one, clusters=tuple("law" if number < 5 else "" for number in range(NUM_ITEMS))
    ),
    "nothing is usable": lambda one: replace(one, values=np.full(NUM_ITEMS, np.nan)),
}


def thorough(monkeypatch: pytest.MonkeyPatch, *scores: Replicates) -> Aligned:
    with monkeypatch.context() as patch:
        patch.setattr(alignment, "_whole_worlds", lambda *_: None)
        return align(*scores)


def assert_same(ours: Aligned, theirs: Aligned) -> None:
    assert ours.replicates == theirs.replicates
    assert ours.num_items_left_out == theirs.num_items_left_out
    assert ours.same == theirs.same
    assert len(ours.worlds) == len(theirs.worlds)
    for one, other in zip(ours.worlds, theirs.worlds, strict=True):
        assert one.num_items == other.num_items
        np.testing.assert_array_equal(one.weights, other.weights)
        for left, right in zip(one.values, other.values, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("changed", ["in one record", "in one arm", "in all records"])
@pytest.mark.parametrize("what", CHANGES)
def test_both_ways_agree(what: str, changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = arm(0), arm(1)
    change = CHANGES[what]
    for number, key in enumerate(first):
        if changed != "in one record" or number == 2:
            first[key] = change(first[key])
        if changed == "in all records":
            second[key] = change(second[key])
    for scores in ((first,), (first, second), (second, first), (first, first)):
        assert_same(align(*scores), thorough(monkeypatch, *scores))
    assert_each(monkeypatch, first, second, arm(2))


def assert_each(monkeypatch: pytest.MonkeyPatch, *scores: Replicates) -> None:
    places = range(len(scores))
    wanted = [*((place,) for place in places), *itertools.permutations(places, 2)]
    for choice, found in zip(wanted, align_each(scores, wanted), strict=True):
        assert_same(found, thorough(monkeypatch, *(scores[place] for place in choice)))


def test_both_ways_agree_on_replicates_that_one_arm_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = arm(0), arm(1)
    del second[ReplicateKey(0, 1)]
    del first[ReplicateKey(1, 2)]
    found = align(first, second)
    assert len(found.replicates) == NUM_WORLDS * NUM_SEEDS - 2
    assert_same(found, thorough(monkeypatch, first, second))
    assert_same(align(first, {}), thorough(monkeypatch, first, {}))
    assert_same(align({}), thorough(monkeypatch, {}))
    assert_each(monkeypatch, first, second, {}, arm(2))
    assert_each(monkeypatch, {}, {})


def test_whole_records_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (arm(0), arm(1))
    assert alignment._whole_worlds(both, sorted(both[0])) is not None
    with monkeypatch.context() as patch:
        patch.setattr(alignment, "align", lambda *_: pytest.fail("each is aligned by itself"))
        assert len(align_each(both, [(0,), (1, 0)])) == 2


def test_arms_that_differ_within_a_cluster_are_not_the_same() -> None:
    clusters = tuple(f"law {number // 2}" for number in range(NUM_ITEMS))
    weights = np.ones(NUM_ITEMS)
    first = {key: replace(one, clusters=clusters, weights=weights) for key, one in arm(0).items()}
    swapped = np.arange(NUM_ITEMS) ^ 1  # the two items of a cluster change places
    second = {key: replace(one, values=one.values[swapped]) for key, one in first.items()}
    found = align(first, second)
    assert not found.same
    for world in found.worlds:
        np.testing.assert_allclose(world.values[0], world.values[1])
