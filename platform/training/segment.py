"""One segment: a parent checkpoint (or none) and a stretch of tokens in, a checkpoint out."""

import contextlib
import json
import logging
import resource
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from transformers import Qwen2Config

from davinci.data_levels.document import Domain
from davinci.models.build import build_model, load_model, qwen2_config, save_model
from davinci.models.module import LanguageModule
from davinci.models.process import prepare_process
from davinci.models.schedule import learning_rate
from davinci.models.settings import ModelSettings
from davinci.models.size import flops_per_token, num_parameters
from davinci.platform.training.batches import SegmentBatches, open_shards
from davinci.platform.training.permutation import key_of
from davinci.platform.training.recorder import Progress, Recorder
from davinci.platform.training.sampler import MixtureSampler, build_sampler
from davinci.platform.training.settings import (
    SegmentSettings,
    TrainingRuntime,
    batch_size,
    num_steps,
)

MODEL_FOLDER = "model"
OPTIMIZER_FILE = "optimizer.pt"
CURVE_FILE = "curve.json"
RESULT_FILE = "result.json"
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
MICRO_BATCH_TOKENS = 8192
"""Most tokens of a forward pass when the micro-batch is chosen automatically."""


def train_segment(
    settings: SegmentSettings,
    *,
    shards: Mapping[Domain, Path],
    parent: Path | None,
    out: Path,
    runtime: TrainingRuntime,
    progress: Progress,
) -> None:
    """Train one segment and write its checkpoint, curves and result into the folder `out`.

    Model and optimizer moments are carried over from `parent`, another segment's folder. The same
    settings, inputs, machine and number of threads give the same weights, bit for bit, on a CPU.

    Raises:
        ValueError: If settings, shards and parent do not fit together.
        TrainingDiverged: If the loss stops being a finite number.
    """
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    prepare_process(runtime.num_threads)
    sampler, batches = _data(settings, shards, runtime)
    module = _module(settings, parent)
    recorder = Recorder(
        batch_tokens=settings.stage.batch_tokens,
        num_steps=batches.num_steps,
        tokens_before=settings.tokens_before,
        interval_steps=runtime.log_interval_steps,
        micro_batches=len(batches) // batches.num_steps,
        progress=progress,
    )
    fit_s = _fit(module, batches, recorder, settings, runtime)
    _write_checkpoint(module, out)
    usage = {
        "wall_s": time.perf_counter() - start_s,
        "cpu_s": time.process_time() - start_cpu_s,
        "max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "max_device_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        "tokens_per_s": batches.num_steps * settings.stage.batch_tokens / fit_s,
    }
    result = _result(settings, sampler, batches, recorder) | usage
    (out / CURVE_FILE).write_text(json.dumps(recorder.curves), encoding="ascii")
    (out / RESULT_FILE).write_text(json.dumps(result, indent=1), encoding="ascii")


def _data(
    settings: SegmentSettings, shards: Mapping[Domain, Path], runtime: TrainingRuntime
) -> tuple[MixtureSampler, SegmentBatches]:
    context_length = settings.model.context_length
    size = batch_size(settings.stage, context_length)
    steps = num_steps(settings.stage)
    micro_batch_size = _micro_batch_size(size, context_length, runtime)
    tokens = open_shards(shards, vocab_size=settings.model.vocab_size)
    sampler = build_sampler(
        weights=settings.stage.weights,
        num_tokens={domain: len(ids) for domain, ids in tokens.items()},
        context_length=context_length,
        seed=settings.seed,
        stage_index=settings.stage_index,
    )
    batches = SegmentBatches(
        sampler=sampler,
        shards=tuple(tokens[domain] for domain in sampler.domains),
        num_steps=steps,
        batch_size=size,
        micro_batch_size=micro_batch_size,
    )
    return sampler, batches


