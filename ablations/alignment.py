"""From runs to paired arrays: same world, same seed, same items, finite values only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from davinci.ablations.statistics import Block, Paired
from davinci.platform.store.records import Arm, Floats, Outcomes, Run


class MetricKey(NamedTuple):
    """Names one score: a metric of a benchmark under a protocol."""

    protocol: str
    domain: str
    benchmark: str
    metric: str


class ReplicateKey(NamedTuple):
    """Names one repetition: the world and the training seed."""

    world_seed: int
    seed: int


class Aligned(NamedTuple):
    """Worlds as `Block` or `Paired`, and what had to be left out to get there.

    `num_items_left_out` counts items that some replicate lacks or scored as NaN.
    """

    worlds: tuple[Block, ...]
    pairs: tuple[Paired, ...]
    replicates: tuple[ReplicateKey, ...]
    num_items_left_out: int


Table = Mapping[str, tuple[float, float]]
"""Item id -> (value, weight), unusable items left out."""


def key_of(outcomes: Outcomes) -> MetricKey:
    """Return the name of a record's score."""
    return MetricKey(outcomes.protocol, outcomes.domain, outcomes.benchmark, outcomes.metric)


def done_runs(arm: Arm) -> dict[ReplicateKey, Run]:
    """Return an arm's finished runs by replicate; a replicate that occurs twice counts once."""
    found: dict[ReplicateKey, Run] = {}
    for run in arm.runs:
        if run.state == "done":
            found.setdefault(ReplicateKey(run.world_seed, run.seed), run)
    return dict(sorted(found.items()))


def outcomes_by_key(arm: Arm) -> dict[MetricKey, dict[ReplicateKey, Outcomes]]:
    """Return all records of an arm's finished runs, by score and replicate."""
    found: dict[MetricKey, dict[ReplicateKey, Outcomes]] = {}
    for replicate, run in done_runs(arm).items():
        for outcomes in run.outcomes:
            found.setdefault(key_of(outcomes), {}).setdefault(replicate, outcomes)
    return found


def align_scores(records: Mapping[ReplicateKey, Outcomes]) -> Aligned:
    """Return one block per world from one arm's records of one score."""
    tables = _usable(records)
    worlds, left_out = [], 0
    for replicates in _by_world(tables):
        items = _shared([tables[r] for r in replicates])
        left_out += _num_left_out([records[r] for r in replicates], items)
        if items:
            values, weights = _matrix([tables[r] for r in replicates], items)
            worlds.append(Block(values, weights))
    return Aligned(tuple(worlds), (), tuple(tables), left_out)


def align_pairs(
    treatment: Mapping[ReplicateKey, Outcomes], baseline: Mapping[ReplicateKey, Outcomes]
) -> Aligned:
    """Return one pair of blocks per world, of the replicates and items that both arms have."""
    ours, theirs = _usable(treatment), _usable(baseline)
    common = {replicate: ours[replicate] for replicate in ours if replicate in theirs}
    pairs, left_out = [], 0
    for replicates in _by_world(common):
        tables = [ours[r] for r in replicates] + [theirs[r] for r in replicates]
        items = _shared(tables)
        records = [treatment[r] for r in replicates] + [baseline[r] for r in replicates]
        left_out += _num_left_out(records, items)
        if items:
            values, weights = _matrix(tables, items)
            half = len(replicates)
            pairs.append(Paired(values[:half], values[half:], weights))
    return Aligned((), tuple(pairs), tuple(common), left_out)


def _usable(records: Mapping[ReplicateKey, Outcomes]) -> dict[ReplicateKey, Table]:
    tables = {replicate: _table(outcomes) for replicate, outcomes in sorted(records.items())}
    return {replicate: table for replicate, table in tables.items() if table}


def _table(outcomes: Outcomes) -> Table:
    values = np.asarray(outcomes.values, dtype=np.float64).ravel()
    weights = np.asarray(outcomes.weights, dtype=np.float64).ravel()
    triples = zip(outcomes.item_ids, values.tolist(), weights.tolist(), strict=False)
    return {
        item: (value, weight)
        for item, value, weight in triples
        if np.isfinite(value) and np.isfinite(weight) and weight > 0
    }


def _by_world(replicates: Iterable[ReplicateKey]) -> list[list[ReplicateKey]]:
    worlds: dict[int, list[ReplicateKey]] = {}
    for replicate in replicates:
        worlds.setdefault(replicate.world_seed, []).append(replicate)
    return list(worlds.values())


def _shared(tables: Sequence[Table]) -> list[str]:
    return [item for item in tables[0] if all(item in table for table in tables[1:])]


def _num_left_out(records: Sequence[Outcomes], items: Sequence[str]) -> int:
    return len({item for outcomes in records for item in outcomes.item_ids}) - len(items)


def _matrix(tables: Sequence[Table], items: Sequence[str]) -> tuple[Floats, Floats]:
    """Return values (tables, items) and the first table's weights (items,)."""
    values = np.array([[table[item][0] for item in items] for table in tables])
    weights = np.array([tables[0][item][1] for item in items])
    return values, weights
