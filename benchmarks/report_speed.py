"""How fast the index and the reports are written, beside MLflow's search over the same runs.

    python benchmarks/report_speed.py [RUNS [METRICS]]

Makes a store of sweeps of five arms with ten seeds, each run with METRICS scores of 20 items and
four learning curves of 100 points, and the same scores in an MLflow database. Then times the index
of sweeps that have no records yet, all reports with their pages of runs (`davinci report --all`, a
process per core), the index from records, and `mlflow.search_runs` over all runs. More than 1,000
runs are not logged to MLflow: that alone would take longer than all else.
"""

import logging
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sqlalchemy import Connection, Engine, insert

from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.reports.write import write_all, write_index

ARMS, SEEDS, ITEMS, POINTS = 5, 10, 20, 100
MAX_PEER = 1_000
PROTOCOLS = ("bpb", "ppl", "generative")
DOMAINS = ("general", "code", "math", "science", "qa")


def digest(*words: object) -> str:
    """Return a made-up digest."""
    return uuid.uuid5(uuid.NAMESPACE_OID, repr(words)).hex * 2


def add_task(connection: Connection, name: str, kind: str) -> None:
    """Insert a finished task."""
    row = {"digest": name, "kind": kind, "label": kind, "settings": {}, "state": "done"}
    row |= {"wall_s": 60.0, "cpu_s": 60.0, "max_rss_bytes": 1 << 30, "created": 0.0}
    connection.execute(insert(tables.task).values(row))


