"""What fixes a model and its optimizer: plain values, hashed into every segment's digest."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Shape of a Qwen2-family decoder; names follow `transformers.Qwen2Config`.

    Source: daVinci-LLM Table 4 for the 3B model (RoPE base 10000, RMSNorm eps 1e-6, 2 KV heads,
    head dimension 128, context 4096); tied embeddings and QKV bias as its parameter count implies.

    With the `mup` parametrization the learning rate is that of a model `base_hidden_size` wide; see
    `models.parametrization`.
    """

    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    context_length: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    tie_embeddings: bool = True
    qkv_bias: bool = True
    initializer_std: float = 0.02
    parametrization: Literal["standard", "mup"] = "standard"
    base_hidden_size: int = 0

    @property
    def width_multiple(self) -> float:
        """Width over the width at which the learning rate was chosen; 1 unless it is `mup`."""
        if self.parametrization == "standard":
            return 1.0
        return self.hidden_size / self.base_hidden_size


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSettings:
    """AdamW as the paper sets it (daVinci-LLM Table 5: betas 0.9/0.95, weight decay 0.1).

    `eps` and `grad_clip_norm` are not printed in that paper; 1e-8 is Data Darwinism I's,
    1.0 the field's usual clipping.
    """

    lr_peak: float
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    grad_clip_norm: float = 1.0
