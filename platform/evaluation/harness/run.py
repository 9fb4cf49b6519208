"""One benchmark of the harness under one protocol, every item kept."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.evaluator import evaluate

from davinci.platform.config.recipe import BenchmarkSettings, EvaluationSettings, Protocol
from davinci.platform.evaluation.harness.forms import Form, build_tasks
from davinci.platform.evaluation.harness.model import HarnessModel
from davinci.platform.evaluation.harness.programs import score_programs
from davinci.platform.evaluation.harness.quiet import quiet
from davinci.platform.evaluation.harness.scores import (
    LOWER_IS_BETTER,
    PRIMARY,
    chance_of,
    score_sample,
    shown,
    weights_of,
)
from davinci.platform.evaluation.harness.snapshot import benchmark_of
from davinci.platform.evaluation.harness.suite import Known
from davinci.platform.evaluation.outcomes import part, sample_rows
from davinci.platform.store.records import Outcomes

FEWSHOT_SEED = 1234
"""The harness's own default."""
TOO_LONG = "(longer than the context)"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """Outcomes of one benchmark, and what a reader must know of them."""

    outcomes: tuple[Outcomes, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


@quiet()
def run_benchmark(
    model: HarnessModel,
    protocol: Protocol,
    *,
    benchmark: BenchmarkSettings,
    settings: EvaluationSettings,
    snapshot: Path,
    sandbox_workers: int,
    progress: Callable[[int, int, str], None],
) -> BenchmarkResult:
    """Ask a model a benchmark; return every item's outcome.

    An item that does not fit the context scores 0 and is counted; where none fits, there are no
    outcomes at all. Answers without a character, and items whose answer has less room than its
    task gives it, are counted too.

    Args:
        model: The harness's view of a checkpoint.
        protocol: `ppl` or `generative`.
        benchmark: Which, and with how many examples.
        settings: Limits the items; says how often and how warm programs are sampled.
        snapshot: Folder of the benchmark's data.
        sandbox_workers: Programs that run at a time.
        progress: Told what is done.

    Raises:
        ValueError: If the benchmark cannot be asked so, an item lacks a field, or the model
            returns something that is no finite number.
        RuntimeError: If programs would have to run without a sandbox.
    """
    spec = benchmark_of(benchmark.name, snapshot)
    shots = benchmark.shots if benchmark.shots >= 0 else spec.shots
    tasks = build_tasks(spec, protocol, snapshot, shots)
    for form, task in tasks.values():
        task.set_fewshot_seed(seed=FEWSHOT_SEED)
        _prepare(form, task, settings)
    chosen = _choose({name: task for name, (_, task) in tasks.items()}, settings)
    samples = _ask(model, {name: tasks[name][1] for name in chosen}, chosen)
    rows = [_Row(spec, name, *tasks[name], sample) for name in chosen for sample in samples[name]]
    unfit = {(name, chosen[name][place]) for name, place in model.unfit}
    cramped = {(name, chosen[name][place]) for name, place in model.cramped}
    progress(1, 1, spec.name)
    outcomes = _outcomes(spec, protocol, rows, unfit, sandbox_workers)
    empty = {row.key for row in rows if row.form in ("answer", "letter", "code") and row.is_empty}
    notes = {
        "items_over_context": _count(spec, unfit),
        "answers_with_less_room": _count(spec, cramped),
        "empty_answers": _count(spec, empty - unfit),
        "prompts": _digest(rows),
        "shots": shots,
        "forms": dict(Counter(form for form, _ in tasks.values())),
        "versions": {name: str(task.VERSION) for name, (_, task) in tasks.items()},
        "sandbox": "",
    }
    if any(row.form == "code" for row in rows):
        from davinci.data_levels.sandbox.run import isolation

        notes["sandbox"] = isolation().label
    return BenchmarkResult(outcomes=tuple(outcomes), notes=notes)


@dataclass(frozen=True, slots=True)
class _Row:
    """One item under one of its task's filters."""

    benchmark: Known
    name: str
    form: Form
    task: Any
    sample: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        """Task, and place of the item in it."""
        return self.name, int(self.sample["doc_id"])

    @property
    def id(self) -> str:
        """Name of the item within the benchmark."""
        return f"{self.name}/{self.sample['doc_id']}"

    @property
    def is_empty(self) -> bool:
        """Whether its first answer has no character."""
        return not str(self.sample["resps"][0][0]).strip()


def _prepare(form: Form, task: Any, settings: EvaluationSettings) -> None:
    """Sample programs several times where that is asked for."""
    if form == "code" and settings.num_samples > 1:
        words = {"do_sample": True, "temperature": settings.temperature}
        task.config.generation_kwargs |= words
        task.config.repeats = settings.num_samples


def _choose(tasks: Mapping[str, Any], settings: EvaluationSettings) -> dict[str, list[int]]:
    """Return which items of every task are asked, spread evenly over all of them together."""
    places = [(name, i) for name, task in tasks.items() for i in range(len(task.eval_docs))]
    chosen: dict[str, list[int]] = {}
    for index in part(len(places), settings):
        name, place = places[index]
        chosen.setdefault(name, []).append(place)
    return chosen


def _ask(
    model: Any, tasks: Mapping[str, Any], chosen: Mapping[str, list[int]]
) -> dict[str, list[dict[str, Any]]]:
    # The harness looks up every item in a list of those chosen, so better give none.
    whole = all(len(chosen[name]) == len(task.eval_docs) for name, task in tasks.items())
    results = evaluate(
        lm=model,
        task_dict={"tasks": dict(tasks), "groups": {}},
        samples=None if whole else dict(chosen),
        bootstrap_iters=0,
        log_samples=True,
    )
    assert results is not None
    return {name: results["samples"][name] for name in tasks}


def _outcomes(
    benchmark: Known,
    protocol: Protocol,
    rows: Sequence[_Row],
    unfit: set[tuple[str, int]],
    sandbox_workers: int,
) -> list[Outcomes]:
    """Return one record per metric; an item that is unfit scores what is worst, or is left out."""
    values: dict[str, dict[str, float]] = {}
    first: dict[str, _Row] = {}
    for row in rows:
        first.setdefault(row.id, row)
        values.setdefault(row.id, {}).update(
            score_sample(benchmark, row.form, row.task, row.sample)
        )
    coded = [row for row in first.values() if row.form == "code"]
    if coded:
        found = score_programs(benchmark, [row.sample for row in coded], sandbox_workers)
        for row, scores in zip(coded, found, strict=True):
            values[row.id] = scores
    metrics = dict.fromkeys(name for scores in values.values() for name in scores)
    primary = {PRIMARY[row.form] for row in first.values()}
    return [
        _record(benchmark, protocol, metric, list(first.values()), values, unfit)
        for metric in sorted(metrics, key=lambda name: (name not in primary, name))
        if any(row.key not in unfit and metric in values[row.id] for row in first.values())
    ]


def _record(
    benchmark: Known,
    protocol: Protocol,
    metric: str,
    rows: Sequence[_Row],
    values: Mapping[str, Mapping[str, float]],
    unfit: set[tuple[str, int]],
) -> Outcomes:
    """Return one metric of every item that has it.

    An item that is unfit scores 0; it has no bits per byte, so that it is left out there.
    """
    higher = metric not in LOWER_IS_BETTER
    rows = [row for row in rows if metric in values[row.id] and (higher or row.key not in unfit)]
    scores = np.array([0.0 if row.key in unfit else values[row.id][metric] for row in rows])
    if not np.isfinite(scores).all():
        raise ValueError(f"{benchmark.name}: {metric} of an item is no finite number.")
    shown_rows = [
        {"id": row.id, **_shown(row, unfit), "value": f"{score:g}"}
        for row, score in zip(rows, scores, strict=True)
    ]
    return Outcomes(
        benchmark=benchmark.name,
        domain=benchmark.domain,
        protocol=protocol,
        metric=metric,
        higher_is_better=higher,
        item_ids=tuple(row.id for row in rows),
        values=scores,
        weights=_weights(rows, metric),
        chance=_chance(rows, metric),
        clusters=_clusters(benchmark, rows),
        samples=sample_rows(shown_rows) if metric == PRIMARY[rows[0].form] else (),
    )


def _shown(row: _Row, unfit: set[tuple[str, int]]) -> dict[str, str]:
    found = shown(row.form, row.task, row.sample)
    return {**found, "got": TOO_LONG} if row.key in unfit else found


def _weights(rows: Sequence[_Row], metric: str) -> np.ndarray:
    return np.concatenate([weights_of(row.form, metric, [row.sample]) for row in rows])


def _chance(rows: Sequence[_Row], metric: str) -> float:
    if not metric.startswith(("accuracy", "pass_at")):
        return math.nan
    return float(np.mean([chance_of(row.form, row.task, row.sample["doc"]) for row in rows]))


def _clusters(benchmark: Known, rows: Sequence[_Row]) -> tuple[str, ...]:
    if not benchmark.cluster:
        return ()
    named = [str(row.sample["doc"].get(benchmark.cluster, row.id)) for row in rows]
    return tuple(hashlib.sha256(name.encode()).hexdigest()[:12] for name in named)


def _count(benchmark: Known, items: set[tuple[str, int]]) -> dict[str, int]:
    return {benchmark.name: len(items)} if items else {}


def _digest(rows: Sequence[_Row]) -> str:
    """Return the SHA-256 over all that was asked, by which a changed prompt is noticed."""
    whole = hashlib.sha256()
    for row in rows:
        for argument in row.sample["arguments"]:
            whole.update(f"{row.id}\0{argument!r}\0".encode())
    return whole.hexdigest()
