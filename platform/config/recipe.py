"""The recipe: everything that determines one trained and evaluated model, typed and frozen.

A recipe has no seed in it, no path and no device: those belong to a run and to its runtime. What
stands here is what `identity.digest` hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from davinci.data_levels.document import Domain
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import SourceSettings
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.curriculum.settings import ControllerSettings

Protocol = Literal["bpb", "ppl", "generative"]
PROTOCOLS: tuple[Protocol, ...] = ("bpb", "ppl", "generative")
Schedule = Literal["constant", "cosine", "linear", "wsd"]
Precision = Literal["32-true", "bf16-mixed"]


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
class BatchStep:
    """A stretch of a stage at one batch size: `num_steps` optimizer steps of `batch_tokens`."""

    batch_tokens: int
    num_steps: int

    @property
    def tokens(self) -> int:
        """Tokens trained in these steps."""
        return self.batch_tokens * self.num_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """One stage of a curriculum: how many tokens, of what, at which learning rate.

    Attributes:
        tokens: Training tokens of the stage; the sum of its batches.
        batches: The batch sizes in order; more than one make a ramp. Each is a multiple of the
            model's context length.
        weights: Share of the tokens drawn from each domain; they sum to 1.
        levels: Chain of levels of a domain where it differs from the recipe's.
        schedule: Shape of the learning rate after the warmup.
        warmup_tokens: Tokens of linear warmup from 0 (only where a stage starts one).
        decay_tokens: Tokens at the end over which `wsd` goes down linearly.
        lr_start_frac: Learning rate after the warmup, as a fraction of `lr_peak`.
        lr_end_frac: Learning rate at the end of the stage, as a fraction of `lr_peak`.
        mask_questions: Whether the loss leaves the questions of question-answer documents out.
        num_checkpoints: Checkpoints evenly spaced over the stage's steps, the last at its end.
    """

    name: str
    tokens: int
    batches: tuple[BatchStep, ...]
    weights: Mapping[Domain, float]
    levels: Mapping[Domain, str] = field(default_factory=dict)
    schedule: Schedule = "constant"
    warmup_tokens: int = 0
    decay_tokens: int = 0
    lr_start_frac: float = 1.0
    lr_end_frac: float = 1.0
    mask_questions: bool = False
    num_checkpoints: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A checkpoint that training starts from, instead of from initialisation.

    Attributes:
        kind: `segment`, one of davinci's own, with optimizer and place in the data; or `folder`,
            a Hugging Face folder, which has weights alone.
        digest: The segment's digest, or the SHA-256 over the folder's weights and shape.
        path: Where it lies now.
        tokens: Tokens that it was trained on, as far as davinci knows.
        num_stages: Stages that it has been through.
    """

    kind: Literal["segment", "folder"]
    digest: str
    path: str = field(default="", metadata={"role": "runtime"})
    tokens: int = 0
    num_stages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """One benchmark of the harness, and how it is asked.

    Attributes:
        name: Of the suite, of a task of the harness, or of a task file.
        path: Of the task file, if that is what defines it.
        protocols: Under which it is asked.
        shots: Examples before every item; -1 takes the benchmark's own number.
        data: SHA-256 over its local files; "" where the hub has them.
        harness: Version of lm-evaluation-harness, and of what we add to its tasks.
        mirror: Folder with data sets under their names on the hub; "" asks the hub.
    """

    name: str
    protocols: tuple[Protocol, ...]
    shots: int = -1
    data: str = ""
    harness: str = ""
    path: str = field(default="", metadata={"role": "runtime"})
    mirror: str = field(default="", metadata={"role": "runtime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Which protocols score the final checkpoint, and on how many items of each benchmark.

    `max_items` 0 means all of them; `items` are `all`, every other one (`watched`, what an adaptive
    curriculum decides on), or the rest. `trajectory` scores the checkpoints before the last, on
    `trajectory_items` of each benchmark. Answers that are programs are sampled `num_samples` times
    at `temperature`, or written once, greedily. `server` is the command of the inference server
    that computes the answers; "" is davinci's own engine.
    """

    protocols: tuple[Protocol, ...]
    max_items: int = 0
    max_new_tokens: int = 96
    trajectory: tuple[Protocol, ...] = ()
    items: Literal["all", "watched", "unwatched"] = "all"
    benchmarks: tuple[BenchmarkSettings, ...] = ()
    trajectory_items: int = 0
    num_samples: int = 1
    temperature: float = 0.8
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One fully resolved configuration of data, model, training and evaluation; no seed.

    Where there is a `controller`, it decides at every checkpoint on the weights from there on.
    """

    data: DataSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    stages: tuple[StageSettings, ...]
    evaluation: EvaluationSettings
    precision: Precision = "32-true"
    parent: Parent | None = None
    controller: ControllerSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Replicate:
    """What repeats a recipe: the world it learns about, and the seed of its training."""

    world_seed: int = 0
    seed: int = 0
