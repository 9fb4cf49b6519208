"""SLURM, through submitit: a job per group of tasks, in arrays, each wave after the one before it.

Submit and leave: a job holds nothing but the name of its plan's file. Where it comes to its time
limit, or is preempted, it gives its tasks back with their snapshots and is queued again.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from davinci.platform.config.runtime import Runtime
from davinci.platform.execute.agent import run_group
from davinci.platform.execute.groups import Group, Resources, resources_of

SIGNAL_DELAY_S = 120
"""Seconds before the time limit at which a job is told: enough for a snapshot."""
TIMED_OUT = signal.SIGUSR2
"""The signal that submitit has SLURM send then."""

CAUSES: Mapping[str, str] = {
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "PREEMPTED": "preempted",
    "CANCELLED": "infrastructure",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "infrastructure",
    "BOOT_FAIL": "infrastructure",
    "FAILED": "infrastructure",
    "COMPLETED": "",
}
"""States of SLURM in which a job is over, in the ledger's words (squeue(1), job state codes)."""


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """What is submitted; picklable, as submitit wants it, and without state."""

    plan_file: str
    number: int

    def __call__(self) -> None:
        """Work on the group; of several processes on several nodes, the first does."""
        if os.environ.get("SLURM_PROCID", "0") != "0":
            return
        array, own = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ["SLURM_JOB_ID"]
        name = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else own
        if int(os.environ.get("SLURM_JOB_NUM_NODES", "1")) == 1:
            _leave_slurm()
        run_group(
            Path(self.plan_file),
            self.number,
            f"slurm {name}",
            cpus=int(os.environ.get("SLURM_CPUS_PER_TASK", "1")),
            memory_bytes=int(os.environ.get("SLURM_MEM_PER_NODE", "0")) * 2**20,
            on_stop=lambda cause: _requeue(name) if cause == "time limit" else None,
            causes={TIMED_OUT: "time limit", signal.SIGTERM: "preempted"},
        )


def submit(
    runtime: Runtime, folder: Path, plan_file: Path, groups: Sequence[Group], numbers: Sequence[int]
) -> dict[int, str]:
    """Submit groups, by their numbers in the plan's file; return number -> job.

    Raises:
        ValueError: With SLURM's own words, if it does not take them.
    """
    import submitit
    from submitit.core.utils import FailedJobError

    ids: dict[int, str] = {}
    for bundle in _bundles(runtime, groups, numbers):
        first = groups[bundle[0]]
        before = sorted(
            {ids[n].partition("_")[0] for g in bundle for n in groups[g].inputs & ids.keys()}
        )
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(**_parameters(runtime, first, before))
        work = [SlurmJob(str(plan_file), number) for number in bundle]
        try:
            jobs = executor.map_array(lambda job: job(), work)
        except FailedJobError as error:
            told = [line for line in str(error).splitlines() if line.startswith("sbatch: error:")]
            raise ValueError("; ".join(told) or str(error)) from None
        ids |= {number: str(job.job_id) for number, job in zip(bundle, jobs, strict=True)}
    return ids


def states(ids: Sequence[str]) -> dict[str, str]:
    """Return the state of each job that SLURM still knows, by its name for it.

    Raises:
        OSError: If SLURM does not answer.
    """
    bases = sorted({name.partition("_")[0] for name in ids})
    found: dict[str, str] = {}
    words = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]
    for base in bases:
        run = subprocess.run(
            [*words, f"--jobs={base}"], capture_output=True, text=True, check=False
        )
        if run.returncode and "Invalid job id" not in run.stderr:
            raise OSError(f"squeue: {run.stderr.strip()}")
        found |= dict(line.split() for line in run.stdout.splitlines() if line.strip())
    return {name: found[name] for name in ids if name in found}


def _bundles(runtime: Runtime, groups: Sequence[Group], numbers: Sequence[int]) -> list[list[int]]:
    """Return the groups of each wave that ask for the same, together: an array each."""
    found: dict[tuple[int, Resources], list[int]] = {}
    for number in numbers:
        key = (groups[number].wave, _resources(runtime, groups[number]))
        found.setdefault(key, []).append(number)
    return [found[key] for key in sorted(found, key=lambda key: key[0])]


def _resources(runtime: Runtime, group: Group) -> Resources:
    on_gpu = runtime.training.accelerator == "gpu"
    return resources_of(group, runtime.training, runtime.executor.cpus, on_gpu)


def _parameters(runtime: Runtime, group: Group, before: Sequence[str]) -> dict[str, object]:
    asked, own = _resources(runtime, group), runtime.executor
    named = {name: getattr(own, name) for name in ("partition", "account", "qos", "constraint")}
    parameters: dict[str, object] = {name: value for name, value in named.items() if value}
    if before:
        parameters["dependency"] = "afterany:" + ":".join(before)
    if asked.gpus:
        parameters["gpus_per_node"] = asked.gpus
    if own.memory_gib:
        parameters["mem"] = f"{own.memory_gib * 1024:.0f}M"
    return parameters | {
        "job_name": "davinci",
        "nodes": asked.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": asked.cpus,
        "time": own.time_limit_min,
        "signal_delay_s": SIGNAL_DELAY_S,
        "array_parallelism": own.max_jobs,
        "setup": list(own.setup),
        "additional_parameters": {"requeue": True, "open-mode": "append"},
    }


def _requeue(name: str) -> None:
    """Queue this job again; where a cluster forbids that, wait for its end, so that it is told why.

    Then the command that watches, or the next, submits another.
    """
    if subprocess.run(["scontrol", "requeue", name], check=False).returncode:
        time.sleep(2 * SIGNAL_DELAY_S)


def _leave_slurm() -> None:
    """Forget the job's environment: libraries take it for an order to start processes."""
    for name in [n for n in os.environ if n.startswith("SLURM_") and n not in _KEPT]:
        os.environ.pop(name)


_KEPT = ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_CONF")
