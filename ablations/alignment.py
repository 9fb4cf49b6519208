"""From runs to paired arrays: same world, same seed, same items, finite values only.

Items of one cluster (one law, one attribute) are no independent evidence. So the cluster is the
unit: its column holds the weighted mean of its items and weighs as much as they do together.
"""

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


Replicates = Mapping[ReplicateKey, Outcomes]
"""One arm's records of one score."""


class World(NamedTuple):
    """One world: `values`, (S, C) per aligned score; `weights` (C,); items behind the C columns."""

    values: tuple[Floats, ...]
    weights: Floats
    num_items: int


class Aligned(NamedTuple):
    """Scores over the replicates and items that all of them have, world by world.

    `num_items_left_out` counts items that some replicate lacks or scored as NaN; `same` is whether
    all scores agree in every single item.
    """

    worlds: tuple[World, ...]
    replicates: tuple[ReplicateKey, ...]
    num_items_left_out: int
    same: bool

    @property
    def blocks(self) -> list[Block]:
        """The first score, one block per world."""
        return [Block(w.values[0], w.weights, w.num_items) for w in self.worlds]

    @property
    def pairs(self) -> list[Paired]:
        """The first score as treatment, the second as baseline."""
        return [Paired(w.values[0], w.values[1], w.weights, w.num_items) for w in self.worlds]


class Answer(NamedTuple):
    """One usable item of one record."""

    value: float
    weight: float
    cluster: str


Table = Mapping[str, Answer]
"""Item id -> answer, unusable items left out."""


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


def align(*scores: Replicates) -> Aligned:
    """Return scores side by side, over the replicates and items that all of them have.

    Raises:
        ValueError: If a record's clusters do not match its items.
    """
    common = [r for r in sorted(scores[0]) if all(r in other for other in scores[1:])]
    if (whole := _whole_worlds(scores, common)) is not None:
        return _chosen(whole, common, range(len(scores)))
    tables = [_usable(records) for records in scores]
    common = [r for r in tables[0] if all(r in other for other in tables[1:])]
    worlds, left_out, same = [], 0, True
    for replicates in _by_world(common):
        own = [table[r] for table in tables for r in replicates]
        items = _shared(own)
        left_out += _num_left_out([records[r] for records in scores for r in replicates], items)
        if items:
            values = np.array([[table[item].value for item in items] for table in own])
            parts = np.split(values, len(scores))
            same = same and all(np.array_equal(parts[0], part) for part in parts[1:])
            answers = [own[0][item] for item in items]
            weights = np.array([answer.weight for answer in answers])
            clusters = [answer.cluster for answer in answers]
            values, weights = columns(values, weights, clusters, items)
            worlds.append(World(tuple(np.split(values, len(scores))), weights, len(items)))
    return Aligned(tuple(worlds), tuple(common), left_out, same and bool(worlds))


def align_each(scores: Sequence[Replicates], wanted: Iterable[Sequence[int]]) -> list[Aligned]:
    """Return `align` of every wanted choice of scores, each given by its places among them.

    Where all scores are complete and of the same replicates and items, they are read only once.

    Raises:
        ValueError: As `align`.
    """
    replicates = sorted(scores[0])
    alike = all(other.keys() == scores[0].keys() for other in scores[1:])
    worlds = _whole_worlds(scores, replicates) if alike else None
    if worlds is None:
        return [align(*(scores[place] for place in places)) for places in wanted]
    return [_chosen(worlds, replicates, places) for places in wanted]


class _WholeWorld(NamedTuple):
    """One world of complete records of the same items, N scores of them."""

    items_NSI: Floats
    columns_NSC: Floats
    weights: Floats


def _whole_worlds(
    scores: Sequence[Replicates], replicates: Sequence[ReplicateKey]
) -> list[_WholeWorld] | None:
    """Return these replicates' values; None unless, in each world, they are complete and alike.

    They mostly are, and need no look at each item then.
    """
    worlds = []
    for own in _by_world(replicates):
        records = [records[r] for records in scores for r in own]
        first = records[0]
        if (values := whole_values(records)) is None:
            return None
        merged, weights = columns(values, first.weights, first.clusters, first.item_ids)
        shape = (len(scores), len(own), -1)
        worlds.append(_WholeWorld(values.reshape(shape), merged.reshape(shape), weights))
    return worlds


