"""From a stage to segments: each has one batch size and one law of the learning rate.

A stage is cut where its batch grows, where a `wsd` decay begins, and at its checkpoints. What
remains of a piece's settings is what its steps do and nothing of what comes after, so that recipes
share every stretch they agree on: a constant rate for 1B tokens is the beginning of one for 2B.
"""

from dataclasses import dataclass
from itertools import pairwise

from davinci.platform.config.recipe import StageSettings
from davinci.platform.training.settings import LearningRateLaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a stage that becomes one segment.

    `begun_tokens` of the stage come before it; `checkpoint` tells whether it ends at one of the
    stage's checkpoints (else the stage goes on there in another way).
    """

    begun_tokens: int
    batch_tokens: int
    num_steps: int
    lr: LearningRateLaw
    checkpoint: bool


def cut(stage: StageSettings) -> tuple[Piece, ...]:
    """Return the pieces of a stage, in order."""
    num_steps = sum(part.num_steps for part in stage.batches)
    checkpoints = {
        round(num_steps * number / stage.num_checkpoints)
        for number in range(1, stage.num_checkpoints + 1)
    }
    decay = _first_decay_step(stage)
    cuts = sorted({0, *checkpoints, *_ramp_steps(stage), decay} - {num_steps + 1})
    return tuple(
        Piece(
            begun_tokens=tokens_at_step(stage, begin),
            batch_tokens=_batch_at_step(stage, begin),
            num_steps=end - begin,
            lr=_law(stage, tokens_at_step(stage, begin), tokens_at_step(stage, decay)),
            checkpoint=end in checkpoints,
        )
        for begin, end in pairwise(cuts)
    )


def tokens_at_step(stage: StageSettings, step: int) -> int:
    """Return the tokens trained before step `step` of a stage; all of them past its end."""
    tokens = 0
    for part in stage.batches:
        tokens += min(step, part.num_steps) * part.batch_tokens
        step = max(0, step - part.num_steps)
    return tokens


def _ramp_steps(stage: StageSettings) -> list[int]:
    ends, steps = [], 0
    for part in stage.batches:
        steps += part.num_steps
        ends.append(steps)
    return ends


def _batch_at_step(stage: StageSettings, step: int) -> int:
    for part, end in zip(stage.batches, _ramp_steps(stage), strict=True):
        if step < end:
            return part.batch_tokens
    raise ValueError(f"A stage's steps must be below {_ramp_steps(stage)[-1]}, but got {step}.")


def _first_decay_step(stage: StageSettings) -> int:
    """Return the first step of the decay; one past the end where there is none."""
    num_steps = sum(part.num_steps for part in stage.batches)
    if stage.schedule != "wsd":
        return num_steps + 1
    begin = max(stage.warmup_tokens, stage.tokens - stage.decay_tokens)
    return next(step for step in range(num_steps + 1) if tokens_at_step(stage, step) >= begin)


def _law(stage: StageSettings, begun: int, decay: int) -> LearningRateLaw:
    """Return the law from `begun` tokens of the stage on, where a decay begins at `decay`."""
    start, end = stage.lr_start_frac, stage.lr_end_frac
    if stage.schedule == "wsd" and begun >= decay:
        total = stage.tokens - decay
        return LearningRateLaw(
            shape="linear",
            start_frac=start,
            end_frac=end,
            total_tokens=total,
            begun_tokens=begun - decay,
        )
    if stage.schedule == "constant" or stage.schedule == "wsd":
        if begun >= stage.warmup_tokens:
            return LearningRateLaw(start_frac=start)
        return LearningRateLaw(
            start_frac=start, warmup_tokens=stage.warmup_tokens, begun_tokens=begun
        )
    return LearningRateLaw(
        shape=stage.schedule,
        start_frac=start,
        end_frac=end,
        warmup_tokens=stage.warmup_tokens,
        total_tokens=stage.tokens,
        begun_tokens=begun,
    )