def outcomes(
    tasks: Mapping[str, str], place: int, rng: np.random.Generator, skill: float
) -> dict[str, Any]:
    """Return one row of scores; every third is bits per byte."""
    kind = place % 3
    protocol = PROTOCOLS[kind]
    right = (rng.random(ITEMS) < skill).astype(float)
    values = 2.0 - skill + rng.normal(0, 0.1, ITEMS) if kind == 0 else right
    return {
        "task": tasks[protocol],
        "benchmark": f"benchmark_{place // 3}",
        "metric": "bits_per_byte" if kind == 0 else "accuracy",
        "protocol": protocol,
        "domain": DOMAINS[place // 3 % len(DOMAINS)],
        "higher_is_better": int(kind > 0),
        "chance": None if kind == 0 else 0.25,
        "score": float(values.mean()),
        "num_items": ITEMS,
        "item_ids": [str(item) for item in range(ITEMS)],
        "clusters": [],
        "values": values.astype("<f8").tobytes(),
        "weights": np.ones(ITEMS).astype("<f8").tobytes(),
        "samples": [],
    }


def add_run(
    connection: Connection, recipe: str, name: str, seed: int, skill: float, num: int
) -> None:
    """Insert one finished run with its scores and curves."""
    rng = np.random.default_rng([seed, round(skill * 1000)])
    run, segment = digest(name, seed), digest(name, seed, "segment")
    scored = {protocol: digest(name, seed, protocol) for protocol in PROTOCOLS}
    connection.execute(
        insert(tables.run).values(digest=run, recipe=recipe, seed=seed, world_seed=0)
    )
    add_task(connection, segment, "segment")
    for task in scored.values():
        add_task(connection, task, "evaluation")
    roles = {"segment.000": segment} | {f"evaluation.{p}": task for p, task in scored.items()}
    connection.execute(
        insert(tables.run_task), [{"run": run, "role": r, "task": t} for r, t in roles.items()]
    )
    connection.execute(
        insert(tables.segment).values(
            task=segment,
            num_parameters=134_000,
            tokens=10**6,
            flops=1e12,
            result={"epochs_per_domain": {}},
        )
    )
    tokens = np.linspace(0, 1e6, POINTS)
    connection.execute(
        insert(tables.curve),
        [
            {
                "task": segment,
                "name": curve,
                "tokens": tokens.astype("<f8").tobytes(),
                "values": rng.normal(2, 0.1, POINTS).astype("<f8").tobytes(),
            }
            for curve in ("loss", "lr", "grad_norm", "batch_tokens")
        ],
    )
    rows = [outcomes(scored, place, rng, skill) for place in range(num)]
    connection.execute(insert(tables.outcomes), rows)


def fill(engine: Engine, runs: int, metrics: int) -> None:
    """Make sweeps until there are so many runs."""
    for number in range(runs // (ARMS * SEEDS)):
        sweep = digest("sweep", number)
        with engine.begin() as connection:
            connection.execute(
                insert(tables.sweep).values(
                    digest=sweep, name=f"sweep {number}", command="python run.py",
                    created=f"2026-11-{1 + number % 28:02d}T00:00:00+00:00",
                    axes=[["data.level", [f"L{arm}" for arm in range(ARMS)]]], fixed=[],
                    baseline="L0", provenance={}, num_tasks=100, num_tasks_unshared=100,
                    num_tasks_reused=0,
                )
            )  # fmt: skip
            for arm in range(ARMS):
                recipe = digest("recipe", number, arm)
                connection.execute(insert(tables.recipe).values(digest=recipe, config={"arm": arm}))
                connection.execute(
                    insert(tables.arm).values(
                        sweep=sweep, position=arm, label=f"L{arm}", recipe=recipe,
                        choices={"data.level": f"L{arm}"}, overrides=[f"data.level=L{arm}"],
                    )
                )  # fmt: skip
                for seed in range(SEEDS):
                    name = f"{number}-{arm}"
                    add_run(connection, recipe, name, seed, 0.5 + 0.02 * arm, metrics)
                    connection.execute(
                        insert(tables.arm_run).values(
                            sweep=sweep, position=arm, run=digest(name, seed)
                        )
                    )


def fill_mlflow(url: str, runs: int, metrics: int) -> Callable[[], Any]:
    """Log as many runs with as many metrics; return the search over them."""
    import mlflow
    from mlflow.entities import Metric

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("all")
    for number in range(runs):
        made = client.create_run(experiment)
        found = [Metric(f"metric_{place}", number / runs, 0, 0) for place in range(metrics)]
        client.log_batch(made.info.run_id, metrics=found)
        client.set_terminated(made.info.run_id)
    return lambda: mlflow.search_runs([experiment], max_results=runs)


def timed(what: str, act: Callable[[], Any]) -> float:
    """Do it, print how long it took, and return that."""
    start = time.perf_counter()
    act()
    took = time.perf_counter() - start
    most = [
        resource.getrusage(who).ru_maxrss / 1e6
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(
        f"{what:32s} {took:7.2f} s   (most memory so far: {most[0]:.2f} GB, workers {most[1]:.2f})",
        flush=True,
    )
    return took


def main(runs: int, metrics: int) -> None:
    """Print all times."""
    print(f"{runs} runs x {metrics} metrics, sweeps of {ARMS} arms with {SEEDS} seeds")
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder) / "reports"
        url = f"sqlite:///{folder}/davinci.db"
        engine = open_store(url)
        timed("(making the store)", lambda: fill(engine, runs, metrics))
        quiet = Console(quiet=True)
        if runs <= MAX_PEER:
            timed("index, no records yet", lambda: write_index(engine, Path(folder) / "first"))
        every = timed("all reports, and the index", lambda: write_all(engine, url, reports, quiet))
        index = timed("index", lambda: write_index(engine, reports))
        print(
            f"{1e3 * every / runs:.1f} ms per run; {sum(1 for _ in reports.rglob('*.html'))} pages"
        )
        if runs <= MAX_PEER:
            search = fill_mlflow(f"sqlite:///{folder}/mlflow.db", runs, metrics)
            peer = timed("mlflow.search_runs", search)
            print(f"index {peer / index:.1f} x as fast as the search, reports {peer / every:.2f} x")


if __name__ == "__main__":
    main(*[int(word) for word in (*sys.argv[1:], *("1000", "200")[len(sys.argv) - 1 :])][:2])
