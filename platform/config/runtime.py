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
class ExecutorRuntime:
    """Which executor takes tasks to artifacts, and what it may use.

    Attributes:
        workers: Processes at a time, on one machine; 0 is one per core.
        memory_gib: Main memory that tasks may use together, on one machine; 0 is what is free.
        wait: Whether the command stays until all is done; without, a cluster works on alone.
        partition: SLURM's, as `account`, `qos` and `constraint`; empty leaves it to the cluster.
        time_limit_min: Minutes that a job may take; it goes on in a new one where it needs more.
        cpus: Cores of a job; 0 asks for as many as its tasks need.
        max_jobs: Most jobs of one array that run at a time.
        setup: Shell lines before a job's work, such as `module load cuda`.
        address: Of the Ray cluster; `auto` finds one that is running here.
    """

    name: Literal["local", "slurm", "ray"] = "local"
    workers: int = 0
    memory_gib: float = 0.0
    wait: bool = True
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    time_limit_min: int = 1440
    cpus: int = 0
    max_jobs: int = 64
    setup: tuple[str, ...] = ()
    address: str = "auto"

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes, 0 for none."""
        return int(self.memory_gib * 2**30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where and how a recipe runs; nothing of it changes the result or enters a digest."""

    output_dir: Path
    store_url: str
    mlflow_url: str
    corpus_workers: int
    keep: Literal["all", "stages", "last"]
    training: TrainingRuntime
    executor: ExecutorRuntime = ExecutorRuntime()
