"""One checkpoint under one protocol: model, tokenizer and held-out data in, outcomes out."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from davinci.data_levels.document import Domain
from davinci.data_levels.sandbox.run import isolation
from davinci.data_levels.sources.held_out import load_held_out
from davinci.data_levels.sources.source import Benchmark, HeldOut
from davinci.data_levels.tokens.tokenizer import end_of_text_id, load_tokenizer
from davinci.models.build import load_model
from davinci.models.interchange import export_model, settings_of
from davinci.models.process import prepare_process
from davinci.platform.config.recipe import PROTOCOLS, EvaluationSettings, Protocol
from davinci.platform.evaluation.answers import answer_benchmarks
from davinci.platform.evaluation.outcomes import NOTES_FILE, part, write_outcomes
from davinci.platform.evaluation.protocols import bits_per_byte, rank_options
from davinci.platform.evaluation.served import ServedSubject
from davinci.platform.evaluation.server import serve
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject, Subject
from davinci.platform.store.records import Outcomes

Progress = Callable[[int, int, str], None]


def evaluate(
    protocol: Protocol,
    *,
    model_dir: Path,
    tokenizer_file: Path,
    items: Path,
    settings: EvaluationSettings,
    out: Path,
    runtime: EvaluationRuntime,
    progress: Progress,
) -> None:
    """Evaluate a checkpoint and write `result.json` and `notes.json` into the folder `out`.

    `notes.json` has the number of items that do not fit the context per benchmark, and how model
    code was isolated (empty where none ran).

    Args:
        protocol: `bpb`, `ppl` or `generative`.
        model_dir: A Hugging Face folder of a Qwen2 model.
        tokenizer_file: `tokenizer.json`, or the folder that holds it.
        items: Folder with `texts.json` and `benchmarks.json`, or the snapshot of a benchmark.
        settings: Limits the items of each benchmark, and the length of answers.
        out: Folder to write into; made if need be.
        runtime: Device, threads and batch sizes.
        progress: Told after every benchmark.

    Raises:
        ValueError: If the protocol is unknown, or nothing is held out that it could score.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"No protocol {protocol!r}; known: {', '.join(PROTOCOLS)}.")
    prepare_process(runtime.num_threads)
    tokenizer_folder = tokenizer_file if tokenizer_file.is_dir() else tokenizer_file.parent
    with _subject(model_dir, tokenizer_folder, settings.server, runtime) as subject:
        if settings.benchmarks:
            _ask_benchmark(subject, protocol, settings, items, out, progress)
        else:
            _ask_held_out(subject, protocol, settings, items, out, progress)


@contextlib.contextmanager
def _subject(
    model_dir: Path, tokenizer_folder: Path, server: str, runtime: EvaluationRuntime
) -> Iterator[Subject]:
    """Yield the checkpoint, loaded here, or behind the user's server while the context lasts."""
    tokenizer, end_id = load_tokenizer(tokenizer_folder), end_of_text_id(tokenizer_folder)
    if not server:
        model = load_model(model_dir).train(False).to(_device(runtime))
        yield LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime, end_id=end_id)
        return
    with tempfile.TemporaryDirectory(prefix="davinci-serve-") as folder:
        exported = Path(folder) / "model"
        export_model(model_dir, exported, tokenizer=tokenizer_folder, end_of_text_id=end_id)
        with serve(server, exported, Path(folder) / "server.log") as url:
            yield ServedSubject(
                url=url,
                model=str(exported),
                served_length=settings_of(model_dir).context_length,
                tokenizer=tokenizer,
                runtime=runtime,
                end_id=end_id,
            )


def _ask_benchmark(
    subject: Subject,
    protocol: Protocol,
    settings: EvaluationSettings,
    snapshot: Path,
    out: Path,
    progress: Progress,
) -> None:
    from davinci.platform.evaluation.harness.model import HarnessModel
    from davinci.platform.evaluation.harness.run import run_benchmark

    (benchmark,) = settings.benchmarks
    result = run_benchmark(
        HarnessModel(subject, progress=progress),
        protocol,
        benchmark=benchmark,
        settings=settings,
        snapshot=snapshot,
        sandbox_workers=subject.runtime.sandbox_workers,
        progress=progress,
    )
    write_outcomes(result.outcomes, out)
    _write_notes({**result.notes, "harness": benchmark.harness}, out)