def _chosen(
    worlds: Sequence[_WholeWorld], replicates: Sequence[ReplicateKey], places: Sequence[int]
) -> Aligned:
    """Return some of the scores side by side."""
    same = bool(worlds) and all(
        np.array_equal(world.items_NSI[places[0]], world.items_NSI[place])
        for world in worlds
        for place in places[1:]
    )
    chosen = tuple(
        World(
            values=tuple(world.columns_NSC[place] for place in places),
            weights=world.weights,
            num_items=world.items_NSI.shape[-1],
        )
        for world in worlds
    )
    return Aligned(chosen, tuple(replicates), 0, same)


def whole_values(records: Sequence[Outcomes]) -> Floats | None:
    """Return the values of complete records of the same items, one row each; None of others."""
    items, clusters = records[0].item_ids, records[0].clusters
    shape = (len(items),)
    if not items or len(set(items)) < len(items) or len(clusters) not in (0, len(items)):
        return None
    if not all(
        one.item_ids == items
        and one.values.shape == one.weights.shape == shape
        and one.clusters == clusters
        for one in records
    ):
        return None
    weights = np.array([one.weights for one in records], dtype=np.float64)
    values = np.array([one.values for one in records], dtype=np.float64)
    sound = np.isfinite(values).all() and np.isfinite(weights).all() and weights.min() > 0
    return values if sound and (weights == weights[0]).all() else None


def columns(
    values: Floats, weights: Floats, clusters: Sequence[str], items: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return values (N, C) and weights (C,) with one column per cluster, from values (N, I)."""
    weights = np.asarray(weights, dtype=np.float64)
    if any(clusters):
        names = [
            (cluster, "" if cluster else item)
            for cluster, item in zip(clusters, items, strict=True)
        ]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        member_IC = np.zeros((len(items), len(places)))
        member_IC[np.arange(len(items)), [places[name] for name in names]] = weights
        weights = member_IC.sum(axis=0)
        values = values @ member_IC / weights
    return values, weights


def _usable(records: Replicates) -> dict[ReplicateKey, Table]:
    tables = {replicate: _table(outcomes) for replicate, outcomes in sorted(records.items())}
    return {replicate: table for replicate, table in tables.items() if table}


def _table(outcomes: Outcomes) -> Table:
    values = np.asarray(outcomes.values, dtype=np.float64).ravel()
    weights = np.asarray(outcomes.weights, dtype=np.float64).ravel()
    clusters = outcomes.clusters or ("",) * len(outcomes.item_ids)
    if len(clusters) != len(outcomes.item_ids):
        raise ValueError(
            f"`clusters` must name one cluster per item, but {outcomes.benchmark} "
            f"{outcomes.metric} has {len(clusters)} for {len(outcomes.item_ids)} items; "
            'evaluate again, or leave `clusters` empty ("" for an item that stands for itself).'
        )
    rows = zip(outcomes.item_ids, values.tolist(), weights.tolist(), clusters, strict=False)
    return {
        item: Answer(value, weight, cluster)
        for item, value, weight, cluster in rows
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


Checkpoints = Mapping[int, Outcomes]
"""Trained tokens -> one score's record there, in their order."""


def checkpoints(run: Run) -> dict[MetricKey, Checkpoints]:
    """Return every score's records along a run, the last checkpoint's included.

    Empty for a run that is not done, or that was scored at its end alone.
    """
    if run.state != "done" or not run.segments or not run.trajectory:
        return {}
    end = run.segments[0].begin_tokens + sum(segment.tokens for segment in run.segments)
    every = [*((scored.tokens, scored.outcomes) for scored in run.trajectory), (end, run.outcomes)]
    found: dict[MetricKey, dict[int, Outcomes]] = {}
    for tokens, outcomes in every:
        for one in outcomes:
            found.setdefault(key_of(one), {})[tokens] = one
    return {key: dict(sorted(records.items())) for key, records in found.items()}
