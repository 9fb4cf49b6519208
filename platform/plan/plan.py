"""The planner: every run's chain of tasks, merged into one graph.

    held_out ─> corpus L0 ─> L1 ─> ... ─> shards ─┐
                          └─> tokenizer ──┘       ├─> segment ─> segment ─> ... ─> evaluation
                                                  ┘                  (one per protocol)

Unless one is named, the tokenizer is trained on L1 text of every domain, whatever the arm's levels:
bits per byte and token budgets stay comparable between arms. Every corpus that is trained on is
compared with the held-out texts and items (contamination); nothing waits for that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from davinci.data_levels.chain import chain_of, name_of
from davinci.data_levels.contamination.settings import DEFAULT_RULE
from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.identity import level_identity
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.registry import available_domains, narrowed, source_identity
from davinci.data_levels.sources.source import SourceSettings
from davinci.data_levels.tokens.tokenizer import tokenizer_identity
from davinci.platform.config.identity import canonical, digest
from davinci.platform.config.recipe import EvaluationSettings, Protocol, Recipe, Replicate
from davinci.platform.ledger.task import Kind, Task
from davinci.platform.training.settings import SegmentSettings

TOKENIZER_LEVEL = "L1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run and the tasks that make it: role (`corpus.math`, `segment.0`, ...) -> digest."""

    recipe: Recipe
    replicate: Replicate
    tasks: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The identity of the run: the replicate, and the tasks that make it.

        Not the recipe: the same recipe over changed files, or by a newer version of a level, is
        another run.
        """
        return digest({"replicate": self.replicate, "tasks": self.tasks})


@dataclass(slots=True)
class Plan:
    """Tasks by digest, in an order in which every task comes after its inputs."""

    tasks: dict[str, Task] = field(default_factory=dict)
    runs: list[PlannedRun] = field(default_factory=list)
    num_tasks_unshared: int = 0

    def add(
        self,
        kind: Kind,
        settings: object,
        inputs: Mapping[str, str],
        label: str,
        carried: object = None,
    ) -> str:
        """Add a task unless an equal one is there; return its digest."""
        task = Task(
            kind=kind,
            settings=canonical(settings),
            inputs=inputs,
            label=label,
            carried=canonical(carried or {}, with_runtime=True),
        )
        self.tasks.setdefault(task.digest, task)
        return task.digest

    def needed(self, digest: str) -> set[str]:
        """Return the digests of a task and of all that it is made from."""
        found: set[str] = set()
        waiting = [digest]
        while waiting:
            found.add(task := waiting.pop())
            waiting += [d for d in self.tasks[task].inputs.values() if d not in found]
        return found


def make_plan(wanted: Iterable[tuple[Recipe, Replicate]]) -> Plan:
    """Plan every (recipe, replicate), sharing all tasks that are equal."""
    plan = Plan()
    runs = [
        (recipe.recipe, replicate, _plan_run(plan, recipe.recipe, replicate))
        for recipe, replicate in dict.fromkeys((_Key(r, digest(r)), s) for r, s in wanted)
    ]
    for recipe, replicate, tasks in runs:
        # After all runs' other tasks: the first that are ready are the first to start.
        tasks |= _plan_contamination(plan, tasks)
        plan.runs.append(PlannedRun(recipe=recipe, replicate=replicate, tasks=tasks))
        own = set().union(*(plan.needed(d) for d in tasks.values()))
        plan.num_tasks_unshared += len(own)
    return plan


@dataclass(frozen=True, slots=True)
class _Key:
    """A recipe that can stand in a set: equal where its digest is."""

    recipe: Recipe = field(compare=False)
    digest: str


def _plan_run(plan: Plan, recipe: Recipe, replicate: Replicate) -> dict[str, str]:
    source = replace(recipe.data.source, world_seed=replicate.world_seed)
    identity = {"source": source_identity(source)}
    held_out = plan.add(
        "held_out", identity, {}, f"{source.name} held-out items", {"source": source}
    )
    tokenizer = _plan_tokenizer(plan, recipe, source, held_out)
    tasks = {"held_out": held_out, "tokenizer": tokenizer}
    shards: dict[str, str] = {}
    for domain in DOMAINS:
        if any(stage.weights.get(domain, 0) > 0 for stage in recipe.stages):
            level = recipe.data.levels[domain]
            corpus = _plan_corpus(
                plan, recipe.data.level_settings, narrowed(source, level), domain, level, held_out
            )
            inputs = {"corpus": corpus, "tokenizer": tokenizer}
            shards[domain] = plan.add("shards", {}, inputs, f"{domain} {level} tokens")
            tasks |= {f"corpus.{domain}": corpus, f"shards.{domain}": shards[domain]}
    checkpoint = ""
    for index in range(len(recipe.stages)):
        checkpoint = _plan_segment(plan, recipe, replicate, index, shards, checkpoint)
        tasks[f"segment.{index}"] = checkpoint
    inputs = {"segment": checkpoint, "tokenizer": tokenizer, "held_out": held_out}
    for protocol in recipe.evaluation.protocols:
        settings = {"evaluation": _only(recipe.evaluation, protocol)}
        label = f"{protocol} seed {replicate.seed}"
        tasks[f"evaluation.{protocol}"] = plan.add("evaluation", settings, inputs, label)
    return tasks


def _plan_tokenizer(plan: Plan, recipe: Recipe, source: SourceSettings, held_out: str) -> str:
    named = recipe.data.tokenizer
    if named:
        identity = {"tokenizer": tokenizer_identity(named)}
        return plan.add("tokenizer", identity, {}, f"tokenizer {named}", {"tokenizer": named})
    inputs: dict[str, str] = {
        domain: _plan_corpus(plan, LevelSettings(), source, domain, TOKENIZER_LEVEL, held_out)
        for domain in available_domains(source)
    }
    settings = {"vocab_size": recipe.data.tokenizer_vocab_size}
    return plan.add("tokenizer", settings, inputs, f"{source.name} tokenizer")


def _plan_corpus(
    plan: Plan,
    settings: LevelSettings,
    source: SourceSettings,
    domain: Domain,
    name: str,
    held_out: str,
) -> str:
    parent = ""
    known = {"source": source_identity(source, domain)}
    chain = chain_of(name)
    for position, level in enumerate(chain):
        so_far = name_of(chain[: position + 1])
        carried = {"source": source, "level_settings": settings, "chain": so_far}
        identity = {**known, "domain": domain, **level_identity(level, settings)}
        inputs = {"parent": parent} if parent else {"held_out": held_out}
        parent = plan.add("corpus", identity, inputs, f"{domain} {so_far}", carried)
    return parent


def _plan_contamination(plan: Plan, tasks: Mapping[str, str]) -> dict[str, str]:
    """Plan the check of every corpus that a run trains on; return roles and digests."""
    found = {}
    for role, corpus in tasks.items():
        kind, _, domain = role.partition(".")
        if kind == "corpus":
            inputs = {"corpus": corpus, "held_out": tasks["held_out"]}
            label = f"{plan.tasks[corpus].label} contamination"
            settings = {"rule": asdict(DEFAULT_RULE)}
            found[f"contamination.{domain}"] = plan.add("contamination", settings, inputs, label)
    return found


def _plan_segment(
    plan: Plan,
    recipe: Recipe,
    replicate: Replicate,
    index: int,
    shards: Mapping[str, str],
    parent: str,
) -> str:
    stage = recipe.stages[index]
    settings = SegmentSettings(
        model=recipe.model,
        optimizer=recipe.optimizer,
        stage=stage,
        stage_index=index,
        tokens_before=sum(s.tokens for s in recipe.stages[:index]),
        seed=replicate.seed,
        precision=recipe.precision,
    )
    inputs = {f"shards.{domain}": shards[domain] for domain in stage.weights}
    if parent:
        inputs["parent"] = parent
    levels = "/".join(sorted({recipe.data.levels[d] for d in stage.weights}))
    label = f"train {levels} seed {replicate.seed}"
    label += f" stage {index + 1}" if len(recipe.stages) > 1 else ""
    return plan.add("segment", settings, inputs, label)


def _only(settings: EvaluationSettings, protocol: Protocol) -> EvaluationSettings:
    if protocol == "generative":
        return replace(settings, protocols=(protocol,))
    return EvaluationSettings(protocols=(protocol,), max_items=settings.max_items)
