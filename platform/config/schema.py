"""What a user may say: the typed schema behind `conf/`, registered with Hydra.

Every field carries a role. *identity* changes the result and enters the recipe's digest;
*replicate* repeats a recipe (seeds, worlds); *runtime* says where and how; *cosmetic* names things.
`resolve` turns a composed config into a frozen `Recipe`; nothing else reads these classes.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from davinci.data_levels import settings as levels
from davinci.models.settings import OptimizerSettings
from davinci.platform.config.roles import cosmetic, identity, open_twin, replicate, runtime
from davinci.platform.config.schema_ablation import AblationConfig
from davinci.platform.curriculum.settings import ControllerSettings

if TYPE_CHECKING:
    from davinci.data_levels.settings import ClassifierSettings as ClassifierConfig
    from davinci.data_levels.settings import CompletionSettings as CompletionConfig
    from davinci.data_levels.settings import ContextSettings as ContextConfig
    from davinci.data_levels.settings import EcosystemSettings as EcosystemConfig
    from davinci.data_levels.settings import EnvironmentSettings as EnvironmentConfig
    from davinci.data_levels.settings import RefinementSettings as RefinementConfig
    from davinci.data_levels.settings import RuleSettings as RuleConfig
    from davinci.data_levels.settings import TeacherSettings as TeacherConfig
    from davinci.data_levels.settings import WorldSettings as WorldConfig
    from davinci.platform.curriculum.settings import ControllerSettings as ControllerConfig
else:
    ControllerConfig = open_twin(ControllerSettings)
    RuleConfig = open_twin(levels.RuleSettings)
    ClassifierConfig = open_twin(levels.ClassifierSettings)
    TeacherConfig = open_twin(levels.TeacherSettings)
    RefinementConfig = open_twin(levels.RefinementSettings)
    CompletionConfig = open_twin(levels.CompletionSettings)
    ContextConfig = open_twin(levels.ContextSettings)
    EnvironmentConfig = open_twin(levels.EnvironmentSettings)
    EcosystemConfig = open_twin(levels.EcosystemSettings)
    WorldConfig = open_twin(levels.WorldSettings)


@dataclass
class WeightsConfig:
    """Share of the training tokens per domain; must sum to 1."""

    general: float = identity()
    code: float = identity()
    math: float = identity()
    science: float = identity()
    qa: float = identity()


@dataclass
class LevelOfConfig:
    """Level of one domain where it differs from `data.level`."""

    general: str | None = identity(None)
    code: str | None = identity(None)
    math: str | None = identity(None)
    science: str | None = identity(None)
    qa: str | None = identity(None)


@dataclass
class DataConfig:
    """A source of documents and the depth to which they are processed.

    `level` is a level, or a chain of them such as `L2+L4+L3`. `documents` caps the documents per
    domain (0: the source's own size). `tokenizer` names one of the hub, or a folder; empty: one is
    trained on the corpus. `stage`, `entries` and `below` choose from the paper's pool
    (`data=davinci`). `workers` are processes per corpus.
    """

    source: str = identity()
    level: str = identity("L3")
    level_of: LevelOfConfig = identity(LevelOfConfig())
    documents: int = identity(0)
    path: str = identity("")
    held_out_frac: float = identity(0.02)
    stage: str = identity("")
    entries: list[str] = identity([])
    below: str = identity("keep")
    world_seed: int = replicate(0)
    rules: RuleConfig = identity(RuleConfig())
    classifier: ClassifierConfig = identity(ClassifierConfig())
    teacher: TeacherConfig = identity(TeacherConfig())
    refinement: RefinementConfig = identity(RefinementConfig())
    completion: CompletionConfig = identity(CompletionConfig())
    context: ContextConfig = identity(ContextConfig())
    environment: EnvironmentConfig = identity(EnvironmentConfig())
    ecosystem: EcosystemConfig = identity(EcosystemConfig())
    world: WorldConfig = identity(WorldConfig())
    on_violation: str = identity("drop")
    tokenizer: str = identity("")
    workers: int = runtime(1)


@dataclass
class MixtureConfig:
    """Weights over the domains, under a name."""

    name: str = cosmetic()
    weights: WeightsConfig = identity(WeightsConfig())


@dataclass
class RampConfig:
    """A part of a stage at one batch size, in multiples of `scale.batch_tokens`."""

    batch: int = identity()
    tokens_frac: float = identity()


@dataclass
class StageConfig:
    """One stage: a fraction of the training tokens, its schedule, and its own mixture if any.

    `weights` take the place of the mixture, `qa_frac` that of its share of qa alone. `level` and
    `level_of` take the place of `data.level`. `warmup_frac` is of the stage (null: the scale's,
    where `warmup` asks for one), and so is `decay_frac`, where a `wsd` schedule goes down. `batch`
    multiplies `scale.batch_tokens`; `ramp` is a list of such parts. `checkpoints` are evenly
    spaced.
    """

    name: str = cosmetic(MISSING)
    tokens_frac: float = identity(1.0)
    weights: WeightsConfig | None = identity(None)
    qa_frac: float | None = identity(None)
    level: str | None = identity(None)
    level_of: LevelOfConfig = identity(LevelOfConfig())
    schedule: str = identity("constant")
    warmup: bool = identity(False)
    warmup_frac: float | None = identity(None)
    decay_frac: float = identity(0.1)
    lr_start_frac: float = identity(1.0)
    lr_end_frac: float = identity(1.0)
    batch: int = identity(1)
    ramp: list[RampConfig] = identity([])
    mask_questions: bool = identity(False)
    checkpoints: int = identity(1)


@dataclass
class CurriculumConfig:
    """The stages, in order.

    Where it is `adaptive`, a `controller` decides at every checkpoint on the weights from there on.
    `parent` is a checkpoint to start from: the first digits of a segment's digest, or a Hugging
    Face folder. `mask_questions`, if given, holds for every stage.
    """

    name: str = cosmetic()
    stages: list[StageConfig] = identity([])
    adaptive: bool = identity(False)
    controller: ControllerConfig = identity(ControllerConfig())
    parent: str = identity("")
    mask_questions: bool | None = identity(None)


@dataclass
class EvaluationConfig:
    """Protocols that score the final checkpoint; `max_items` 0 means every item.

    `trajectory` are the protocols that score the checkpoints before it, on `trajectory_items` of
    each benchmark (0: as many as at the end). `benchmarks` of lm-evaluation-harness are asked
    beside the items of the source: `mmlu`, or `mmlu@ppl` under that protocol alone, with `shots`
    examples if given; their data come from `mirror`, a folder, or from the hub. Programs are
    sampled `num_samples` times at `temperature`; once means greedily. `server` is the command of
    an OpenAI-compatible server, with `{model}` and `{port}`; "" is davinci's own engine.
    """

    name: str = cosmetic()
    protocols: list[str] = identity([])
    trajectory: list[str] = identity(["bpb"])
    max_items: int = identity(0)
    max_new_tokens: int = identity(96)
    benchmarks: list[str] = identity([])
    shots: int | None = identity(None)
    trajectory_items: int = identity(0)
    num_samples: int = identity(1)
    temperature: float = identity(0.8)
    server: str = identity("")
    mirror: str = runtime("")


@dataclass
class ScaleConfig:
    """Shape of the model and the budget that goes with it; tokens are trained tokens.

    `parametrization=mup` takes `lr_peak` as that of a model `base_hidden_size` wide.
    `chinchilla`, if above 0, sets the tokens: multiples of 20 per parameter outside embeddings.
    """

    name: str = cosmetic()
    hidden_size: int = identity()
    num_layers: int = identity()
    num_heads: int = identity()
    num_kv_heads: int = identity()
    head_dim: int = identity()
    intermediate_size: int = identity()
    vocab_size: int = identity()
    context_length: int = identity()
    rope_theta: float = identity(10_000.0)
    rms_norm_eps: float = identity(1e-6)
    tie_embeddings: bool = identity(True)
    parametrization: str = identity("standard")
    base_hidden_size: int = identity(0)
    tokens: int = identity()
    chinchilla: float = identity(0.0)
    batch_tokens: int = identity()
    lr_peak: float = identity()
    warmup_frac: float = identity(0.02)


_DEFAULTS = {f.name: f.default for f in dataclasses.fields(OptimizerSettings)}


@dataclass
class TrainerConfig:
    """The optimizer and the precision (identity), the devices and their use (runtime).

    `max_epochs` ends a run that would see a domain more often (0: no limit). `keep` tells which
    checkpoints stay on disk: `all`, `stages` (the last of each stage) or `last`.
    """

    precision: str = identity("32-true")
    beta1: float = identity(_DEFAULTS["beta1"])
    beta2: float = identity(_DEFAULTS["beta2"])
    eps: float = identity(_DEFAULTS["eps"])
    weight_decay: float = identity(_DEFAULTS["weight_decay"])
    grad_clip_norm: float = identity(_DEFAULTS["grad_clip_norm"])
    accelerator: str = runtime("auto")
    devices: int = runtime(1)
    num_nodes: int = runtime(1)
    strategy: str = runtime("auto")
    num_threads: int = runtime(1)
    micro_batch_size: int = runtime(0)
    recompute: bool = runtime(False)
    compile: bool = runtime(False)
    log_interval_steps: int = runtime(20)
    snapshot_interval_s: float = runtime(300.0)
    snapshot_max_frac: float = runtime(0.05)
    max_epochs: float = runtime(0.0)
    keep: str = runtime("all")


@dataclass
class ExecutorConfig:
    """Where tasks run: see `ExecutorRuntime` for the fields."""

    name: str = runtime("local")
    workers: int = runtime(0)
    memory_gib: float = runtime(0.0)
    wait: bool = runtime(True)
    partition: str = runtime("")
    account: str = runtime("")
    qos: str = runtime("")
    constraint: str = runtime("")
    time_limit_min: int = runtime(1440)
    cpus: int = runtime(0)
    max_jobs: int = runtime(64)
    setup: list[str] = runtime([])
    address: str = runtime("auto")


@dataclass
class StoreConfig:
    """The SQL store (the truth) and MLflow (its mirror); empty URLs mean files in `output_dir`."""

    url: str = runtime("")
    mlflow: bool = runtime(True)
    mlflow_url: str = runtime("")


@dataclass
class SweepConfig:
    """How a sweep is planned and judged; `baseline` is an arm's label, by default the first.

    `design` chooses points from the axes: `grid`, `one_factor`, `hold_one_out` or `fractional`
    (1 / 2^`fraction` of it). `zip` moves axes together (`data.level+mixture`), `exclude` drops
    points (`data.level=L0 mixture=*_heavy`), `points` lists them instead. `budget` (`3h`,
    `1e18FLOPs`, `50money`) does the runs that tell most and leaves the rest; `price_per_hour` is
    that of a processor or GPU, in whatever currency. `race` is the most seeds of a declared
    ablation that is looked at after every seed, and stops arms that are decided.
    """

    name: str = cosmetic()
    baseline: str = cosmetic()
    design: str = runtime("grid")
    zip: list[str] = runtime([])
    exclude: list[str] = runtime([])
    points: list[str] = runtime([])
    fraction: int = runtime(1)
    budget: str = runtime("")
    price_per_hour: float = runtime(0.0)
    race: int = runtime(0)
    dry_run: bool = runtime(False)


@dataclass
class SimplexConfig:
    """A search over mixtures: see `SimplexSettings` for the fields."""

    on: bool = runtime(False)
    concentration: float = runtime(10.0)
    lower: dict[str, float] = runtime({})
    upper: dict[str, float] = runtime({})
    available: dict[str, float] = runtime({})


@dataclass
class SearchConfig:
    """Who proposes points, for what, and how many.

    With a `sampler` (tpe, gp, cmaes, nsga2, random, qmc), axes are what it chooses from, and
    `interval(a, b)` is one too. `objectives` are protocols or scores (`bpb`, `max
    ppl/microworld_math/accuracy`), `constraints` bounds (`cost/flops <= 1e15`). `batch` trials are
    proposed at once, until there are `trials`. A `pruner` (halving, hyperband) stops trials at
    checkpoints, of which one of `reduction` goes on; `promote` so many of them to the end.
    """

    sampler: str = runtime("")
    pruner: str = runtime("")
    reduction: int = runtime(3)
    trials: int = runtime(20)
    batch: int = runtime(4)
    promote: int = runtime(0)
    seed: int = runtime(0)
    objectives: list[str] = runtime(["bpb"])
    constraints: list[str] = runtime([])
    simplex: SimplexConfig = runtime(SimplexConfig())


@dataclass
class Config:
    """Everything that `python run.py` understands."""

    data: DataConfig = identity(DataConfig())
    mixture: MixtureConfig = identity(MixtureConfig())
    curriculum: CurriculumConfig = identity(CurriculumConfig())
    evaluation: EvaluationConfig = identity(EvaluationConfig())
    scale: ScaleConfig = identity(ScaleConfig())
    trainer: TrainerConfig = identity(TrainerConfig())
    executor: ExecutorConfig = runtime(ExecutorConfig())
    store: StoreConfig = runtime(StoreConfig())
    sweep: SweepConfig = runtime(SweepConfig())
    search: SearchConfig = runtime(SearchConfig())
    ablation: AblationConfig = cosmetic(AblationConfig())
    seed: int = replicate(0)
    seeds: int = replicate(3)
    worlds: int = replicate(1)
    output_dir: str = runtime("outputs")


def register_schema() -> None:
    """Make the schema known to Hydra, so that every value is type-checked as it is composed."""
    ConfigStore.instance().store(name="schema", node=Config)
