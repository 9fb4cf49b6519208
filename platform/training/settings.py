"""What fixes a segment (identity), and where and how it runs (runtime)."""

from dataclasses import dataclass

from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.recipe import Precision, StageSettings


class TrainingDiverged(RuntimeError):
    """The loss is no longer a finite number; `step` is the first optimizer step where it was not.

    Steps count from 0 within the segment.
    """

    def __init__(self, step: int, loss: float) -> None:
        """Keep the step and the loss."""
        super().__init__(step, loss)
        self.step = step
        self.loss = loss

    def __str__(self) -> str:
        """Name the step and the loss, and what usually helps."""
        return (
            f"Training diverged: the loss of step {self.step} is {self.loss}. "
            "Lower `lr_peak`, or lengthen the warmup."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """Identity of a segment, together with its shards and its parent.

    Attributes:
        stage_index: Place of the stage in the curriculum, from 0; enters the order of the data.
        tokens_before: Tokens trained by the segments before; where the curves begin.
    """

    model: ModelSettings
    optimizer: OptimizerSettings
    stage: StageSettings
    stage_index: int
    tokens_before: int
    seed: int
    precision: Precision = "32-true"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRuntime:
    """Where and how to train; changes no result beyond floating-point summation order.

    Attributes:
        accelerator: `auto`, `cpu`, `gpu`: Lightning's names.
        micro_batch_size: Sequences per forward pass and device; 0 chooses.
        log_interval_steps: Optimizer steps between two points of the curves.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_threads: int = 1
    micro_batch_size: int = 0
    log_interval_steps: int = 20


def num_steps(stage: StageSettings) -> int:
    """Return the optimizer steps of a stage: whole batches that fit into its tokens.

    Raises:
        ValueError: If not even one batch fits.
    """
    steps = stage.tokens // stage.batch_tokens
    if steps < 1:
        raise ValueError(
            f"Stage {stage.name!r}: `tokens` must be at least `batch_tokens`, but got "
            f"tokens={stage.tokens}, batch_tokens={stage.batch_tokens}."
        )
    return steps


def batch_size(stage: StageSettings, context_length: int) -> int:
    """Return the sequences of one optimizer step.

    Raises:
        ValueError: If `batch_tokens` is no positive multiple of the context length.
    """
    if stage.batch_tokens < 1 or stage.batch_tokens % context_length:
        raise ValueError(
            f"Stage {stage.name!r}: `batch_tokens` must be a positive multiple of "
            f"`context_length`, but got {stage.batch_tokens} and {context_length}."
        )
    return stage.batch_tokens // context_length
