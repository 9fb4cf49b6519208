"""Training speed on this machine's GPU (or CPU): tokens/s, MFU, peak memory, and where time goes.

    python benchmarks/train_throughput.py --scale 3b
    python benchmarks/train_throughput.py --scale nano --device cpu --steps 6

Needs torch, lightning, transformers and omegaconf alone. Trains a rung of `conf/scale` by the same
`train_segment` as a run: bfloat16 products with float32 weights and moments, loss in chunks, fused
AdamW, compiled decoder layers (not on a CPU), on shards of random tokens that a thread reads ahead.
 The micro-batch is the largest that the forecast of memory lets in, unless it is given; if it
does not fit after all, half of it is tried. MFU is of the card's dense bfloat16 peak, with 6 N + 12
L H Q T FLOPs per token (recomputation does not count).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from davinci.models.memory import largest_micro_batch, training_memory  # noqa: E402
from davinci.models.peaks import peak_flops  # noqa: E402
from davinci.models.settings import ModelSettings, OptimizerSettings  # noqa: E402
from davinci.models.size import flops_per_token, num_parameters  # noqa: E402
from davinci.platform.training.guards import OutOfMemory  # noqa: E402
from davinci.platform.training.segment import train_segment  # noqa: E402
from davinci.platform.training.settings import SegmentSettings, TrainingRuntime  # noqa: E402

NUM_TOKENS = 20_000_000
MAX_MICRO_BATCH = 32
WARM_POINTS = 2
TOP = 12


def parse() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description="Measure training throughput.")
    parser.add_argument("--scale", default="3b")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--batch", type=int, default=0, help="sequences per step; 0: 4 micro-batches"
    )
    parser.add_argument("--micro-batch", type=int, default=0, help="0: what memory lets in")
    parser.add_argument("--layers", type=int, default=0, help="fewer decoder layers; 0: all")
    parser.add_argument("--context", type=int, default=0, help="0: the scale's")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    parser.add_argument("--precision", default="bf16-mixed", choices=("bf16-mixed", "32-true"))
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of a card not known here")
    parser.add_argument("--no-profile", action="store_true")
    return parser.parse_args()


def model_settings(asked: argparse.Namespace) -> ModelSettings:
    """Return the shape of a rung, with what was asked to differ."""
    scale = {str(k): v for k, v in OmegaConf.load(scale_file(asked.scale)).items()}
    names = set(ModelSettings.__dataclass_fields__)
    settings = ModelSettings(**{k: v for k, v in scale.items() if k in names})
    if asked.layers:
        settings = replace(settings, num_layers=asked.layers)
    return replace(settings, context_length=asked.context) if asked.context else settings


def scale_file(name: str) -> Path:
    """Return the file of a rung; end with those there are where there is none."""
    file = ROOT / "conf" / "scale" / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in file.parent.glob("*.yaml")))
        sys.exit(f"No scale {name!r}; known: {known}.")
    return file


def write_shards(folder: Path, vocab_size: int) -> Path:
    """Write random tokens as a shard; return its folder."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    kind = np.uint16 if vocab_size <= 2**16 else np.uint32
    tokens = rng.integers(0, vocab_size, NUM_TOKENS, dtype=np.int64).astype(kind)
    np.save(folder / "tokens.npy", tokens)
    return folder


def first_micro_batch(asked: argparse.Namespace, model: ModelSettings, device_bytes: int) -> int:
    """Return the micro-batch to begin with."""
    if asked.micro_batch:
        return int(asked.micro_batch)
    fitting = (
        largest_micro_batch(
            model, device_bytes, precision=asked.precision, share=size, recompute=asked.recompute
        )
        for size in range(MAX_MICRO_BATCH, 0, -1)
    )
    return max(1, *fitting)


