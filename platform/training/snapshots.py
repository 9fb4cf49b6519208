"""Snapshots of a running segment: the newest whole one is where a killed attempt goes on."""

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from davinci.platform.training.state import (
    load_tensors,
    model_tensors,
    optimizer_tensors,
    publish_snapshot,
    read_snapshot,
    save_tensors,
)

NUM_KEPT = 2
_NAME = re.compile(r"snapshot-(\d+)")
_log = logging.getLogger("davinci")


class Found(NamedTuple):
    """A snapshot to go on from: optimizer steps done, and the recorder's state."""

    folder: Path
    step: int
    recorder: Mapping[str, Any]


def find_snapshot(out: Path, identity: str) -> Found | None:
    """Return the newest whole snapshot of the segment `identity` in its draft folder.

    One that is damaged, or another segment's, is passed over.
    """
    for step, folder in sorted(_snapshots(out), reverse=True):
        about = read_snapshot(folder)
        if about is None:
            _log.warning("%s is damaged and left out; an older one is used.", folder.name)
        elif about["segment"] == identity:
            return Found(folder, step, about["recorder"])
    return None


def load_snapshot(found: Found, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put model and optimizer back to where they were."""
    load_tensors(_state(model, optimizer), found.folder)


def take_snapshot(
    out: Path,
    *,
    identity: str,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recorder: Mapping[str, Any],
) -> None:
    """Write a snapshot after `step` optimizer steps; every process of a group calls this.

    Until it is whole, the ones before it stay; killed or out of disk, nothing is lost but itself.

    Raises:
        OSError: If it cannot be written.
    """
    draft, first = out / f".snapshot-{step}", _is_first()
    if first:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
    _barrier()
    try:
        save_tensors(_state(model, optimizer), draft)
        _barrier()
        if first:
            about = {"segment": identity, "recorder": dict(recorder)}
            publish_snapshot(draft, out / f"snapshot-{step}", about)
            for _, old in sorted(_snapshots(out))[:-NUM_KEPT]:
                shutil.rmtree(old)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _barrier()


def clear_snapshots(out: Path) -> None:
    """Remove all snapshots, whole or not."""
    for folder in (*out.glob("snapshot-*"), *out.glob(".snapshot-*")):
        shutil.rmtree(folder, ignore_errors=True)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    moments = optimizer_tensors(model, optimizer)
    return model_tensors(model) | {f"optimizer.{name}": t for name, t in moments.items()}


def _snapshots(out: Path) -> list[tuple[int, Path]]:
    found = [(path, _NAME.fullmatch(path.name)) for path in out.glob("snapshot-*")]
    return [(int(match[1]), path) for path, match in found if match]


def _is_first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _barrier() -> None:
    if dist.is_initialized():
        dist.barrier()
