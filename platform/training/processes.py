"""Trains a segment here, or in several processes that torchrun or srun starts and watches."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Any

from davinci.platform.children import die_with_parent
from davinci.platform.training.entry import FAILURE_FILE
from davinci.platform.training.guards import OutOfMemory, Preempted
from davinci.platform.training.job import Job, write_job
from davinci.platform.training.recorder import Progress
from davinci.platform.training.segment import train_segment
from davinci.platform.training.settings import TrainingDiverged, TrainingRuntime

JOB_FILE = "job.json"
RAISED: Mapping[str, type[Exception]] = {
    "ValueError": ValueError,
    "OSError": OSError,
    "TrainingDiverged": TrainingDiverged,
    "Preempted": Preempted,
    "OutOfMemory": OutOfMemory,
}
"""What is raised again as it was in the process that failed; all else is a RuntimeError."""


def run_job(job: Job, progress: Progress) -> None:
    """Train a job's segment in as many processes as its runtime asks for.

    Raises:
        ValueError: If it asks for several machines outside a job of SLURM.
    """
    if job.runtime.devices * job.runtime.num_nodes == 1:
        train_segment(
            job.settings,
            shards=job.shards,
            parent=job.parent,
            out=job.out,
            runtime=job.runtime,
            progress=progress,
            weights=job.weights,
        )
        return
    if job.runtime.num_nodes > 1 and "SLURM_JOB_ID" not in os.environ:
        raise ValueError(
            "`num_nodes` above 1 needs a process on every machine: use executor=slurm, or start "
            "`python -m davinci.platform.training.entry JOB.json` by srun or torchrun."
        )
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / FAILURE_FILE).unlink(missing_ok=True)
    write_job(job, job.out / JOB_FILE)
    _launch(job, progress)
    (job.out / JOB_FILE).unlink()


def _launch(job: Job, progress: Progress) -> None:
    command = [*_starter(job.runtime), "-m", "davinci.platform.training.entry"]
    command.append(str(job.out / JOB_FILE))
    environment = os.environ | {"OMP_NUM_THREADS": str(job.runtime.num_threads)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=die_with_parent,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
        reader.start()
        with _forwarded(process):
            for line in process.stdout:
                _pass_on(line, progress)
        code = process.wait()
        reader.join()
    if code:
        raise _failure(job.out, code, errors)


def _starter(runtime: TrainingRuntime) -> list[str]:
    """Return the command that starts Python on every device: torchrun here, srun everywhere."""
    if runtime.num_nodes == 1:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        return [*torchrun, "--nproc-per-node", str(runtime.devices)]
    return [
        *("srun", "--overlap", "--kill-on-bad-exit=1", f"--nodes={runtime.num_nodes}"),
        *(f"--ntasks={runtime.num_nodes * runtime.devices}", "--unbuffered"),
        *(f"--ntasks-per-node={runtime.devices}", f"--cpus-per-task={runtime.num_threads}"),
        sys.executable,
    ]


def _pass_on(line: str, progress: Progress) -> None:
    try:
        report = json.loads(line)
        progress(report["done"], report["total"], report["note"])
    except (ValueError, KeyError, TypeError):
        return  # a library's own remark


def _drain(stream: IO[str], lines: list[str]) -> None:
    for line in stream:
        lines.append(line)
        del lines[:-200]


def _failure(out: Path, code: int, errors: list[str]) -> Exception:
    """Return what the first process that failed raised, with its traceback as a note."""
    file = out / FAILURE_FILE
    if not file.is_file():
        return RuntimeError(f"the processes ended with code {code}:\n{''.join(errors[-40:])}")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    kind = RAISED.get(found["type"])
    if kind is TrainingDiverged:
        error: Exception = TrainingDiverged(*found["args"])
    elif kind is not None:
        error = kind(found["text"])
    else:
        error = RuntimeError(f"{found['type']}: {found['text']}")
    error.add_note(found["traceback"])
    return error


class _forwarded:
    """Within it, signals that ask this process to stop go to torchrun, which passes them on."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._forward)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._process.send_signal(signal.SIGTERM)
