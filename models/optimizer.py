"""AdamW as the paper's framework sets it: decay on matrices, none on norms and biases."""

import torch
from torch import nn

from davinci.models.settings import OptimizerSettings


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return two groups: tensors of two dimensions or more with decay, the rest without.

    Embeddings are matrices and decay like the others, tied or not.

    Source: Megatron-Core's rule (no decay on biases and one-dimensional tensors), the framework
    under NeMo, with which Data Darwinism I trained.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """Return a fused AdamW over `model`; its learning rate is set before every step."""
    return torch.optim.AdamW(
        parameter_groups(model, settings.weight_decay),
        lr=settings.lr_peak,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        fused=True,
    )
