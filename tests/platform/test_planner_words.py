"""What a person is told before anything runs: budgets, edits, forecasts, explanations, status."""

import io
import json
import re
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from rich.console import Console
from sqlalchemy import Engine, update

from davinci.models.size import num_parameters
from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.identity import restore
from davinci.platform.config.places import sqlite_url
from davinci.platform.config.schema import register_schema
from davinci.platform.describe import describe
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.ledger.usage import Usage
from davinci.platform.plan.budget import choose_runs
from davinci.platform.plan.cost import Known, flops_of, seconds_of
from davinci.platform.plan.edits import compare_with_last
from davinci.platform.plan.points import request_sweep
from davinci.platform.plan.record import record_sweep
from davinci.platform.plan.sweep import PlannedSweep, plan_sweep
from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.platform.store.read_rates import Rate
from davinci.platform.store.read_status import read_status
from davinci.platform.training.settings import SegmentSettings
from davinci.reports.cli import main

SMALL = ("scale.tokens=4096", "data.documents=60", "evaluation=bpb")
PAPER = ("scale=3b", "scale.tokens=8388608", "seeds=1")


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(Path(__file__).resolve().parents[2] / "conf")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_store(sqlite_url(tmp_path / "davinci.db"))


def planned(loader: ConfigLoader, tmp_path: Path, *words: str) -> PlannedSweep:
    every = [*SMALL, f"output_dir={tmp_path}", *words]
    return plan_sweep(request_sweep(every, loader, "config"))


