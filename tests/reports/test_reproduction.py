"""What was computed again is held to the first results: weights, items, scores."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from davinci.platform.config.places import sqlite_url
from davinci.platform.store.open import open_store
from davinci.platform.store.records import Outcomes, Run, Sweep
from davinci.reports import reproduction
from davinci.reports.cli import main
from davinci.reports.reproduction import Held, hold


def first_run(sweep: Sweep) -> Run:
    return next(run for arm in sweep.arms for run in arm.runs if run.state == "done")


def only(sweep: Sweep, run: Run) -> Sweep:
    return replace(sweep, arms=(replace(sweep.arms[0], runs=(run,)),))


def held(sweep: Sweep, other: Run, folder: Path, *, elsewhere: str = "there") -> Held:
    run = first_run(sweep)
    return hold("L2", run, [only(sweep, other)], folder / "here", folder / elsewhere)


def changed(run: Run, place: int, **words: object) -> Run:
    outcomes = list(run.outcomes)
    outcomes[place] = replace(outcomes[place], **words)  # type: ignore[arg-type]
    return replace(run, outcomes=tuple(outcomes))


def keep(folder: Path, run: Run, weights: bytes) -> None:
    place = folder / "artifacts" / "segment" / run.checkpoint / "model"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(weights)


def test_the_same_outcomes_are_the_same_whatever_the_run_is_called(
    sweep: Sweep, tmp_path: Path
) -> None:
    found = held(sweep, replace(first_run(sweep), digest="0" * 64), tmp_path)
    assert found.same
    assert found.weights == "not kept"
    assert found.num_items == sum(len(one.item_ids) for one in first_run(sweep).outcomes)
    assert (found.num_others, found.largest) == (0, 0.0)


def test_one_item_that_is_another_is_found(sweep: Sweep, tmp_path: Path) -> None:
    run = first_run(sweep)
    values = run.outcomes[0].values.copy()
    values[3] += 2.0**-40
    found = held(sweep, changed(run, 0, values=values), tmp_path)
    assert not found.same
    assert found.num_others == 1
    assert 0 < found.largest < 1e-9
    one = run.outcomes[0]
    assert found.of == f"{one.protocol}/{one.benchmark}/{one.metric}"


def test_an_item_or_a_score_that_is_there_once_is_another(sweep: Sweep, tmp_path: Path) -> None:
    run = first_run(sweep)
    one: Outcomes = run.outcomes[0]
    shorter = changed(run, 0, item_ids=one.item_ids[1:], values=one.values[1:],
                      weights=one.weights[1:])  # fmt: skip
    assert held(sweep, shorter, tmp_path).num_others == 1
    fewer = replace(run, outcomes=run.outcomes[1:])
    assert held(sweep, fewer, tmp_path).num_others == len(one.item_ids)
    more = replace(run, outcomes=(*run.outcomes, replace(one, benchmark="another")))
    assert held(sweep, more, tmp_path).num_others == len(one.item_ids)
    not_known = changed(run, 0, values=np.full(len(one.values), np.nan))
    assert held(sweep, not_known, tmp_path).largest == float("inf")


def test_weights_are_compared_where_both_are_kept(sweep: Sweep, tmp_path: Path) -> None:
    run = replace(first_run(sweep), checkpoint="c" * 64)
    again = [only(sweep, run)]
    keep(tmp_path / "here", run, b"weights")
    for name, weights, state in (("same", b"weights", "same bits"), ("new", b"others", "others")):
        keep(tmp_path / name, run, weights)
        found = hold("L2", run, again, tmp_path / "here", tmp_path / name)
        assert found.weights == state
        assert found.same == (state == "same bits")
    assert hold("L2", run, again, tmp_path / "here", tmp_path / "none").weights == "not kept"


def test_what_was_not_computed_is_not_the_same(sweep: Sweep, tmp_path: Path) -> None:
    run = first_run(sweep)
    for other in (replace(run, seed=run.seed + 100), replace(run, state="failed")):
        found = held(sweep, other, tmp_path)
        assert not found.there
        assert not found.same


def test_it_says_what_has_changed_since(sweep: Sweep, tmp_path: Path) -> None:
    then = replace(sweep, provenance={"python": "3.11.7", "packages": {"torch": "2.13.0"}})
    now = replace(sweep, provenance={"python": "3.11.7", "packages": {"torch": "2.14.0"}})
    other = changed(first_run(sweep), 0, values=first_run(sweep).outcomes[0].values + 1)
    console = Console(record=True, width=160, file=io.StringIO())
    reproduction._tell([held(sweep, other, tmp_path)], then, [now], console)
    told = console.export_text()
    assert "0 of 1 runs are the same" in told
    assert "What differs between then and now: packages.torch 2.13.0 -> 2.14.0." in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reproduce", "ffff"], "No run begins with 'ffff'"),
        (["reproduce"], "newest: none"),
        (["reproduce", "--into", "."], "has the first results"),
    ],
)
def test_what_cannot_be_reproduced_is_refused(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_store(sqlite_url(tmp_path / "davinci.db")).dispose()
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--output-dir", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
