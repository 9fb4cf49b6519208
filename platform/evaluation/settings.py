"""Where and how to evaluate: nothing here changes a score beyond floating-point rounding."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRuntime:
    """Device, threads and batch limits.

    Attributes:
        accelerator: `auto`, `cpu` or `gpu`.
        max_tokens: Most tokens of one pass.
        max_logits: Most logits (tokens times vocabulary) of one scoring pass.
        max_cache_bytes: Most memory of the keys and values of one generation batch.
        sandbox_workers: Sandboxed programs that run at a time.
    """

    accelerator: str = "auto"
    num_threads: int = 1
    max_tokens: int = 2**12
    max_logits: int = 2**22
    max_cache_bytes: int = 2**30
    sandbox_workers: int = 1
