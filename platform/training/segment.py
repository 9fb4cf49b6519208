"""One segment: a parent checkpoint (or none) and a stretch of tokens in, a checkpoint out."""

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config

from davinci.data_levels.document import Domain
from davinci.models.build import build_model, load_model, qwen2_config
from davinci.models.module import LanguageModule
from davinci.models.network import Network, compile_layers, recompute_activations
from davinci.models.process import prepare_process, suitable_attention
from davinci.models.settings import ModelSettings
from davinci.models.size import flops_per_token, num_parameters
from davinci.platform.config.identity import digest
from davinci.platform.training.batches import SegmentBatches
from davinci.platform.training.data import (
    RESULT_FILE,
    SegmentData,
    last_position,
    open_data,
    position_of,
)
from davinci.platform.training.keeper import MODEL_FOLDER, Keeper
from davinci.platform.training.loader import Loader
from davinci.platform.training.loop import fit
from davinci.platform.training.memory import micro_batch_size, with_advice
from davinci.platform.training.permutation import key_of
from davinci.platform.training.recorder import Course, Progress, Recorder
from davinci.platform.training.settings import (
    SegmentSettings,
    TrainingRuntime,
    check_segment,
    lr_at_step,
)
from davinci.platform.training.snapshots import Found, clear_snapshots, find_snapshot
from davinci.platform.training.strategy import (
    Place,
    is_sharded,
    place,
    shard_network,
)

CURVE_FILE = "curve.json"
ARCHITECTURE = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "tie_word_embeddings",
    "rope_parameters",
)
"""What a parent must agree in; its context may be shorter or longer."""


def train_segment(
    settings: SegmentSettings,
    *,
    shards: Mapping[Domain, Path],
    parent: Path | None,
    out: Path,
    runtime: TrainingRuntime,
    progress: Progress,
    weights: Mapping[Domain, float] | None = None,
) -> None:
    """Train one segment and write its checkpoint, curves and result into the folder `out`.

    Model, optimizer moments and place in the data are carried over from `parent`, another segment's
    folder; from an imported one, the model alone. A snapshot in `out`, of an attempt that was
    killed, is gone on from. The same settings, inputs, machine and number of threads give the same
    weights and curves, bit for bit, on a CPU, interrupted or not.

    Where there are several processes, each calls this with the same arguments.

    Args:
        settings: What to train.
        shards: Folder of each domain's tokens.
        parent: Checkpoint to start from.
        out: Folder to write into.
        runtime: Where and how.
        progress: Told how many tokens are done, after every interval.
        weights: Take the place of those in the settings, where a decision gave them.

    Raises:
        ValueError: If settings, shards and parent do not fit together.
        TrainingDiverged: If the loss stops being a finite number, or is far worse than guessing.
        Preempted: If the process was asked to stop; a snapshot is there.
        OutOfMemory: If a step does not fit; the message says what would.
    """
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    check_segment(settings)
    prepare_process(runtime.num_threads)
    here = place(runtime)
    data = open_data(settings, shards, parent, weights=weights, max_epochs=runtime.max_epochs)
    identity = _identity(settings, data, parent)
    found = find_snapshot(out, identity)
    batches = _batches(settings, data, runtime, here, found)
    loader = Loader(batches, ahead=_on_gpu(runtime))
    recorder = Recorder(_course(settings, batches, runtime), loader, progress)
    if found is not None:
        recorder.restore(found.recorder)
    keeper = Keeper(
        recorder,
        out=out,
        identity=identity,
        parent=parent,
        found=found,
        interval_s=runtime.snapshot_interval_s,
        max_frac=runtime.snapshot_max_frac,
    )
    with (
        with_advice(settings, runtime, batches.micro_batch_size),
        suitable_attention(
            on_cpu=not _on_gpu(runtime),
            low=settings.precision != "32-true",
            context_length=settings.model.context_length,
        ),
    ):
        module = _module(settings, parent, runtime, batches)
        fit(module, loader, [recorder, keeper], settings, runtime)
    usage = {
        "wall_s": time.perf_counter() - start_s,
        "cpu_s": time.process_time() - start_cpu_s,
        "max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "max_device_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        "tokens_per_s": _median(recorder.curves["tokens_per_s"]["values"]),
    }
    if here.rank == 0:
        result = _result(settings, data, recorder) | usage
        (out / CURVE_FILE).write_text(json.dumps(recorder.curves), encoding="ascii")
        (out / RESULT_FILE).write_text(json.dumps(result, indent=1), encoding="ascii")
        clear_snapshots(out)


