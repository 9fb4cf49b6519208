"""The LightningModule: loss of a step over its tokens, AdamW, a rate that follows trained tokens.

Legend: B sequences, T context, S = T + 1 tokens of a window.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from davinci.models.network import Network
from davinci.models.optimizer import build_optimizer
from davinci.models.settings import OptimizerSettings


class MicroBatch(NamedTuple):
    """What one process reads in one forward pass.

    Attributes:
        windows_BS: Token ids, int64.
        mask_BT: Which predicted tokens count in the loss; None counts all.
        num_loss_tokens: Tokens that count in the whole optimizer step, over all its micro-batches
            and processes.
    """

    windows_BS: Tensor
    mask_BT: Tensor | None
    num_loss_tokens: int


class LanguageModule(LightningModule):
    """Trains a causal language model on windows of tokens.

    Attributes:
        network: The model with its loss.
        first_step: Steps of the segment that were done before this module was made.
        lr_at_step: Learning rate of each optimizer step of the segment, from 0.
        grad_norm: Gradient norm of the last step before clipping; stays on the device.
    """

    def __init__(
        self,
        network: Network,
        *,
        optimizer: OptimizerSettings,
        lr_at_step: Callable[[int], float],
        num_micro_batches: int = 1,
        world_size: int = 1,
        first_step: int = 0,
        width_multiple: float = 1.0,
        shard: Callable[[DeviceMesh], None] | None = None,
    ) -> None:
        """Wrap `network`; one optimizer step takes `num_micro_batches` of each process.

        `width_multiple` scales learning rates (`models.parametrization`).
        `shard` splits the network over the processes of a mesh, before the optimizer is made.
        """
        super().__init__()
        self.network = network
        self.lr_at_step = lr_at_step
        self.grad_norm = torch.zeros(())
        self._settings = optimizer
        self._parts = num_micro_batches * world_size
        self.first_step = first_step
        self._width_multiple = width_multiple
        self._shard = shard

    @property
    def step(self) -> int:
        """Optimizer steps of the segment that are done."""
        return self.first_step + self.global_step

    def configure_model(self) -> None:
        """Split the network over the processes, if it is to be."""
        if self._shard is not None:
            assert self.device_mesh is not None
            self._shard(self.device_mesh["data_parallel"])
            self._shard = None

    def training_step(self, batch: MicroBatch, batch_idx: int) -> Tensor:
        """Return this micro-batch's share of the step's mean loss, in nats.

        Lightning divides by the number of micro-batches, and processes average their gradients;
        both are undone here, so that gradients sum to those of the step's mean over its tokens.
        """
        nll_sum: Tensor = self.network(batch.windows_BS, batch.mask_BT)
        return nll_sum * (self._parts / batch.num_loss_tokens)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over the network's parameters."""
        return build_optimizer(self.network.model, self._settings, self._width_multiple)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Set the learning rate, then step."""
        lr = self.lr_at_step(self.step)
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the global norm, and keep the norm for the curves."""
        norm = clip_grad_norm_(self.network.model.parameters(), self._settings.grad_clip_norm)
        self.grad_norm = (norm.full_tensor() if isinstance(norm, DTensor) else norm).detach()