def _ask_held_out(
    subject: Subject,
    protocol: Protocol,
    settings: EvaluationSettings,
    held_out: Path,
    out: Path,
    progress: Progress,
) -> None:
    known = load_held_out(held_out)
    numbers = _numbers(known, settings)
    chosen = _choose(known, numbers, settings)
    too_long: dict[str, int] = {}
    if protocol == "bpb":
        outcomes = _bpb(subject, chosen, numbers, progress)
    elif protocol == "ppl":
        outcomes, too_long = _ppl(subject, chosen, progress)
    else:
        outcomes, too_long = answer_benchmarks(
            subject, chosen.benchmarks, max_new_tokens=settings.max_new_tokens
        )
        progress(len(chosen.benchmarks), len(chosen.benchmarks), "generative")
    if not outcomes:
        raise ValueError(f"Protocol {protocol!r} has nothing to score: no such item is held out.")
    write_outcomes(outcomes, out)
    executed = any(outcome.metric == "pass_rate" for outcome in outcomes)
    notes: dict[str, object] = {
        "items_over_context": {name: count for name, count in too_long.items() if count},
        "sandbox": isolation().label if executed else "",
    }
    _write_notes(notes, out)


def _write_notes(notes: Mapping[str, object], out: Path) -> None:
    (out / NOTES_FILE).write_text(json.dumps(notes, indent=1), encoding="ascii")


def _device(runtime: EvaluationRuntime) -> str:
    if runtime.accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if runtime.accelerator == "gpu" else runtime.accelerator


def _numbers(held_out: HeldOut, settings: EvaluationSettings) -> Mapping[Domain, list[int]]:
    """Return which texts of each domain are scored, by their places among all of them."""
    numbers: dict[Domain, list[int]] = {}
    for domain, texts in held_out.texts.items():
        filled = [number for number, text in enumerate(texts) if text]
        numbers[domain] = [filled[index] for index in part(len(filled), settings)]
    return numbers


def _choose(
    held_out: HeldOut, numbers: Mapping[Domain, Sequence[int]], settings: EvaluationSettings
) -> HeldOut:
    def shortened(benchmark: Benchmark) -> Benchmark:
        indices = part(len(benchmark.items), settings)
        return replace(benchmark, items=tuple(benchmark.items[index] for index in indices))

    return HeldOut(
        texts={d: tuple(held_out.texts[d][i] for i in ns) for d, ns in numbers.items() if ns},
        styles={d: tuple(held_out.styles[d][i] for i in numbers[d]) for d in held_out.styles},
        benchmarks=tuple(shortened(benchmark) for benchmark in held_out.benchmarks),
    )


def _bpb(
    subject: Subject,
    held_out: HeldOut,
    numbers: Mapping[Domain, Sequence[int]],
    progress: Progress,
) -> list[Outcomes]:
    outcomes = []
    for done, (domain, texts) in enumerate(held_out.texts.items(), start=1):
        styles = held_out.styles.get(domain, ())
        outcomes += bits_per_byte(subject, domain, texts, styles, numbers[domain])
        progress(done, len(held_out.texts), domain)
    return outcomes


def _ppl(
    subject: Subject, held_out: HeldOut, progress: Progress
) -> tuple[list[Outcomes], dict[str, int]]:
    outcomes: list[Outcomes] = []
    too_long: dict[str, int] = {}
    for done, benchmark in enumerate(held_out.benchmarks, start=1):
        found, too_long[benchmark.name] = rank_options(subject, benchmark)
        outcomes += found
        progress(done, len(held_out.benchmarks), benchmark.name)
    return outcomes, too_long
