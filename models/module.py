"""The LightningModule: next-token loss, AdamW, a learning rate that follows trained tokens."""

from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from transformers import Qwen2ForCausalLM

from davinci.models.optimizer import build_optimizer
from davinci.models.settings import OptimizerSettings


class LanguageModule(LightningModule):
    """Trains a causal language model on windows of tokens.

    Shapes: B sequences, T context, V vocabulary; a batch is `windows_BS` with S = T + 1.

    Attributes:
        model: The model trained.
        lr_at_step: Learning rate of each optimizer step, from 0.
        grad_norm: Gradient norm of the last step before clipping; stays on the device.
    """

    def __init__(
        self,
        model: Qwen2ForCausalLM,
        *,
        optimizer: OptimizerSettings,
        lr_at_step: Callable[[int], float],
        optimizer_state: dict[str, Any] | None = None,
    ) -> None:
        """Wrap `model`; `optimizer_state` carries AdamW's moments over from a parent."""
        super().__init__()
        self.model = model
        self.lr_at_step = lr_at_step
        self.grad_norm = torch.zeros(())
        self._settings = optimizer
        self._optimizer_state = optimizer_state

    def training_step(self, windows_BS: Tensor, batch_idx: int) -> Tensor:
        """Return the mean next-token loss in nats."""
        logits_BTV = self.model(input_ids=windows_BS[:, :-1], use_cache=False).logits
        return cross_entropy(logits_BTV.flatten(0, 1).float(), windows_BS[:, 1:].flatten())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW, with the parent's moments where there is a parent."""
        optimizer = build_optimizer(self.model, self._settings)
        if self._optimizer_state is not None:
            # The moments alone: betas, decay and the rest are this segment's own settings.
            groups = optimizer.state_dict()["param_groups"]
            moments = self._optimizer_state["state"]
            optimizer.load_state_dict({"state": moments, "param_groups": groups})
            self._optimizer_state = None
        return optimizer

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Set the learning rate, then step."""
        lr = self.lr_at_step(self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the global norm, and keep the norm for the curves."""
        max_norm = self._settings.grad_clip_norm
        self.grad_norm = clip_grad_norm_(self.model.parameters(), max_norm)
