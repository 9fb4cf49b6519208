"""Reading a sweep: what is there, in its order, also while others add to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, event, insert

from davinci.platform.store import tables
from davinci.platform.store.arrays import floats
from davinci.platform.store.open import open_store
from davinci.platform.store.read import find_run, load_sweep

SWEEP, RECIPE = "5" * 64, "6" * 64
KINDS = ("segment.000", "segment.001", "evaluation.bpb", "evaluation.ppl")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return a store with a sweep of one arm that has no run yet."""
    engine = open_store(f"sqlite:///{tmp_path / 'davinci.db'}")
    with engine.begin() as connection:
        connection.execute(
            insert(tables.sweep).values(
                digest=SWEEP, name="a sweep", command="python run.py", created="2026-11-29",
                axes=[], fixed=[], baseline="L0", provenance={}, num_tasks=1, num_tasks_unshared=1,
                num_tasks_reused=0,
            )
        )  # fmt: skip
        connection.execute(insert(tables.recipe).values(digest=RECIPE, config={"a": 1}))
        connection.execute(
            insert(tables.arm).values(
                sweep=SWEEP, position=0, label="L0", recipe=RECIPE, choices={}, overrides=[]
            )
        )
    return engine


def run_digest(seed: int) -> str:
    return f"{seed:064x}"


def add_run(connection: Connection, seed: int) -> None:
    """Add a finished run with two segments and two evaluations."""
    run = run_digest(seed)
    connection.execute(
        insert(tables.run).values(digest=run, recipe=RECIPE, seed=seed, world_seed=seed % 2)
    )
    for place, role in enumerate(KINDS):
        task = f"{place + 1}{run[1:]}"
        kind = role.partition(".")[0]
        row: dict[str, Any] = {"digest": task, "kind": kind, "label": role, "settings": {}}
        connection.execute(insert(tables.task).values(**row, state="done", created=0.0))
        connection.execute(insert(tables.run_task).values(run=run, role=role, task=task))
        if kind == "segment":
            add_segment(connection, task, place, seed)
        else:
            add_outcomes(connection, task, role.partition(".")[2], seed)
    connection.execute(insert(tables.arm_run).values(sweep=SWEEP, position=0, run=run))


def add_segment(connection: Connection, task: str, place: int, seed: int) -> None:
    result = {"epochs_per_domain": {"math": 0.5}}
    connection.execute(
        insert(tables.segment).values(
            task=task, num_parameters=7, tokens=100, flops=1.0, result=result
        )
    )
    for name in ("lr", "loss"):
        values = [float(seed), float(place)]
        connection.execute(
            insert(tables.curve).values(
                task=task, name=name, tokens=floats([100.0 * place + 1]), values=floats(values[:1])
            )
        )


def add_outcomes(connection: Connection, task: str, protocol: str, seed: int) -> None:
    for benchmark in ("zebra", "apple"):
        connection.execute(
            insert(tables.outcomes).values(
                task=task, benchmark=benchmark, metric="accuracy", protocol=protocol,
                domain="math", higher_is_better=1, chance=None, score=0.5, num_items=2,
                item_ids=["a", "b"], clusters=["c", "c"], samples=[{"id": "a"}],
                values=floats([float(seed), 1.0]), weights=floats([1.0, 3.0]),
            )
        )  # fmt: skip


def test_every_run_has_its_own_records_in_order(engine: Engine) -> None:
    with engine.begin() as connection:
        for seed in (5, 2, 3):
            add_run(connection, seed)
        connection.execute(
            insert(tables.mirror).values(
                run=run_digest(3), sweep=SWEEP, tracking_url="u", mlflow_run_id="mine", content="c"
            )
        )
    sweep = load_sweep(engine, SWEEP)
    (arm,) = sweep.arms
    assert [(run.world_seed, run.seed) for run in arm.runs] == [(0, 2), (1, 3), (1, 5)]
    for run in arm.runs:
        assert run.state == "done"
        assert run.num_parameters == 7
        assert run.epochs == {"math": 1.0}
        assert run.checkpoint == run.segments[-1].digest == f"2{run.digest[1:]}"
        assert [(one.protocol, one.benchmark) for one in run.outcomes] == [
            ("bpb", "apple"), ("bpb", "zebra"), ("ppl", "apple"), ("ppl", "zebra"),
        ]  # fmt: skip
        for one in run.outcomes:
            assert (one.item_ids, one.clusters) == (("a", "b"), ("c", "c"))
            assert one.samples == ({"id": "a"},)
            assert np.isnan(one.chance)
            np.testing.assert_array_equal(one.values, [run.seed, 1.0])
            np.testing.assert_array_equal(one.weights, [1.0, 3.0])
        assert [curve.name for curve in run.curves] == ["loss", "lr"]
        for curve in run.curves:
            np.testing.assert_array_equal(curve.tokens, [1.0, 101.0])
            np.testing.assert_array_equal(curve.values, [run.seed, run.seed])
    assert [run.mlflow_run_id for run in arm.runs] == ["", "mine", ""]
    found, places = find_run(engine, run_digest(3))
    assert (found.digest, len(found.outcomes), found.epochs) == (run_digest(3), 4, {"math": 1.0})
    assert places == [(SWEEP, "L0")]


def test_runs_that_are_added_while_a_sweep_is_read_do_no_harm(engine: Engine) -> None:
    with engine.begin() as connection:
        add_run(connection, 0)
    other = open_store(str(engine.url))
    added: list[int] = []

    def add(*_: object) -> None:
        with other.begin() as connection:
            add_run(connection, len(added) + 1)
        added.append(1)

    event.listen(engine, "after_cursor_execute", add)
    (arm,) = load_sweep(engine, SWEEP).arms
    assert len(added) > 5
    assert arm.runs[0].digest == run_digest(0)
    for run in arm.runs:
        assert (len(run.segments), len(run.outcomes), len(run.curves)) == (2, 4, 2)
