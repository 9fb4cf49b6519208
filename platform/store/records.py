"""What the store gives to readers: plain frozen records, detached from any database session."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.contamination.record import Overlap
from davinci.data_levels.contamination.settings import ContaminationRule

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Every item's result of one benchmark under one protocol, for one checkpoint.

    Attributes:
        benchmark: Such as `microworld_math`, or `held_out_math` for bits per byte.
        metric: `bits_per_byte`, `accuracy`, `pass_rate`, ... One metric per record.
        values: One per item, shape (I,), in the order of `item_ids`.
        weights: Weight of each item in the score, shape (I,): UTF-8 bytes for bits per byte,
            else 1.
        chance: Score without any skill: random guessing, or the best answer that ignores the
            question; NaN where it is not known.
        clusters: Cluster of each item, (I,): items of one cluster are no independent evidence. ()
            where every item stands for itself.
        samples: A few items to read: `{"id", "prompt", "expected", "got", "value"}`.
    """

    benchmark: str
    domain: str
    protocol: str
    metric: str
    higher_is_better: bool
    item_ids: tuple[str, ...]
    values: Floats
    weights: Floats
    chance: float = float("nan")
    clusters: tuple[str, ...] = ()
    samples: tuple[Mapping[str, str], ...] = ()

    @property
    def score(self) -> float:
        """The weighted mean over the items."""
        total = np.add.reduce(self.weights)
        if not total:
            raise ZeroDivisionError("the weights of all items sum to 0.")
        return float(self.values.dot(self.weights) / total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How one checkpoint was asked; its outcomes stand beside.

    `notes` has what a reader must know: `items_over_context` and `empty_answers` (benchmark ->
    number), `prompts` (their digest), `shots`, `harness`, `versions`, `sandbox`.
    """

    protocol: str
    notes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One series along training, such as `loss`, `lr`, `tokens_per_s`; x is trained tokens."""

    name: str
    tokens: Floats
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of a run's training.

    `settings` are those of its task, as plain data (fields at their default are absent); `result`
    is what it left: `steps`, `final_loss`, `tokens_per_domain`, `epochs_per_domain`, `spikes`, ...
    `tokens` are trained in it, `begin_tokens` before it.
    """

    digest: str
    begin_tokens: int
    tokens: int
    flops: float
    wall_s: float
    cpu_s: float
    settings: Mapping[str, Any]
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A checkpoint before a run's last one, with its scores; `tokens` were trained up to it."""

    tokens: int
    outcomes: tuple[Outcomes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run's own training and evaluation used."""

    tokens: int
    flops: float
    wall_s: float
    cpu_s: float
    max_rss_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """What one training corpus holds of one benchmark's items, or of one domain's held-out texts.

    `corpus_domain` and the sizes, bytes in UTF-8, are those of the corpus; `overlap` has the items.
    """

    corpus_domain: str
    corpus_documents: int
    corpus_bytes: int
    rule: ContaminationRule
    overlap: Overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recipe with one replicate, with all that is known of it.

    `state` is `done`, `failed`, `running`, `interrupted` (begun, but nobody is at it) or `planned`;
    `cause` and `error` tell why it failed.
    `corpora` maps domain -> corpus digest (`math@L5` where a stage takes another level);
    `num_parameters` counts tied weights once. `trajectory`, `segments` and `decisions`, those of an
    adaptive curriculum, are in the order of training.
    `started` and `finished` are Unix times of its training and evaluation, 0 where not known.
    """

    digest: str
    recipe: str
    seed: int
    world_seed: int
    state: str
    cause: str = ""
    error: str = ""
    checkpoint: str = ""
    num_parameters: int = 0
    outcomes: tuple[Outcomes, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    trajectory: tuple[Scored, ...] = ()
    segments: tuple[Segment, ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    curves: tuple[Curve, ...] = ()
    cost: Cost | None = None
    corpora: Mapping[str, str] = field(default_factory=dict)
    contamination: tuple[Contamination, ...] = ()
    epochs: Mapping[str, float] = field(default_factory=dict)
    started: float = 0.0
    finished: float = 0.0
    mlflow_run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One point of a sweep: a recipe under a short name, with its runs ordered by replicate.

    `choices` are the swept values that make the arm (`{"data.level": "L5"}`); `config` is the
    resolved recipe as nested plain data; `overrides` rebuild it on the command line.
    """

    label: str
    recipe: str
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One domain at one level; `manifest` is the corpus's `manifest.json` (see data_levels)."""

    digest: str
    domain: str
    level: str
    parent: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One version of a declared ablation: `declared` as it was hashed, `created` when, in UTC.

    Versions of one name count from 1, in the order of time. `digest` is that of `declared`.
    """

    digest: str
    name: str
    version: int
    created: str
    declared: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A set of arms that were asked for together.

    Attributes:
        axes: What was varied: override key -> values, in the order given. Empty for one point.
        fixed: Overrides that hold for every arm.
        provenance: `git`, `python`, `platform`, `packages` (name -> version), `cpu`.
        num_tasks_unshared: Tasks that the runs would need without sharing; `num_tasks` with it;
            `num_tasks_reused` were already finished when the sweep was planned.
        registrations: Of a declared ablation: every version that this sweep was started under,
            the one that holds last.
    """

    digest: str
    name: str
    command: str
    created: str
    axes: Mapping[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    baseline: str
    arms: tuple[Arm, ...]
    corpora: Mapping[str, Corpus]
    provenance: Mapping[str, Any]
    num_tasks: int = 0
    num_tasks_unshared: int = 0
    num_tasks_reused: int = 0
    registrations: tuple[Registration, ...] = ()