def train(
    asked: argparse.Namespace, model: ModelSettings, micro_batch: int, folder: Path
) -> dict[str, list[float]]:
    """Train, and return the values of each curve."""
    batch = asked.batch or 4 * micro_batch
    settings = SegmentSettings(
        model=model,
        optimizer=OptimizerSettings(lr_peak=1e-4),
        seed=0,
        num_steps=asked.steps,
        batch_tokens=batch * model.context_length,
        weights={"general": 1.0},
        precision=asked.precision,
    )
    gpu = torch.cuda.is_available() and asked.device != "cpu"
    runtime = TrainingRuntime(
        accelerator="gpu" if gpu else "cpu",
        micro_batch_size=micro_batch,
        num_threads=torch.get_num_threads(),
        recompute=asked.recompute,
        compile=gpu and not asked.eager,
        log_interval_steps=1,
        snapshot_interval_s=0,
    )
    out = folder / f"out-{micro_batch}-{time.monotonic_ns()}"
    train_segment(
        settings,
        shards={"general": folder / "shards"},
        parent=None,
        out=out,
        runtime=runtime,
        progress=lambda done, total, note: print(f"  {done:,}/{total:,} {note}", flush=True),
    )
    curves = json.loads((out / "curve.json").read_text())
    return {name: series["values"] for name, series in curves.items()}


def report(
    asked: argparse.Namespace,
    model: ModelSettings,
    micro_batch: int,
    curves: dict[str, list[float]],
) -> None:
    """Print what was measured."""
    rates = sorted(curves["tokens_per_s"][WARM_POINTS:] or curves["tokens_per_s"])
    rate = rates[len(rates) // 2]
    waits = curves["data_wait_frac"][WARM_POINTS:] or curves["data_wait_frac"]
    per_token = flops_per_token(model, model.context_length)
    forecast = training_memory(
        model,
        precision=asked.precision,
        micro_batch_size=micro_batch,
        recompute=asked.recompute,
    )
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    peak = asked.peak_tflops * 1e12 or peak_flops(name)
    low, high = rates[0], rates[-1]
    used, shown = max(curves["memory_bytes"]) / 2**30, forecast.total / 2**30
    print(f"{name}, torch {torch.__version__}: scale {asked.scale}, {model.num_layers} layers,")
    print(f"{num_parameters(model):,} parameters, context {model.context_length}", end=", ")
    print(f"micro-batch {micro_batch}")
    print(
        f"tokens/s          {rate:,.0f} (median of {len(rates)} steps, {low:,.0f} to {high:,.0f})"
    )
    print(f"model FLOP/s      {rate * per_token:.3e}")
    print(f"MFU               {f'{rate * per_token / peak:.1%}' if peak else 'peak not known'}")
    print(f"peak memory       {used:.1f} GiB, forecast {shown:.1f} GiB")
    print(f"waiting for data  {max(waits):.2%} of a step at most")
    print(f"loss              {curves['loss'][0]:.3f} -> {curves['loss'][-1]:.3f}")


def profile(
    asked: argparse.Namespace, model: ModelSettings, micro_batch: int, folder: Path
) -> None:
    """Print the operations that take most of a short training."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiling

    kinds = [ProfilerActivity.CPU]
    gpu = torch.cuda.is_available() and asked.device != "cpu"
    kinds += [ProfilerActivity.CUDA] if gpu else []
    short = argparse.Namespace(**{**vars(asked), "steps": 2})
    with profiling(activities=kinds, acc_events=True) as seen:
        train(short, model, micro_batch, folder)
    order = "self_device_time_total" if gpu else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=order, row_limit=TOP, max_name_column_width=60))


def main() -> None:
    """Measure, halving the micro-batch until it fits."""
    asked = parse()
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    model = model_settings(asked)
    memory = 8 * 2**30
    if torch.cuda.is_available() and asked.device != "cpu":
        memory = torch.cuda.get_device_properties(0).total_memory
    micro_batch = first_micro_batch(asked, model, memory)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder / "shards", model.vocab_size)
        while True:
            try:
                curves = train(asked, model, micro_batch, folder)
                break
            except OutOfMemory as error:
                print(error)
                if micro_batch == 1:
                    sys.exit("Not even one sequence fits; try --recompute or --layers.")
                micro_batch //= 2
                torch.cuda.empty_cache()
        report(asked, model, micro_batch, curves)
        if not asked.no_profile:
            profile(asked, model, micro_batch, folder)


if __name__ == "__main__":
    main()
