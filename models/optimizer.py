"""AdamW as the paper's framework sets it: decay on matrices, none on norms and biases."""

import torch
from torch import nn

from davinci.models.parametrization import Scaling, scaling_of
from davinci.models.settings import OptimizerSettings


def parameter_groups(
    model: nn.Module, weight_decay: float, width_multiple: float = 1.0
) -> list[dict[str, object]]:
    """Return groups with their decay and `lr_scale`, a factor on the learning rate.

    Tensors of two dimensions or more decay, the rest does not. Embeddings are matrices and decay
    like the others, tied or not. Unless a width multiple other than 1 asks for more (see
    `models.parametrization`), there are these two groups, and every factor is 1.

    Source: Megatron-Core's rule (no decay on biases and one-dimensional tensors), the framework
    under NeMo, with which Data Darwinism I trained.
    """
    groups: dict[Scaling, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scaling = scaling_of(name, parameter, width_multiple)
            groups.setdefault(scaling, []).append(parameter)
    return [
        {"params": groups[key], "weight_decay": weight_decay * key.decay, "lr_scale": key.lr}
        for key in sorted(groups, key=lambda scaling: (scaling.decay == 0, scaling))
    ]


def build_optimizer(
    model: nn.Module, settings: OptimizerSettings, width_multiple: float = 1.0
) -> torch.optim.AdamW:
    """Return a fused AdamW over `model`; its learning rates are set before every step."""
    return torch.optim.AdamW(
        parameter_groups(model, settings.weight_decay, width_multiple),
        lr=settings.lr_peak,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        fused=True,
    )
