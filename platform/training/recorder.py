"""Watches a running segment: curves, spikes, progress, and an end where the loss is no number."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from davinci.models.module import LanguageModule
from davinci.models.peaks import peak_flops
from davinci.platform.training.guards import SpikeWatch, check_finite, check_level
from davinci.platform.training.loader import Loader
from davinci.platform.training.sampler import MixtureSampler

Progress = Callable[[int, int, str], None]
Curves = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the recorder knows of a segment beforehand.

    Attributes:
        tokens_before: Tokens trained before the segment; where its curves begin.
        flops_per_token: To tell how much of the device's peak is used.
        world_size: Processes that train it.
    """

    num_steps: int
    batch_tokens: int
    tokens_before: int
    first_position: int
    vocab_size: int
    flops_per_token: float
    sampler: MixtureSampler
    interval_steps: int
    micro_batches: int
    world_size: int = 1


class Recorder(Callback):
    """Keeps losses as tensors and reads them every `interval_steps`: no wait in between.

    Attributes:
        curves: Name -> `{"tokens": [...], "values": [...]}`: `loss` (nats per token, the mean since
            the last point), `lr`, `grad_norm`, `batch_tokens`, `tokens_per_s`, `data_wait_frac`,
            `memory_bytes`, `share_<domain>` (of the sequences since the last point), and `mfu`
            where the device's peak is known. x is the tokens trained since initialisation.
        spikes: Steps whose loss or gradient norm stood out; see `SpikeWatch`.
    """

    def __init__(self, course: Course, loader: Loader, progress: Progress) -> None:
        """Take what is known of the segment, and whom to tell how far it is."""
        super().__init__()
        self.curves: Curves = {}
        self.spikes = SpikeWatch()
        self._course = course
        self._loader = loader
        self._progress = progress
        self._losses: list[Tensor] = []
        self._earlier: list[float] = []
        self._grad_norms: list[Tensor] = []
        self._point = 0
        self._since_s = 0.0
        self._since_wait_s = 0.0
        self._since_step = 0
        self._peak = 0.0

    def state(self) -> dict[str, Any]:
        """Return what a snapshot keeps, as plain data."""
        return {
            "curves": self.curves,
            "spikes": self.spikes.state(),
            "losses": self._step_losses(),
            "grad_norms": _plain(self._grad_norms),
            "point": self._point,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot's state."""
        self.curves = {name: dict(series) for name, series in state["curves"].items()}
        self.spikes = SpikeWatch.restored(state["spikes"])
        self._earlier = list(state["losses"])  # of steps: micro-batches may be others now
        self._grad_norms = [torch.tensor(norm) for norm in state["grad_norms"]]
        self._point = state["point"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        assert isinstance(pl_module, LanguageModule)
        self._start_clock(pl_module.step)
        if pl_module.device.type == "cuda":
            self._peak = peak_flops(torch.cuda.get_device_name(pl_module.device))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep the loss; at the end of every interval, write the curves."""
        assert isinstance(pl_module, LanguageModule)
        self._losses.append(outputs["loss"].detach())
        if len(self._losses) % self._course.micro_batches:
            return
        self._grad_norms.append(pl_module.grad_norm)
        step = pl_module.step
        if step - self._point == self._course.interval_steps or step == self._course.num_steps:
            self._write(step, pl_module)

    def check(self) -> None:
        """Look at the losses since the last point before they are trusted.

        Raises:
            TrainingDiverged: If one is no finite number.
        """
        check_finite(self._point, self._step_losses(), _plain(self._grad_norms))

    def _step_losses(self) -> list[float]:
        """Return the loss of each step since the last point: its micro-batches' sum."""
        if not self._losses:
            return list(self._earlier)
        # Lightning has divided each micro-batch's loss by their number.
        losses = torch.stack(self._losses).float().view(-1, self._course.micro_batches).sum(1)
        if dist.is_initialized():
            dist.all_reduce(losses)
            losses /= self._course.world_size
        return [*self._earlier, *(float(loss) for loss in losses.tolist())]

    def _write(self, step: int, module: LanguageModule) -> None:
        course = self._course
        losses, norms = self._step_losses(), _plain(self._grad_norms)
        check_finite(self._point, losses, norms)
        self.spikes.see(self._point, losses, norms)
        loss = sum(losses) / len(losses)
        check_level(step, loss, course.vocab_size, num_steps=len(losses))
        now_s = time.perf_counter()
        elapsed_s = max(now_s - self._since_s, 1e-9)
        tokens_per_s = (step - self._since_step) * course.batch_tokens / elapsed_s
        values = {
            "loss": loss,
            "lr": module.lr_at_step(step - 1),
            "grad_norm": norms[-1],
            "batch_tokens": float(course.batch_tokens),
            "tokens_per_s": tokens_per_s,
            "data_wait_frac": (self._loader.wait_s - self._since_wait_s) / elapsed_s,
            "memory_bytes": float(_memory_bytes(module.device)),
            **self._shares(step),
        }
        if self._peak:
            available = self._peak * course.world_size
            values["mfu"] = tokens_per_s * course.flops_per_token / available
        for name, value in values.items():
            series = self.curves.setdefault(name, {"tokens": [], "values": []})
            series["tokens"].append(course.tokens_before + step * course.batch_tokens)
            series["values"].append(value)
        self._losses, self._earlier, self._grad_norms, self._point = [], [], [], step
        self._start_clock(step)
        note = f"loss {loss:.2f} · {tokens_per_s / 1000:.0f}k tokens/s"
        total = course.num_steps * course.batch_tokens
        self._progress(step * course.batch_tokens, total, note)

    def _start_clock(self, step: int) -> None:
        self._since_s, self._since_wait_s = time.perf_counter(), self._loader.wait_s
        self._since_step = step

    def _shares(self, step: int) -> dict[str, float]:
        """Return each domain's share of the sequences since the last point."""
        size = self._course.batch_tokens // self._course.sampler.context_length
        begin, end = (self._course.first_position + at * size for at in (self._point, step))
        before, after = (self._course.sampler.num_draws(at) for at in (begin, end))
        return {
            f"share_{domain}": (late - early) / (end - begin)
            for domain, early, late in zip(self._course.sampler.domains, before, after, strict=True)
        }


def _plain(values: list[Tensor]) -> list[float]:
    return [float(value) for value in torch.stack(values).float().tolist()] if values else []


def _memory_bytes(device: torch.device) -> int:
    """Return the most memory used so far: of the device, or of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
