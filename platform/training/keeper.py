"""Keeps a running segment: begins where it should, takes snapshots, stops when asked to."""

import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer

from davinci.models.build import save_model
from davinci.models.module import LanguageModule
from davinci.platform.training.guards import Preempted
from davinci.platform.training.recorder import Recorder
from davinci.platform.training.snapshots import Found, load_snapshot, take_snapshot
from davinci.platform.training.state import (
    load_tensors,
    model_tensors,
    optimizer_tensors,
    save_tensors,
)

MODEL_FOLDER = "model"
OPTIMIZER_FOLDER = "optimizer"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Keeper(Callback):
    """Loads what a segment starts from, and writes what it leaves.

    Stands after the recorder among the callbacks: a snapshot holds what that has seen.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        out: Path,
        identity: str,
        parent: Path | None,
        found: Found | None,
        interval_s: float,
        max_frac: float,
    ) -> None:
        """Take where to write, and where to begin: at a snapshot, a parent, or nothing."""
        super().__init__()
        self._recorder = recorder
        self._out = out
        self._identity = identity
        self._parent = parent
        self._found = found
        self._interval_s = self._wait_s = interval_s
        self._max_frac = max_frac
        self._last_s = 0.0
        self._asked_to_stop = False
        self._handlers: dict[signal.Signals, Any] = {}
        self._step = found.step if found else 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fill model and optimizer, and listen to signals from here on."""
        model, optimizer = _parts(pl_module)
        if self._found is not None:
            load_snapshot(self._found, model, optimizer)
        elif self._parent is not None and (self._parent / OPTIMIZER_FOLDER).is_dir():
            load_tensors(optimizer_tensors(model, optimizer), self._parent / OPTIMIZER_FOLDER)
        self._last_s = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._handlers[number] = signal.signal(number, self._ask_to_stop)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """After each optimizer step, see whether it is time for a snapshot, or to stop.

        Raises:
            Preempted: When it was asked to stop, and the snapshot is written.
        """
        assert isinstance(pl_module, LanguageModule)
        if pl_module.step == self._step:
            return
        self._step = pl_module.step
        due = self._interval_s > 0 and time.monotonic() - self._last_s >= self._wait_s
        stop, due = _agree(pl_module, self._asked_to_stop, due)
        if (due or stop) and self._step < trainer.max_steps + _first_step(pl_module):
            self._snapshot(pl_module)
        if stop:
            raise Preempted(f"stopped after step {self._step}; the same command goes on from there")

    def _snapshot(self, module: LanguageModule) -> None:
        self._recorder.check()
        begun_s = time.monotonic()
        model, optimizer = _parts(module)
        take_snapshot(
            self._out,
            identity=self._identity,
            step=self._step,
            model=model,
            optimizer=optimizer,
            recorder=self._recorder.state(),
        )
        self._last_s = time.monotonic()
        took_s = self._last_s - begun_s
        self._wait_s = max(self._interval_s, took_s * (1 / self._max_frac - 1))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoint: a whole model, and the optimizer in parts if it is in parts."""
        self.release_signals()
        model, optimizer = _parts(pl_module)
        tensors = {name: _whole(tensor) for name, tensor in model_tensors(model).items()}
        if trainer.is_global_zero:
            for name in (MODEL_FOLDER, OPTIMIZER_FOLDER):  # what a killed attempt has left
                shutil.rmtree(self._out / name, ignore_errors=True)
            save_model(model, self._out / MODEL_FOLDER, tensors)
            (self._out / OPTIMIZER_FOLDER).mkdir()
        if dist.is_initialized():
            dist.barrier()
        save_tensors(optimizer_tensors(model, optimizer), self._out / OPTIMIZER_FOLDER)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Stop listening."""
        self.release_signals()

    def release_signals(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True


def _parts(module: LightningModule) -> tuple[Any, torch.optim.Optimizer]:
    assert isinstance(module, LanguageModule)
    optimizer = module.optimizers(use_pl_optimizer=False)
    assert isinstance(optimizer, torch.optim.Optimizer)
    return module.network.model, optimizer


def _first_step(module: LanguageModule) -> int:
    return module.step - module.global_step


def _agree(module: LanguageModule, stop: bool, due: bool) -> tuple[bool, bool]:
    """Return what any of the processes wants: they must write a snapshot after the same step."""
    if not dist.is_initialized():
        return stop, due
    wanted = torch.tensor([stop, due], dtype=torch.int32, device=module.device)
    dist.all_reduce(wanted, op=dist.ReduceOp.MAX)
    asked, timed = wanted.tolist()
    return bool(asked), bool(timed)


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that all processes hold parts of, whole, on the CPU."""
    full: Callable[[], torch.Tensor] | None = getattr(tensor, "full_tensor", None)
    return (full() if full is not None else tensor).cpu()