def _micro_batch_size(size: int, context_length: int, runtime: TrainingRuntime) -> int:
    """Return the sequences of a forward pass: as asked, or the most that fit and divide evenly."""
    if runtime.devices != 1:
        raise ValueError(f"`devices` must be 1 in this version, but got {runtime.devices}.")
    if runtime.micro_batch_size == 0:
        most = max(1, MICRO_BATCH_TOKENS // context_length)
        return max(n for n in range(1, min(size, most) + 1) if size % n == 0)
    if runtime.micro_batch_size < 0 or size % runtime.micro_batch_size:
        raise ValueError(
            f"`micro_batch_size` must divide the {size} sequences of a step, but got "
            f"{runtime.micro_batch_size}."
        )
    return runtime.micro_batch_size


def _module(settings: SegmentSettings, parent: Path | None) -> LanguageModule:
    if parent is None:
        model, optimizer_state = build_model(settings.model, seed=_init_seed(settings.seed)), None
    else:
        model = load_model(parent / MODEL_FOLDER).train()
        _check_architecture(model.config, settings.model, parent)
        optimizer_state = torch.load(parent / OPTIMIZER_FILE, weights_only=True)
    return LanguageModule(
        model,
        optimizer=settings.optimizer,
        lr_at_step=lambda step: lr_at_step(settings, step),
        optimizer_state=optimizer_state,
    )


def _check_architecture(config: Qwen2Config, settings: ModelSettings, parent: Path) -> None:
    ours, theirs = qwen2_config(settings).to_dict(), config.to_dict()
    for name in ARCHITECTURE:
        if ours[name] != theirs[name]:
            raise ValueError(
                f"A parent must have the segment's architecture, but `{name}` is {theirs[name]} "
                f"in {parent.name} and {ours[name]} in the settings."
            )


def lr_at_step(settings: SegmentSettings, step: int) -> float:
    """Return the learning rate of optimizer step `step` (from 0) of a segment."""
    stage, lr_peak = settings.stage, settings.optimizer.lr_peak
    return learning_rate(
        (step + 1) * stage.batch_tokens,
        total_tokens=num_steps(stage) * stage.batch_tokens,
        warmup_tokens=stage.warmup_tokens,
        shape=stage.schedule,
        lr_start=stage.lr_start_frac * lr_peak,
        lr_end=stage.lr_end_frac * lr_peak,
    )


def _init_seed(seed: int) -> int:
    return key_of("initialisation", seed) >> 1


def _fit(
    module: LanguageModule,
    batches: SegmentBatches,
    recorder: Recorder,
    settings: SegmentSettings,
    runtime: TrainingRuntime,
) -> float:
    """Run Lightning's loop; return its seconds."""
    with _quiet_lightning():
        trainer = Trainer(
            accelerator=runtime.accelerator,
            devices=runtime.devices,
            precision=settings.precision,
            max_steps=batches.num_steps,
            accumulate_grad_batches=len(batches) // batches.num_steps,
            callbacks=[recorder],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            use_distributed_sampler=False,
        )
        start_s = time.perf_counter()
        trainer.fit(module, train_dataloaders=batches)
        return time.perf_counter() - start_s


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's announcements off the progress display; warnings still pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch's pytree for a leaf in a way that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _write_checkpoint(module: LanguageModule, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save_model(module.model, out / MODEL_FOLDER)
    optimizer = module.optimizers(use_pl_optimizer=False)
    assert isinstance(optimizer, torch.optim.Optimizer)
    torch.save(optimizer.state_dict(), out / OPTIMIZER_FILE)


def _result(
    settings: SegmentSettings,
    sampler: MixtureSampler,
    batches: SegmentBatches,
    recorder: Recorder,
) -> dict[str, Any]:
    context_length = settings.model.context_length
    positions = batches.num_steps * batches.batch_size
    tokens = positions * context_length
    draws = sampler.num_draws(positions)
    return {
        "num_parameters": num_parameters(settings.model),
        "tokens": tokens,
        "steps": batches.num_steps,
        "flops": flops_per_token(settings.model, context_length) * tokens,
        "final_loss": recorder.curves["loss"]["values"][-1],
        "tokens_per_domain": {
            domain: count * context_length
            for domain, count in zip(sampler.domains, draws, strict=True)
        },
        "epochs_per_domain": sampler.epochs(positions),
    }