def told(sweep: PlannedSweep) -> str:
    console = Console(file=io.StringIO(), width=400)
    describe(sweep, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def record(engine: Engine, sweep: PlannedSweep) -> Ledger:
    ledger = Ledger(engine, "elsewhere:1:aa", "elsewhere")
    ledger.plan(sweep.plan.tasks.values())
    record_sweep(engine, sweep, "python run.py -m", 0)
    return ledger


def one_run(sweep: PlannedSweep) -> float:
    return sum(flops_of(sweep.plan.tasks[task]) for task in sweep.plan.runs[0].tasks.values())


def test_a_budget_takes_one_seed_of_every_arm_before_the_second_and_the_baseline_first(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = ("data.level=L1,L2,L3", "seeds=3", "sweep.baseline=L2")
    sweep = planned(loader, tmp_path, *words)
    for number, expected in (
        (1, ["L2 0"]),
        (3, ["L1 0", "L2 0", "L3 0"]),
        (4, ["L1 0", "L2 0", "L2 1", "L3 0"]),
    ):
        limit = f"{one_run(sweep) * number * 1.001}FLOPs"
        choice = choose_runs(
            planned(loader, tmp_path, *words, f"sweep.budget={limit}"), Known(), ()
        )
        assert choice is not None
        labels = {run.digest: label for label, runs in sweep.runs.items() for run in runs}
        assert sorted(f"{labels[r.digest]} {r.replicate.seed}" for r in choice.runs) == expected
        assert len(choice.runs) + len(choice.left) == 9
        assert choice.cost <= choice.limit


def test_what_is_done_costs_nothing(loader: ConfigLoader, tmp_path: Path) -> None:
    sweep = planned(loader, tmp_path, "data.level=L1,L2", "seeds=1", "sweep.budget=1FLOPs")
    nothing = choose_runs(sweep, Known(), ())
    assert nothing is not None
    assert not nothing.runs
    everything = choose_runs(sweep, Known(), set(sweep.plan.tasks))
    assert everything is not None
    assert len(everything.runs) == 2
    assert everything.cost == 0


def test_work_that_is_shared_is_paid_once(loader: ConfigLoader, tmp_path: Path) -> None:
    words = ("curriculum=two_stage", "curriculum.stages.1.qa_frac=0.1,0.2", "seeds=1")
    sweep = planned(loader, tmp_path, *words)
    whole = sum(flops_of(task) for task in sweep.plan.tasks.values())
    assert whole < 1.5 * one_run(sweep)
    limited = planned(loader, tmp_path, *words, f"sweep.budget={whole * 1.001}FLOPs")
    choice = choose_runs(limited, Known(), ())
    assert choice is not None
    assert len(choice.runs) == 2
    assert choice.cost == pytest.approx(whole)


def test_time_and_money_are_counted_by_what_the_store_has_seen(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = ("data.level=L1,L2", "seeds=1")
    sweep = planned(loader, tmp_path, *words, "sweep.budget=1h")
    with pytest.raises(ConfigError, match="its time is not known: give FLOPs"):
        choose_runs(sweep, Known(), ())
    segment = next(task for task in sweep.plan.tasks.values() if task.kind == "segment")
    size = num_parameters(restore(SegmentSettings, segment.settings).model)
    known = Known(rates={size: Rate(flops_of(segment) / 10.0, 1)}, seconds={"corpus": 3.0})
    assert seconds_of(segment, known) == pytest.approx(10.0)
    choice = choose_runs(sweep, known, ())
    assert choice is not None
    assert len(choice.runs) == 2
    assert choice.cost > 20 + 3 * 15
    paid = planned(loader, tmp_path, *words, "sweep.budget=1money", "sweep.price_per_hour=3600")
    choice = choose_runs(paid, known, ())
    assert choice is not None
    assert not choice.runs
    with pytest.raises(ConfigError, match="needs sweep.price_per_hour"):
        choose_runs(planned(loader, tmp_path, *words, "sweep.budget=1money"), known, ())
    with pytest.raises(ConfigError, match="is a number and a unit"):
        choose_runs(planned(loader, tmp_path, *words, "sweep.budget=lots"), known, ())


def test_an_edited_sweep_says_what_was_added_and_dropped(
    loader: ConfigLoader, tmp_path: Path, engine: Engine
) -> None:
    before = planned(loader, tmp_path, "data.level=L1,L2,L3", "seeds=2")
    assert compare_with_last(engine, before) is None
    record(engine, before)
    assert compare_with_last(engine, before) is None
    after = planned(loader, tmp_path, "data.level=L2,L3,L4", "seeds=2")
    edit = compare_with_last(engine, after)
    assert edit is not None
    assert (edit.added, edit.dropped, edit.more, edit.same) == (
        *(("L4",), ("L1",), ()),
        ("L2", "L3"),
    )
    assert "1 added (L4), 1 dropped (L1), 2 as before" in told(after)
    more = compare_with_last(engine, planned(loader, tmp_path, "data.level=L1,L2", "seeds=3"))
    assert more is not None
    assert (more.dropped, more.more) == (("L3",), ("L1", "L2"))


def test_a_dry_run_tells_time_money_and_what_a_fraction_confuses(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = (
        *("data.level=L1,L2", "mixture=uniform,math_heavy", "curriculum=single,constant"),
        *("sweep.design=fractional", "sweep.dry_run=true", "seeds=1"),
    )
    text = told(planned(loader, tmp_path, *words))
    assert "A fraction of resolution 3: 4 points." in text
    assert "data.level = mixture × curriculum" in text
    assert "hours of one H100" in text
    assert "Dry run: nothing has been computed." in text


def test_status_tells_what_runs_where_and_what_failed(
    loader: ConfigLoader, tmp_path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = planned(loader, tmp_path, "data.level=L1,L2", "seeds=1")
    ledger = record(engine, sweep)
    usage = Usage(wall_s=1.0, cpu_s=1.0, max_rss_bytes=1)
    of_kind = {task.kind: task for task in sweep.plan.tasks.values()}
    assert ledger.claim(of_kind["tokenizer"].digest)
    ledger.heartbeat({of_kind["tokenizer"].digest: (1, 4, "a quarter")})
    assert ledger.claim(of_kind["held_out"].digest)
    ledger.done(of_kind["held_out"].digest, usage)
    for cause in ("preempted", "infrastructure"):
        assert ledger.claim(of_kind["corpus"].digest)
        ledger.release(of_kind["corpus"].digest, cause)
    assert ledger.claim(of_kind["corpus"].digest)
    ledger.failed(of_kind["corpus"].digest, "bad data", "Traceback\nValueError: x", usage)
    status = read_status(engine)
    [running] = status.running
    assert (running.place, running.progress, running.progress_total) == ("elsewhere", 1, 4)
    assert status.failures == {"bad data": 1}
    assert status.tries == {"infrastructure": 1, "preempted": 1}
    assert status.tasks["held_out", "done"] == 1
    assert status.sweeps[0].runs == {"failed": 1, "running": 1}
    assert main(["status", "--output-dir", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "elsewhere" in text
    assert "a quarter" in text
    assert "failed: 1 bad data" in text
    with engine.begin() as connection:
        connection.execute(update(tables.task).values(heartbeat=0.0))
    assert read_status(engine).running[0].silent
    assert read_status(engine).sweeps[0].runs["interrupted"] == 1


def test_explain_names_what_makes_a_point_new(
    loader: ConfigLoader, tmp_path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = planned(loader, tmp_path, "data.level=L1,L2", "seeds=2")
    record(engine, sweep)
    place = ["--output-dir", str(tmp_path)]

    def explain(*words: str) -> str:
        assert main(["explain", *words, *place]) == 0
        return re.sub(r"\s+", " ", capsys.readouterr().out)

    same = explain(*SMALL, "data.level=L2", "seed=1")
    run = sweep.runs["L2"][1].digest
    assert f"This is run {run[:12]}, which the store has." in same
    assert "as L2" in same
    new = explain(*SMALL, "data.level=L2", "mixture.weights={qa: 0.3, math: 0.1}")
    assert "is new" in new
    assert "stages.0.weights.qa: 0.2 -> 0.3" in new
    assert "new: " in new
    assert "The store has its recipe" in explain(*SMALL, "data.level=L2", "seed=7")
    assert "planned, world 0, seed 1" in explain(run[:10])
    assert main(["explain", "ffff", *place]) == 2
    assert "No run begins with 'ffff'" in capsys.readouterr().err


def test_what_does_not_fit_into_memory_is_refused_before_it_starts(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="a training process needs") as caught:
        told(planned(loader, tmp_path, *PAPER, "executor.memory_gib=4"))
    assert "trainer.recompute=true" in str(caught.value)
    told(planned(loader, tmp_path, *PAPER, "sweep.dry_run=true"))


def test_epochs_are_counted_before_training_where_the_tokens_are_there(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = ("data.level=L1,L2", "seeds=1")
    sweep = planned(loader, tmp_path, *words)
    layout = Layout(tmp_path)
    for run in sweep.plan.runs:
        folder = layout.artifact(sweep.plan.tasks[run.tasks["shards.math"]])
        folder.mkdir(parents=True)
        few = 100 if run.recipe.data.levels["math"] == "L2" else 10**6
        (folder / "manifest.json").write_text(json.dumps({"num_tokens": few}))
    text = told(sweep)
    assert "L2 sees its math tokens 8.2 times." in text  # a fifth of 4096, over 100
    assert "L1 sees" not in text
    with pytest.raises(ConfigError, match="L2 would see its math tokens 8.2 times"):
        told(planned(loader, tmp_path, *words, "trainer.max_epochs=4"))
