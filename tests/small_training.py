"""A model and shards so small that a segment trains in a fraction of a second."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from davinci.data_levels.document import Domain
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.training.segment import train_segment
from davinci.platform.training.settings import LearningRateLaw, SegmentSettings, TrainingRuntime

MODEL = ModelSettings(
    hidden_size=16,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    intermediate_size=24,
    vocab_size=32,
    context_length=16,
)
LAW = LearningRateLaw(shape="cosine", warmup_tokens=128, total_tokens=64 * 24, end_frac=0.1)
SETTINGS = SegmentSettings(
    model=MODEL,
    optimizer=OptimizerSettings(lr_peak=1e-2),
    weights={"math": 0.75, "code": 0.25},
    num_steps=24,
    batch_tokens=64,
    lr=LAW,
    seed=0,
)
RUNTIME = TrainingRuntime(
    accelerator="cpu", log_interval_steps=5, snapshot_interval_s=0, snapshot_max_frac=1.0
)

Shards = Mapping[Domain, Path]


def write_shards(folder: Path) -> Shards:
    """Write two shards of a walk that a model learns at once, with questions in one of them."""
    rng = np.random.default_rng(0)
    paths: dict[Domain, Path] = {"math": folder / "math", "code": folder / "code"}
    for domain, path in paths.items():
        path.mkdir(parents=True)
        np.save(path / "tokens.npy", np.cumsum(rng.integers(0, 2, 500)).astype(np.uint16) % 32)
        runs = [[20 * n, 20 * n + 8] for n in range(25)] if domain == "math" else []
        np.save(path / "questions.npy", np.array(runs, dtype=np.int64).reshape(-1, 2))
    return paths


def train(
    out: Path,
    shards: Shards,
    settings: SegmentSettings = SETTINGS,
    parent: Path | None = None,
    runtime: TrainingRuntime = RUNTIME,
    **more: Any,
) -> Path:
    """Train a segment without telling anybody; return its folder."""
    train_segment(
        settings,
        shards=shards,
        parent=parent,
        out=out,
        runtime=runtime,
        progress=lambda done, total, note: None,
        **more,
    )
    return out


def digest_of(segment: Path) -> str:
    """Return a digest of a checkpoint: weights, moments and steps, bit for bit."""
    total = hashlib.sha256((segment / "model" / "model.safetensors").read_bytes())
    for file in sorted((segment / "optimizer").glob("*.safetensors")):
        for name, tensor in sorted(load_file(file).items()):
            total.update(name.encode() + tensor.numpy().tobytes())
    return total.hexdigest()


def curves_of(segment: Path) -> dict[str, Any]:
    """Return the curves that do not depend on the clock."""
    curves = json.loads((segment / "curve.json").read_text())
    timed = ("tokens_per_s", "data_wait_frac", "memory_bytes")
    return {name: series for name, series in curves.items() if name not in timed}


def newest_snapshot(segment: Path) -> int:
    """Return the steps done at the newest snapshot of a draft; 0 where there is none."""
    return max((int(p.name.rpartition("-")[2]) for p in segment.glob("snapshot-*")), default=0)


def result_of(segment: Path) -> dict[str, Any]:
    """Return a segment's result."""
    found: dict[str, Any] = json.loads((segment / "result.json").read_text())
    return found
