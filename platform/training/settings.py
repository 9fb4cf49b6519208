"""What fixes a segment (identity), and where and how it runs (runtime)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from davinci.data_levels.document import Domain
from davinci.models.schedule import learning_rate
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.recipe import Precision
from davinci.platform.config.runtime import TrainingRuntime as TrainingRuntime


class TrainingDiverged(RuntimeError):
    """Training has come apart; `step` is the first optimizer step that shows it.

    Steps count from 0 within the segment. `what` is the loss or the gradient norm.
    """

    def __init__(self, step: int, what: str, value: float) -> None:
        """Keep what was seen."""
        super().__init__(step, what, value)
        self.step = step
        self.what = what
        self.value = value

    def __str__(self) -> str:
        """Name the step and what was seen, and what usually helps."""
        return (
            f"Training diverged: the {self.what} of step {self.step} is {self.value:g}. "
            "Lower `lr_peak`, or lengthen the warmup."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRateLaw:
    """The learning rate over a stretch of tokens that may begin before the segment.

    Linear from 0 to `start_frac` of the peak over `warmup_tokens`, then along `shape` to
    `end_frac` at `total_tokens`; `begun_tokens` of it lie in earlier segments. What a constant
    rate does not need stays at its default, so that equal stretches have equal digests.
    """

    shape: Literal["constant", "cosine", "linear"] = "constant"
    start_frac: float = 1.0
    end_frac: float = 1.0
    warmup_tokens: int = 0
    total_tokens: int = 0
    begun_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """Identity of a segment, together with its shards and its parent.

    Attributes:
        stage_index: Place of the stage in the curriculum, from 0; enters the order of the data.
        first_position: Sequences of the stage that earlier segments have trained on.
        weights: Share of each domain; empty where an input, a decision, gives them.
        batch_tokens: Tokens of each of the `num_steps` optimizer steps.
        tokens_before: Tokens trained by the segments before; where the curves begin.
        mask_questions: Whether question tokens are left out of the loss.
    """

    model: ModelSettings
    optimizer: OptimizerSettings
    seed: int
    num_steps: int
    batch_tokens: int
    weights: Mapping[Domain, float]
    lr: LearningRateLaw = LearningRateLaw()
    stage_index: int = 0
    first_position: int = 0
    tokens_before: int = 0
    mask_questions: bool = False
    precision: Precision = "32-true"

    @property
    def tokens(self) -> int:
        """Tokens trained in this segment."""
        return self.num_steps * self.batch_tokens

    @property
    def batch_size(self) -> int:
        """Sequences of one optimizer step."""
        return self.batch_tokens // self.model.context_length


def check_segment(settings: SegmentSettings) -> None:
    """Check what a segment cannot do without.

    Raises:
        ValueError: If there is no step, or a step is no positive multiple of the context length.
    """
    context_length = settings.model.context_length
    if settings.num_steps < 1:
        raise ValueError(f"`num_steps` must be at least 1, but got {settings.num_steps}.")
    if settings.batch_tokens < 1 or settings.batch_tokens % context_length:
        raise ValueError(
            "`batch_tokens` must be a positive multiple of `context_length`, but got "
            f"{settings.batch_tokens} and {context_length}."
        )


def lr_at_step(settings: SegmentSettings, step: int) -> float:
    """Return the learning rate of optimizer step `step` (from 0) of a segment."""
    law, lr_peak = settings.lr, settings.optimizer.lr_peak
    trained = law.begun_tokens + (step + 1) * settings.batch_tokens
    return learning_rate(
        trained,
        total_tokens=law.total_tokens or max(trained, law.warmup_tokens) + 1,
        warmup_tokens=law.warmup_tokens,
        shape=law.shape,
        lr_start=law.start_frac * lr_peak,
        lr_end=law.end_frac * lr_peak,
    )
