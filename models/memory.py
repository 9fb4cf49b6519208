"""How much memory a training step needs, in closed form: told before anything is started."""

from dataclasses import dataclass
from typing import Literal

from davinci.models.settings import ModelSettings
from davinci.models.size import num_layer_parameters, num_parameters

MAX_CHUNK_LOGITS = 2**25
"""Most logits at a time: 128 MiB in float32. Larger chunks were no faster on a CPU."""
CPU_MICRO_BATCH_TOKENS = 8192
"""Most tokens of a forward pass on a CPU when nobody chooses."""
RESERVE_FRAC = 0.1
"""What fragmentation, kernels' workspaces and the runtime take of a device, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on each device.

    Attributes:
        weights: Parameters in float32, and the copies in bfloat16 that autocast keeps.
        gradients: In float32.
        optimizer: AdamW's two moments in float32.
        activations: What the forward pass saves for the backward pass.
        loss: Logits of a chunk with their gradients, and the output matrix's gradient on its way.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    loss: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.loss


def training_memory(
    settings: ModelSettings,
    *,
    precision: Literal["32-true", "bf16-mixed"],
    micro_batch_size: int,
    recompute: bool = False,
    num_shards: int = 1,
) -> Memory:
    """Return what a step takes on each device.

    Args:
        settings: Shape of the model; sequences have its full context.
        precision: As trained.
        micro_batch_size: Sequences of a forward pass.
        recompute: Whether layers keep their input alone.
        num_shards: Processes that share weights, gradients and moments (FSDP2).

    Source: counted, as `tests/models/test_models_memory.py` does: what torch saves for the backward
    pass of transformers' Qwen2 with fused attention, byte by byte. Compiled layers save less.
    """
    low = precision != "32-true"
    parameters, layer = num_parameters(settings), num_layer_parameters(settings)
    held = -(-parameters // num_shards)
    gathered = 0 if num_shards == 1 else 2 * layer * (2 if low else 4)
    copies = 2 * parameters if low and num_shards == 1 else 0
    tokens = micro_batch_size * settings.context_length
    width = settings.hidden_size
    kept = settings.num_layers * 4 * width
    if not recompute:
        kept = settings.num_layers * saved_bytes_per_token(settings, low=low)
    else:
        kept += saved_bytes_per_token(settings, low=low)  # of the layer being computed again
    chunk = min(tokens * settings.vocab_size, MAX_CHUNK_LOGITS)
    return Memory(
        weights=4 * held + copies + gathered,
        gradients=4 * held,
        optimizer=8 * held,
        activations=tokens * (kept + 16 * width),
        loss=chunk * (10 if low else 12) + 4 * settings.vocab_size * width,
    )


def saved_bytes_per_token(settings: ModelSettings, *, low: bool) -> int:
    """Return the bytes that one decoder layer saves per token, in bfloat16 autocast or float32."""
    width, inner = settings.hidden_size, settings.intermediate_size
    queries = settings.num_heads * settings.head_dim
    keys = settings.num_kv_heads * settings.head_dim
    sums = 4 * settings.num_heads + 8  # log-sum-exp of attention, inverse norms
    if low:
        return 26 * width + 8 * inner + 4 * (queries + keys) + sums
    return 24 * width + 16 * inner + 8 * (queries + keys) + sums


def largest_micro_batch(
    settings: ModelSettings,
    memory_bytes: int,
    *,
    precision: Literal["32-true", "bf16-mixed"],
    share: int,
    recompute: bool = False,
    num_shards: int = 1,
) -> int:
    """Return the most sequences at a time that divide `share` and should fit; 0 if none does."""
    fitting = 0
    for size in (n for n in range(1, share + 1) if share % n == 0):
        needed = training_memory(
            settings,
            precision=precision,
            micro_batch_size=size,
            recompute=recompute,
            num_shards=num_shards,
        ).total
        if needed <= memory_bytes * (1 - RESERVE_FRAC):
            fitting = size
    return fitting


def cpu_micro_batch(context_length: int, *, share: int) -> int:
    """Return the sequences of a forward pass on a CPU: the most that divide `share`, in bounds."""
    most = max(1, CPU_MICRO_BATCH_TOKENS // context_length)
    return max(n for n in range(1, min(share, most) + 1) if share % n == 0)
