"""Training state on disk: tensors in safetensors, read back on any number of processes.

Nothing here is pickled. A single process and many write the same format, of which each reader takes
the parts that it holds: a run may go on with another number of processes than it began with.
"""

import contextlib
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

MANIFEST_FILE = "snapshot.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def named_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters by name; tied ones once."""
    return dict(model.named_parameters())


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return AdamW's moments and step counts as `moment.parameter`; zeros where it has none yet."""
    found: dict[str, Tensor] = {}
    for name, parameter in named_parameters(model).items():
        state = optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state |= {moment: torch.zeros_like(parameter.detach()) for moment in MOMENTS}
        found |= {f"{moment}.{name}": state[moment] for moment in ("step", *MOMENTS)}
    return found


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters' own memory by name."""
    return {name: parameter.detach() for name, parameter in named_parameters(model).items()}


def save_tensors(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Write tensors into `folder`; every process of a group calls this with its parts."""
    with _alone():
        save(
            dict(tensors),
            storage_writer=HuggingFaceStorageWriter(str(folder), save_distributed=True),
            no_dist=not dist.is_initialized(),
        )


def load_tensors(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Fill tensors from `folder`, which any number of processes may have written.

    Raises:
        ValueError: If the folder lacks one of them, or has it in another shape.
    """
    try:
        with _alone():
            load(
                dict(tensors),
                storage_reader=HuggingFaceStorageReader(str(folder)),
                no_dist=not dist.is_initialized(),
            )
    except (CheckpointException, RuntimeError, KeyError) as error:
        raise ValueError(f"{folder} does not hold the tensors of this model: {error}") from error


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep torch from remarking that there is a single process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*single process")
        warnings.filterwarnings("ignore", message=".*TypedStorage is deprecated")
        yield


def publish_snapshot(draft: Path, final: Path, about: Mapping[str, Any]) -> None:
    """Make a written folder of tensors a snapshot: checksums, what it is about, one rename.

    One process calls this when all have written.
    """
    files = {path.name: _sha256(path) for path in sorted(draft.iterdir())}
    manifest = draft / MANIFEST_FILE
    manifest.write_text(json.dumps({"files": files, **about}), encoding="ascii")
    for path in (*draft.iterdir(), draft):
        _sync(path)
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    _sync(final.parent)


def read_snapshot(folder: Path) -> dict[str, Any] | None:
    """Return what a snapshot is about, or None where it is not whole."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="ascii"))
        sums = {name: _sha256(folder / name) for name in manifest["files"]}
    except (OSError, ValueError, KeyError):
        return None
    return manifest if sums == manifest["files"] else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
