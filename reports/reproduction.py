"""`davinci reproduce`: a run or a sweep computed again from its command, and held to the first."""

import filecmp
import math
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from davinci.ablations.alignment import key_of
from davinci.platform.config.identity import flatten
from davinci.platform.config.places import sqlite_url
from davinci.platform.store.open import open_store
from davinci.platform.store.read import (
    UnknownSweep,
    find_run,
    find_sweep,
    list_sweeps,
    load_sweep,
)
from davinci.platform.store.records import Arm, Outcomes, Run, Sweep
from davinci.reports.costs import run_command
from davinci.reports.filters import name

ROOT = Path(__file__).resolve().parents[1]
OF_PLACE = ("output_dir=", "store.", "store=")
"""Words of a command that say where results go: here they go elsewhere."""
MAX_SHOWN = 12

Weights = Literal["same bits", "others", "not kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One run beside the one computed anew.

    Attributes:
        there: Whether it was computed to its end.
        weights: Of the last checkpoint; "not kept" where one of the two is gone.
        num_items: Outcomes of items, over all scores.
        num_others: Of them, those that are not equal, bit for bit, or are there once.
        largest: Largest difference of a score, as a distance.
        of: The score that differs most.
    """

    label: str
    run: Run
    there: bool
    weights: Weights = "not kept"
    num_items: int = 0
    num_others: int = 0
    largest: float = 0.0
    of: str = ""

    @property
    def same(self) -> bool:
        """Whether all that is there of both is the same."""
        return self.there and self.weights != "others" and not self.num_others


def reproduce(
    engine: Engine, output_dir: Path, start: str, into: Path, more: Sequence[str], console: Console
) -> int:
    """Compute a run or sweep again in an output folder of its own, and compare all outcomes.

    Args:
        engine: The store that has the first results.
        output_dir: Where their checkpoints are.
        start: First digits of a run's digest or, if none begins so, of a sweep's.
        into: The other output folder; what it has already is not computed again.
        more: Overrides for this machine, such as `executor=local`.
        console: Gets the comparison.

    Returns:
        The exit code: 0 if all that could be compared is the same, 1 if not, else what the command
        ended with.

    Raises:
        UnknownSweep: If no run and no sweep begins so, or it has no finished run.
    """
    sweep, wanted, words = _wanted(engine, start)
    command = [sys.executable, str(ROOT / "run.py"), *words, *more]
    command += ["store=sqlite", "store.mlflow=false", f"output_dir={into}"]
    shown = shlex.join(["python", "run.py", *command[2:]])
    console.print(shown, markup=False, highlight=False, soft_wrap=True)
    code = subprocess.run(command, check=False).returncode
    if code not in (0, 1):
        return code
    other = open_store(sqlite_url(into / "davinci.db"))
    try:
        sweeps = [load_sweep(other, digest) for digest in list_sweeps(other)]
    finally:
        other.dispose()
    held = [hold(arm.label, run, sweeps, output_dir, into) for arm, run in wanted]
    _tell(held, sweep, sweeps, console)
    return 0 if all(one.same for one in held) else 1


def _wanted(engine: Engine, start: str) -> tuple[Sweep, list[tuple[Arm, Run]], list[str]]:
    """Return the sweep, its finished runs that are asked for, and the words that make them."""
    try:
        if not start:
            raise UnknownSweep("No run is named.")
        run, places = find_run(engine, start)
    except UnknownSweep as no_run:
        try:
            sweep = load_sweep(engine, find_sweep(engine, start))
        except UnknownSweep as no_sweep:
            raise UnknownSweep(f"{no_run} {no_sweep}") from None
        wanted = [(arm, run) for arm in sweep.arms for run in arm.runs if run.state == "done"]
        words = shlex.split(sweep.command)[2:]
    else:
        sweep = load_sweep(engine, places[0][0])
        (arm,) = [arm for arm in sweep.arms if arm.label == places[0][1]]
        wanted = [(arm, run)] if run.state == "done" else []
        words = shlex.split(run_command(arm, run))[2:]
    if not wanted:
        raise UnknownSweep(f"{start!r} has no finished run: there is nothing to compare with.")
    return sweep, wanted, [word for word in words if not word.startswith(OF_PLACE)]


def hold(label: str, run: Run, sweeps: Sequence[Sweep], ours: Path, theirs: Path) -> Held:
    """Return a run beside the one with the same recipe, seed and world in the new store."""
    every = [other for sweep in sweeps for arm in sweep.arms for other in arm.runs]
    alike = [
        other
        for other in every
        if other.state == "done"
        and (other.recipe, other.seed, other.world_seed) == (run.recipe, run.seed, run.world_seed)
    ]
    if not alike:
        return Held(label=label, run=run, there=False)
    other = next((one for one in alike if one.digest == run.digest), alike[0])
    first, second = ({key_of(one): one for one in each.outcomes} for each in (run, other))
    differences = {
        key: _distance(first[key].score, second[key].score) for key in first if key in second
    }
    most = max(differences, key=lambda key: differences[key], default=None)
    items = [_items(first.get(key), second.get(key)) for key in {**first, **second}]
    return Held(
        label=label,
        run=run,
        there=True,
        weights=_weights(ours, run.checkpoint, theirs, other.checkpoint),
        num_items=sum(num for num, _ in items),
        num_others=sum(others for _, others in items),
        largest=differences[most] if most else 0.0,
        of="/".join((most.protocol, most.benchmark, most.metric)) if most else "",
    )


def _distance(first: float, second: float) -> float:
    if math.isnan(first) or math.isnan(second):
        return 0.0 if math.isnan(first) and math.isnan(second) else math.inf
    return abs(first - second)


def _items(first: Outcomes | None, second: Outcomes | None) -> tuple[int, int]:
    """Return how many items two records have together, and how many of them are not the same."""
    ours, theirs = (
        dict(zip(one.item_ids, np.asarray(one.values), strict=True)) if one else {}
        for one in (first, second)
    )
    every = {**ours, **theirs}
    same = sum(
        item in ours and item in theirs and ours[item].tobytes() == theirs[item].tobytes()
        for item in every
    )
    return len(every), len(every) - same


def _weights(ours: Path, first: str, theirs: Path, second: str) -> Weights:
    here, there = (
        sorted(
            (folder / "artifacts" / "segment" / (checkpoint or "none") / "model").glob("*.safe*")
        )
        for folder, checkpoint in ((ours, first), (theirs, second))
    )
    if not (here and there):
        return "not kept"
    same = len(here) == len(there) and all(
        filecmp.cmp(one, other, shallow=False) for one, other in zip(here, there, strict=True)
    )
    return "same bits" if same else "others"


def _tell(held: Sequence[Held], sweep: Sweep, sweeps: Sequence[Sweep], console: Console) -> None:
    table = Table(box=None)
    for column in ("arm", "seed", "weights", "items", "of them others", "largest difference"):
        table.add_column(column, justify="left" if column in ("arm", "weights") else "right")
    ranked = sorted(held, key=lambda one: one.same)
    for one in ranked[:MAX_SHOWN]:
        seed = f"{one.run.world_seed}/{one.run.seed}" if one.run.world_seed else str(one.run.seed)
        far = f"{one.largest:.3g} ({one.of})" if one.largest else "0"
        cells = [one.weights, f"{one.num_items:,}", f"{one.num_others:,}", far]
        table.add_row(name(one.label), seed, *(cells if one.there else ["not computed"]))
    console.print(table, highlight=False, markup=False)
    if len(held) > MAX_SHOWN:
        console.print(f"and {len(held) - MAX_SHOWN} more", highlight=False)
    num_same = sum(one.same for one in held)
    console.print(f"{num_same} of {len(held)} runs are the same, item by item.", highlight=False)
    if num_same < len(held):
        there = sweeps[0].provenance if sweeps else {}
        changed = _changed(sweep.provenance, there)
        told = "; ".join(changed) or "nothing that is on record"
        console.print(f"What differs between then and now: {told}.", markup=False, highlight=False)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    old, new = flatten(before), flatten(after)
    return [
        f"{field} {old.get(field, 'unknown')} -> {new.get(field, 'unknown')}"
        for field in sorted({**old, **new})
        if old.get(field) != new.get(field)
    ]
