"""Watches a running segment: curves, progress, and an end where the loss is no number."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from davinci.models.module import LanguageModule
from davinci.platform.training.settings import TrainingDiverged

Progress = Callable[[int, int, str], None]
Curves = dict[str, dict[str, list[float]]]
CURVES = ("loss", "lr", "grad_norm", "tokens_per_s")


class Recorder(Callback):
    """Keeps losses as tensors and reads them every `interval_steps`: no wait in between.

    Attributes:
        curves: Name -> `{"tokens": [...], "values": [...]}`. The loss is the mean since the last
            point; x is the tokens trained since initialisation.
    """

    def __init__(
        self,
        *,
        batch_tokens: int,
        num_steps: int,
        tokens_before: int,
        interval_steps: int,
        micro_batches: int,
        progress: Progress,
    ) -> None:
        """Take the segment's sizes; `micro_batches` make one optimizer step."""
        super().__init__()
        self.curves: Curves = {name: {"tokens": [], "values": []} for name in CURVES}
        self._batch_tokens = batch_tokens
        self._num_steps = num_steps
        self._tokens_before = tokens_before
        self._interval_steps = interval_steps
        self._micro_batches = micro_batches
        self._progress = progress
        self._losses: list[Tensor] = []
        self._last_time_s = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._last_time_s = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep the loss; at the end of every interval, write the curves."""
        self._losses.append(outputs["loss"].detach())
        step = trainer.global_step
        whole_interval = len(self._losses) == self._interval_steps * self._micro_batches
        last = len(self._losses) % self._micro_batches == 0 and step == self._num_steps
        if whole_interval or last:
            assert isinstance(pl_module, LanguageModule)
            self._write(step, pl_module)

    def _write(self, step: int, module: LanguageModule) -> None:
        losses = torch.stack(self._losses).float().tolist()
        num_steps = len(losses) // self._micro_batches
        for index, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise TrainingDiverged(step - num_steps + index // self._micro_batches, loss)
        self._losses.clear()
        now_s = time.perf_counter()
        elapsed_s, self._last_time_s = now_s - self._last_time_s, now_s
        tokens_per_s = num_steps * self._batch_tokens / elapsed_s
        # Lightning has divided each micro-batch's loss by their number.
        loss = sum(losses) / num_steps
        values = (loss, module.lr_at_step(step - 1), float(module.grad_norm), tokens_per_s)
        tokens = self._tokens_before + step * self._batch_tokens
        for name, value in zip(CURVES, values, strict=True):
            self.curves[name]["tokens"].append(tokens)
            self.curves[name]["values"].append(value)
        note = f"loss {loss:.2f} · {tokens_per_s / 1000:.0f}k tokens/s"
        self._progress(step * self._batch_tokens, self._num_steps * self._batch_tokens, note)
