"""`davinci doctor`: what works on this machine, what is not there, and what is broken."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from davinci.data_levels.sandbox.run import CannotIsolateError, isolation
from davinci.models.devices import may_have_gpu
from davinci.platform.config.errors import ConfigError, redact
from davinci.platform.config.places import on_network, sqlite_path, sqlite_url
from davinci.platform.execute.devices import num_bytes_of_memory, num_cores
from davinci.platform.store.open import check_store
from davinci.reports.filters import size

LITTLE_DISK = 10 * 2**30
"""Bytes: small proxies take less, checkpoints of the 3B model more (a dry run says how much)."""
EXTRAS = {
    "search": ("optuna", "searches (`search=tpe`)"),
    "harness": ("lm_eval", "benchmarks of lm-evaluation-harness"),
    "postgresql": ("psycopg", "a store on PostgreSQL"),
    "ray": ("ray", "`executor=ray`"),
    "fasttext": ("fasttext", "fastText models for L3"),
}
MARKS = {"works": "green", "not there": "dim", "broken": "bold red"}


class Found(NamedTuple):
    """One part of the machine; only what is `broken` keeps `python run.py` from working."""

    part: str
    state: Literal["works", "not there", "broken"]
    words: str


def examine(output_dir: Path, store: str) -> Iterator[Found]:
    """Look at the machine, a part at a time; `store` is an address, "" for the usual one."""
    packages = ("davinci", "lightning", "transformers", "mlflow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    yield Found("Python", "works", f"{platform.python_version()}; {versions}")
    yield _torch()
    cores, memory = num_cores(), num_bytes_of_memory()
    yield Found("processor", "works", f"{cores} cores, {size(memory)} of memory for new processes")
    yield _disk(output_dir)
    yield _store(store or sqlite_url(output_dir / "davinci.db"))
    yield _sandbox()
    yield _slurm()
    for extra, (module, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            words = f"for {purpose}: pip install 'davinci[{extra}]'"
            yield Found(extra, "not there", words)
        else:
            yield Found(extra, "works", purpose)


def show_doctor(output_dir: Path, store: str, console: Console) -> int:
    """Print what `examine` finds; return the exit code, 1 if anything is broken."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    broken = 0
    with console.status("looking at this machine"):
        for found in examine(output_dir, store):
            state = Text(found.state, style=MARKS[found.state])
            table.add_row(found.part, state, Text(redact(found.words)))
            broken += found.state == "broken"
    console.print(table, highlight=False)
    return 1 if broken else 0


def _torch() -> Found:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Found("torch", "broken", f"cannot be imported: {error}")
    words = f"{torch.__version__}, {torch.get_num_threads()} threads"
    if not may_have_gpu():
        return Found("torch", "works", f"{words}; no GPU on this machine")
    if not torch.cuda.is_available():
        return Found("torch", "broken", f"{words}; a GPU is there, but this build cannot use it")
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    named = ", ".join(f"{gpu.name} ({size(gpu.total_memory)})" for gpu in gpus)
    return Found("torch", "works", f"{words}; {named}")


def _disk(output_dir: Path) -> Found:
    there = next(place for place in (output_dir, *output_dir.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Found("output folder", "broken", f"{output_dir} cannot be written")
    free = shutil.disk_usage(there).free
    words = f"{output_dir}, {size(free)} free"
    if on_network(there):
        words += "; on a network file system: PostgreSQL is the better store"
    if free < LITTLE_DISK:
        words += "; that is little, `sweep.dry_run=true` tells what a sweep needs"
    return Found("output folder", "works", words)


def _store(url: str) -> Found:
    file = sqlite_path(url)
    if file is not None and not file.exists():
        return Found("store", "not there", "the first sweep makes it")
    try:
        check_store(url)
    except ConfigError as error:
        return Found("store", "broken", str(error))
    return Found("store", "works", str(file) if file is not None else "a server that answers")


def _sandbox() -> Found:
    try:
        return Found("sandbox", "works", isolation().label)
    except CannotIsolateError as error:
        return Found("sandbox", "not there", str(error))


def _slurm() -> Found:
    if shutil.which("sbatch") is None:
        return Found("slurm", "not there", "no `sbatch` on this machine, for `executor=slurm`")
    if importlib.util.find_spec("submitit") is None:
        return Found("slurm", "not there", "needs submitit: pip install 'davinci[slurm]'")
    try:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Found("slurm", "not there", f"`sinfo` does not answer ({type(error).__name__})")
    if asked.returncode:
        return Found("slurm", "not there", "`sbatch` is here, but no cluster answers `sinfo`")
    return Found("slurm", "works", f"partitions {', '.join(asked.stdout.split())}")
