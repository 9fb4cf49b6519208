"""The learning rate as a pure function of trained tokens: nothing to save, nothing to resume."""

import math
from typing import Literal

Shape = Literal["constant", "cosine", "linear"]


def learning_rate(
    trained_tokens: int,
    *,
    total_tokens: int,
    warmup_tokens: int,
    shape: Shape,
    lr_start: float,
    lr_end: float,
) -> float:
    """Return the learning rate of the step that ends at `trained_tokens` of a stage.

    Linear from 0 to `lr_start` over the warmup; then `lr_start` throughout (constant), or from
    `lr_start` to `lr_end` along a half cosine or a straight line. The last step of a stage runs
    at `lr_end` exactly.

    Raises:
        ValueError: If the shape is unknown, or the warmup is not shorter than the stage.
    """
    if not 0 <= warmup_tokens < total_tokens:
        raise ValueError(
            f"`0 <= warmup_tokens < tokens` must hold, but got {warmup_tokens=}, {total_tokens=}."
        )
    if trained_tokens < warmup_tokens:
        return lr_start * trained_tokens / warmup_tokens
    done_frac = min(1.0, (trained_tokens - warmup_tokens) / (total_tokens - warmup_tokens))
    if shape == "constant":
        return lr_start
    if shape == "cosine":
        return lr_end + (lr_start - lr_end) * 0.5 * (1.0 + math.cos(math.pi * done_frac))
    if shape == "linear":
        return lr_start + (lr_end - lr_start) * done_frac
    raise ValueError(f"No schedule {shape!r}; known: constant, cosine, linear.")