def _identity(settings: SegmentSettings, data: SegmentData, parent: Path | None) -> str:
    """Return what tells a snapshot of this segment from one of another in the same folder."""
    drawn = {domain: data.names[domain] for domain in data.sampler.domains}
    weights = {"domains": drawn, "bounds": [str(bound) for bound in data.sampler.bounds]}
    return digest({"settings": settings, "data": weights, "parent": parent.name if parent else ""})


def _batches(
    settings: SegmentSettings,
    data: SegmentData,
    runtime: TrainingRuntime,
    here: Place,
    found: Found | None,
) -> SegmentBatches:
    return SegmentBatches(
        sampler=data.sampler,
        shards=data.shards,
        num_steps=settings.num_steps,
        batch_size=settings.batch_size,
        micro_batch_size=micro_batch_size(settings, runtime),
        first_position=settings.first_position,
        mask_questions=settings.mask_questions,
        rank=here.rank,
        world_size=here.world_size,
        first_step=found.step if found else 0,
    )


def _course(settings: SegmentSettings, batches: SegmentBatches, runtime: TrainingRuntime) -> Course:
    return Course(
        num_steps=settings.num_steps,
        batch_tokens=settings.batch_tokens,
        tokens_before=settings.tokens_before,
        first_position=settings.first_position,
        vocab_size=settings.model.vocab_size,
        flops_per_token=flops_per_token(settings.model, settings.model.context_length),
        sampler=batches.sampler,
        interval_steps=runtime.log_interval_steps,
        micro_batches=batches.micro_batches_per_step,
        world_size=batches.world_size,
    )


def _on_gpu(runtime: TrainingRuntime) -> bool:
    return runtime.accelerator != "cpu" and torch.cuda.is_available()


def _module(
    settings: SegmentSettings,
    parent: Path | None,
    runtime: TrainingRuntime,
    batches: SegmentBatches,
) -> LanguageModule:
    if parent is None:
        model = build_model(settings.model, seed=_init_seed(settings.seed))
    else:
        model = load_model(parent / MODEL_FOLDER).train()
        _check_architecture(model.config, settings.model, parent)
    network = Network(model)
    if runtime.recompute:
        recompute_activations(network)
    if runtime.compile:
        compile_layers(network)
    return LanguageModule(
        network,
        optimizer=settings.optimizer,
        lr_at_step=lambda step: lr_at_step(settings, step),
        num_micro_batches=batches.micro_batches_per_step,
        world_size=batches.world_size,
        first_step=batches.first_step,
        width_multiple=settings.model.width_multiple,
        shard=(lambda mesh: shard_network(network, mesh, settings.precision))
        if is_sharded(runtime)
        else None,
    )


def _check_architecture(config: Qwen2Config, settings: ModelSettings, parent: Path) -> None:
    ours, theirs = qwen2_config(settings).to_dict(), config.to_dict()
    for name in ARCHITECTURE:
        if ours[name] != theirs[name]:
            raise ValueError(
                f"A parent must have the segment's architecture, but `{name}` is {theirs[name]} "
                f"in {parent.name} and {ours[name]} in the settings."
            )


def _init_seed(seed: int) -> int:
    return key_of("initialisation", seed) >> 1


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _result(settings: SegmentSettings, data: SegmentData, recorder: Recorder) -> dict[str, Any]:
    context_length = settings.model.context_length
    begin, end = settings.first_position, last_position(settings)
    before, after = data.sampler.num_draws(begin), data.sampler.num_draws(end)
    return {
        "num_parameters": num_parameters(settings.model),
        "tokens": settings.tokens,
        "tokens_total": settings.tokens_before + settings.tokens,
        "steps": settings.num_steps,
        "flops": flops_per_token(settings.model, context_length) * settings.tokens,
        "final_loss": recorder.curves["loss"]["values"][-1],
        "tokens_per_domain": {
            domain: (late - early) * context_length
            for domain, early, late in zip(data.sampler.domains, before, after, strict=True)
        },
        "epochs_per_domain": data.sampler.epochs(begin, end),
        "epochs_total_per_domain": data.epochs_at(end),
        "position": position_of(settings, data),
        "spikes": recorder.spikes.found,
    }
