"""The one entry of a process that trains: `python -m davinci.platform.training.entry JOB.json`.

Started by hand for a single process, by torchrun or srun for several. Progress goes to standard
output, one JSON line each, from the first process; why a process failed goes to a file beside the
draft, for whoever started it.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch.distributed as dist

from davinci.platform.training.job import read_job
from davinci.platform.training.segment import train_segment

FAILURE_FILE = "failure.json"
EXIT_FAILED = 1


def main(file: Path) -> int:
    """Train the job in `file`; return the exit code."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # a cluster's word to the supervisor
    job = read_job(file)
    try:
        train_segment(
            job.settings,
            shards=job.shards,
            parent=job.parent,
            out=job.out,
            runtime=job.runtime,
            progress=_report if _is_first() else _silent,
            weights=job.weights,
        )
        if dist.is_initialized():
            dist.barrier()
    except BaseException as error:
        _leave(error, job.out)
        return EXIT_FAILED
    return 0


def _is_first() -> bool:
    """Return whether this is the first of the processes that torchrun or srun has started."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def _report(done: int, total: int, note: str) -> None:
    print(json.dumps({"done": done, "total": total, "note": note}), flush=True)


def _silent(done: int, total: int, note: str) -> None:
    """Say nothing: the first process does."""


def _leave(error: BaseException, out: Path) -> None:
    """Write down why this process failed, unless another did before it."""
    found = {"type": type(error).__name__, "text": str(error), "args": _plain(error.args)}
    found["traceback"] = traceback.format_exc()
    try:
        with (out / FAILURE_FILE).open("x", encoding="utf-8") as file:
            json.dump(found, file)
    except FileExistsError:
        pass


def _plain(args: tuple[object, ...]) -> list[object]:
    return [arg if isinstance(arg, str | int | float) else str(arg) for arg in args]


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Gloo's threads may outlive the interpreter and abort it on its way out, when all is done.
    os._exit(code)
