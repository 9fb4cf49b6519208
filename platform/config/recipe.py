"""The recipe: everything that determines one trained and evaluated model, typed and frozen.

A recipe has no seed in it, no path and no device: those belong to a run and to its runtime. What
stands here is what `identity.digest` hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from davinci.data_levels.document import Domain
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import SourceSettings
from davinci.models.settings import ModelSettings, OptimizerSettings

Protocol = Literal["bpb", "ppl", "generative"]
PROTOCOLS: tuple[Protocol, ...] = ("bpb", "ppl", "generative")
Schedule = Literal["constant", "cosine", "linear"]
Precision = Literal["32-true", "bf16-mixed", "bf16-true"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """The source and, per domain, the chain of levels that its documents go through.

    `tokenizer` names one of the hub or a folder; empty: one is trained on the corpus at L1.
    The source's world seed is a replicate, not part of the recipe: it is 0 here.
    """

    source: SourceSettings
    levels: Mapping[Domain, str]
    level_settings: LevelSettings
    tokenizer_vocab_size: int
    tokenizer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """One stage of a curriculum: how many tokens, of what, at which learning rate.

    Attributes:
        tokens: Training tokens of the stage.
        batch_tokens: Tokens per optimizer step; a multiple of the model's context length.
        weights: Share of the tokens drawn from each domain; they sum to 1.
        schedule: Shape of the learning rate after the warmup.
        warmup_tokens: Tokens of linear warmup from 0 (only where a stage starts one).
        lr_start_frac: Learning rate after the warmup, as a fraction of `lr_peak`.
        lr_end_frac: Learning rate at the end of the stage, as a fraction of `lr_peak`.
    """

    name: str
    tokens: int
    batch_tokens: int
    weights: Mapping[Domain, float]
    schedule: Schedule = "constant"
    warmup_tokens: int = 0
    lr_start_frac: float = 1.0
    lr_end_frac: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Which protocols score the final checkpoint, and on how many items of each benchmark.

    `max_items` 0 means all of them.
    """

    protocols: tuple[Protocol, ...]
    max_items: int = 0
    max_new_tokens: int = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One fully resolved configuration of data, model, training and evaluation; no seed."""

    data: DataSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    stages: tuple[StageSettings, ...]
    evaluation: EvaluationSettings
    precision: Precision = "32-true"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Replicate:
    """What repeats a recipe: the world it learns about, and the seed of its training."""

    world_seed: int = 0
    seed: int = 0
