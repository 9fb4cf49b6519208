"""One task in one process: read its frozen file, do the work, leave the artifact.

The process knows neither the command line nor the sweep: `python -m davinci.platform.execute.work
FILE` does the same by hand, or under torchrun.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import SourceSettings
from davinci.platform.config.identity import canonical, restore
from davinci.platform.config.recipe import EvaluationSettings
from davinci.platform.config.runtime import Runtime, TrainingRuntime
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.task import Task
from davinci.platform.training.settings import SegmentSettings

Progress = Callable[[int, int, str], None]
Inputs = Mapping[str, Path]


def freeze(task: Task, tasks: Mapping[str, Task], layout: Layout, runtime: Runtime) -> Path:
    """Write down all that a task's process needs; return the file."""
    document = {
        "kind": task.kind,
        "digest": task.digest,
        "label": task.label,
        "settings": task.settings,
        "carried": task.carried,
        "inputs": {n: str(layout.artifact(tasks[d])) for n, d in task.inputs.items()},
        "out": str(layout.draft(task)),
        "training": canonical(runtime.training),
        "corpus_workers": runtime.corpus_workers,
    }
    path = layout.frozen(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
    return path


def perform(frozen: Path, progress: Progress) -> None:
    """Do the task that a frozen file describes.

    Raises:
        ValueError: If the data or the settings cannot be worked with.
        TrainingDiverged: If a training loss is no longer finite.
    """
    document = json.loads(frozen.read_text())
    out = Path(document["out"])
    out.mkdir(parents=True, exist_ok=True)
    inputs = {name: Path(path) for name, path in document["inputs"].items()}
    WORK[document["kind"]](document, inputs, out, progress)


def _held_out(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.data_levels.sources.held_out import build_held_out

    build_held_out(restore(SourceSettings, document["carried"]["source"]), out)


def _corpus(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.data_levels.build import CorpusSettings, build_corpus

    carried = document["carried"]
    build_corpus(
        CorpusSettings(
            source=restore(SourceSettings, carried["source"]),
            domain=document["settings"]["domain"],
            chain=carried["chain"],
            levels=restore(LevelSettings, carried["level_settings"]),
        ),
        parent=inputs.get("parent"),
        held_out=inputs.get("held_out"),
        out=out,
        progress=progress,
        workers=document["corpus_workers"],
    )


def _tokenizer(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.data_levels.tokens.tokenizer import take_tokenizer, train_tokenizer

    if named := document["carried"].get("tokenizer"):
        take_tokenizer(named, out)
    else:
        train_tokenizer(inputs, document["settings"]["vocab_size"], out)  # type: ignore[arg-type]


def _shards(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.data_levels.tokens.shards import write_shards

    workers = document["corpus_workers"]
    write_shards(
        inputs["corpus"],
        inputs["tokenizer"],
        out,
        progress=progress,
        workers=workers,
        work=out / "work",
    )


def _checkpoint(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.models.interchange import import_model

    import_model(Path(document["carried"]["path"]), out / "model")


def _segment(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.platform.curriculum.task import read_weights
    from davinci.platform.training.job import Job
    from davinci.platform.training.processes import run_job

    decision, named = inputs.get("decision"), "shards."
    job = Job(
        settings=restore(SegmentSettings, document["settings"]),
        shards={n.removeprefix(named): p for n, p in inputs.items() if n.startswith(named)},  # type: ignore[misc]
        parent=inputs.get("parent"),
        out=out,
        runtime=restore(TrainingRuntime, document["training"]),
        weights=read_weights(decision) if decision else None,  # type: ignore[arg-type]
    )
    run_job(job, progress)


def _decision(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.platform.curriculum.task import take_decision

    take_decision(
        document["settings"],
        evaluation=inputs["evaluation"],
        previous=inputs.get("previous"),
        out=out,
    )


def _evaluation(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.platform.evaluation.evaluate import evaluate
    from davinci.platform.evaluation.settings import EvaluationRuntime

    settings = restore(EvaluationSettings, document["settings"]["evaluation"])
    evaluate(
        settings.protocols[0],
        model_dir=inputs["segment"] / "model",
        tokenizer_file=inputs["tokenizer"] / "tokenizer.json",
        items=inputs["benchmark"] if settings.benchmarks else inputs["held_out"],
        settings=settings,
        out=out,
        runtime=EvaluationRuntime(
            accelerator=document["training"].get("accelerator", "auto"),
            num_threads=document["training"].get("num_threads", 1),
        ),
        progress=progress,
    )


def _benchmark(document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress) -> None:
    from davinci.platform.evaluation.harness.check import check_items
    from davinci.platform.evaluation.harness.quiet import quiet
    from davinci.platform.evaluation.harness.snapshot import take_snapshot
    from davinci.platform.evaluation.harness.suite import known

    carried = document["carried"]
    benchmark = known(carried["name"])
    with quiet():
        take_snapshot(benchmark, carried["mirror"], out, progress)
        check_items(benchmark, out, progress)


def _contamination(
    document: Mapping[str, Any], inputs: Inputs, out: Path, progress: Progress
) -> None:
    from davinci.data_levels.contamination.measure import measure_contamination
    from davinci.data_levels.contamination.record import write_contamination
    from davinci.data_levels.contamination.settings import ContaminationRule

    rule = restore(ContaminationRule, document["settings"]["rule"])
    found = measure_contamination(
        inputs["corpus"], inputs["held_out"], rule=rule, progress=progress
    )
    write_contamination(found, out)


WORK: Mapping[str, Callable[[Mapping[str, Any], Inputs, Path, Progress], None]] = {
    "held_out": _held_out,
    "corpus": _corpus,
    "tokenizer": _tokenizer,
    "shards": _shards,
    "checkpoint": _checkpoint,
    "segment": _segment,
    "decision": _decision,
    "benchmark": _benchmark,
    "evaluation": _evaluation,
    "contamination": _contamination,
}

PRELOAD: Mapping[str, tuple[str, ...]] = {
    "corpus": ("davinci.data_levels.build",),
    "shards": ("davinci.data_levels.tokens.shards",),
    "segment": ("davinci.platform.training.processes",),
    "decision": ("davinci.platform.curriculum.task",),
    "benchmark": ("davinci.platform.evaluation.harness.run",),
    "evaluation": ("davinci.platform.evaluation.evaluate",),
    "contamination": ("davinci.data_levels.contamination.measure",),
}
"""Modules worth importing once, before the processes of these kinds are forked."""


if __name__ == "__main__":
    perform(Path(sys.argv[1]), lambda done, total, note: print(f"{done}/{total} {note}"))
