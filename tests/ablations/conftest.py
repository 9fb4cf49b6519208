"""Small sweeps of one domain, built by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from davinci.platform.store.records import Arm, Cost, Outcomes, Run, Sweep

NUM_ITEMS = 30


def outcome(protocol: str, metric: str, values: Any, **changes: Any) -> Outcomes:
    values = np.asarray(values, dtype=np.float64)
    fields: dict[str, Any] = {
        "benchmark": "held_out_math" if protocol == "bpb" else "world_math",
        "domain": "math",
        "protocol": protocol,
        "metric": metric,
        "higher_is_better": protocol != "bpb",
        "item_ids": tuple(f"i{index}" for index in range(len(values))),
        "values": values,
        "weights": np.ones(len(values)),
    }
    return Outcomes(**(fields | changes))


def run(seed: int, *outcomes: Outcomes, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "digest": f"run{seed}",
        "recipe": "recipe",
        "seed": seed,
        "world_seed": 0,
        "state": "done",
        "outcomes": outcomes,
        "cost": Cost(tokens=1000, flops=1.0, wall_s=1.0, cpu_s=1.0),
    }
    return Run(**(fields | changes))


def arm(label: str, runs: list[Run], **changes: Any) -> Arm:
    fields: dict[str, Any] = {
        "label": label,
        "recipe": label,
        "choices": {"data.level": label},
        "overrides": (f"data.level={label}",),
        "config": {"data": {"levels": {"math": label}}, "model": {"hidden_size": 64}},
        "runs": tuple(runs),
    }
    return Arm(**(fields | changes))


def sweep(*arms: Arm, baseline: str = "L2") -> Sweep:
    return Sweep(
        digest="d",
        name="s",
        command="c",
        created="2026-11-23T00:00:00+00:00",
        axes={"data.level": tuple(a.label for a in arms)},
        fixed=(),
        baseline=baseline,
        arms=arms,
        corpora={},
        provenance={},
    )


def bpb(level: float, seed: int) -> Outcomes:
    noise = np.random.default_rng([seed, round(level * 100)])
    items = np.random.default_rng(99).normal(0, 0.2, NUM_ITEMS)
    return outcome("bpb", "bits_per_byte", level + items + noise.normal(0, 0.01, NUM_ITEMS))


def right(share: float, seed: int, protocol: str = "ppl", metric: str = "accuracy") -> Outcomes:
    draws = np.random.default_rng([seed, round(share * 100)]).random(NUM_ITEMS)
    return outcome(protocol, metric, draws < share)


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Return the functions above, for tests to build with."""
    return SimpleNamespace(
        num_items=NUM_ITEMS,
        outcome=outcome,
        run=run,
        arm=arm,
        sweep=sweep,
        bpb=bpb,
        right=right,
    )
