"""Maximal update parametrization over width, within an unchanged Qwen2 architecture.

A rate found on a narrow model then suits a wide one. With m = width / base width:

| parameters | standard deviation | learning rate | weight decay |
|---|---|---|---|
| matrices inside the layers | s / sqrt(m) | 1 / m | m |
| embeddings, output matrix | s | 1 | 1 |
| biases, gains inside the layers | 0, 1 | 1 | none |
| gain of the last norm | 1 / m | 1 / m | none |

The last row is the multiplier 1 / m of the logits: absorbed into the gain before the output matrix,
it needs no place in the architecture, so that a checkpoint is a Qwen2 model like any other. Head
dimension and number of key-value heads stay as they are when width grows, so that attention's scale
is a constant factor. Decay grows with m so that rate times decay stays.

Source: Yang et al. 2022 (Tensor Programs V), Tables 3 and 8 for Adam; Wang and Aitchison 2024 for
the decay.
"""

from typing import NamedTuple

import torch
from torch import nn

from davinci.models.settings import ModelSettings

FINAL_NORM = "model.norm.weight"
ENDS = ("model.embed_tokens.weight", "lm_head.weight")


class Scaling(NamedTuple):
    """Factors on a parameter's learning rate and weight decay."""

    lr: float
    decay: float


def scaling_of(name: str, parameter: nn.Parameter, width_multiple: float) -> Scaling:
    """Return the factors of a parameter of Qwen2ForCausalLM; decay 0 for vectors."""
    if parameter.ndim < 2:
        return Scaling(1 / width_multiple if name == FINAL_NORM else 1.0, 0.0)
    if name in ENDS:
        return Scaling(1.0, 1.0)
    return Scaling(1 / width_multiple, width_multiple)


def rescale(model: nn.Module, settings: ModelSettings) -> None:
    """Turn standard initial weights into those of the settings' parametrization, in place."""
    multiple = settings.width_multiple
    if multiple == 1:
        return
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == FINAL_NORM:
                parameter.fill_(1 / multiple)
            elif parameter.ndim >= 2 and name not in ENDS:
                parameter.mul_(multiple**-0.5)
