"""Where and how a recipe runs: nothing of it changes a result or enters a digest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Strategy = Literal["auto", "ddp", "fsdp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRuntime:
    """Where and how to train; changes no result beyond floating-point summation order.

    Attributes:
        accelerator: `auto`, `cpu`, `gpu`: Lightning's names.
        devices: Processes on this machine, one per device.
        num_nodes: Machines with as many.
        strategy: `ddp` has the whole model in every process, `fsdp` a part; `auto` is `ddp` where
            there is more than one.
        micro_batch_size: Sequences per forward pass and device; 0 chooses.
        recompute: Whether activations are computed again in the backward pass, to save memory.
        compile: Whether decoder layers are compiled by torch.
        log_interval_steps: Optimizer steps between two points of the curves.
        snapshot_interval_s: Seconds between two snapshots to resume from; 0 takes none.
        snapshot_max_frac: Most of the time that snapshots may take; they stand further apart then.
        max_epochs: Most passes over a domain's tokens, in the whole run; 0 sets no limit.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: Strategy = "auto"
    num_threads: int = 1
    micro_batch_size: int = 0
    recompute: bool = False
    compile: bool = False
    log_interval_steps: int = 20
    snapshot_interval_s: float = 300.0
    snapshot_max_frac: float = 0.05
    max_epochs: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where and how a recipe runs; nothing of it changes the result or enters a digest."""

    output_dir: Path
    store_url: str
    mlflow_url: str
    workers: int
    corpus_workers: int
    keep: Literal["all", "stages", "last"]
    training: TrainingRuntime
