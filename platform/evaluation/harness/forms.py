"""How a task is asked under a protocol: as the harness has it, or the other way round.

|                    | `ppl`                          | `generative`                          |
|--------------------|--------------------------------|---------------------------------------|
| multiple choice    | rank the options, as it is     | show them under letters, read a letter|
| a free answer      | bits of the right answer, or   | generate and extract, as it is        |
|                    | rank the options it came from  |                                       |
| a program          | bits of the right program      | generate, run the tests               |
| a text             | bits of it, as it is           | -                                     |

Both forms of a task read the same items with the same examples before them.
"""

from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Literal

from davinci.platform.config.recipe import Protocol
from davinci.platform.evaluation.harness.index import Leaf, leaves, load_tasks
from davinci.platform.evaluation.harness.letters import letter_of, lettered, letters_of_choices
from davinci.platform.evaluation.harness.snapshot import read_snapshot
from davinci.platform.evaluation.harness.suite import Known

Form = Literal["ranked", "letter", "gold", "answer", "code", "text"]
PMI = "acc_mutual_info"
MAX_LETTER_TOKENS = 16
NO_METRIC = [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}]
TAKE_FIRST = [{"name": "none", "filter": [{"function": "take_first"}]}]


def form_of(benchmark: Known, leaf: Leaf, protocol: Protocol) -> Form | None:
    """Return how a task is asked under a protocol, None where it cannot be."""
    kind = leaf.value("output_type") or "generate_until"
    if kind == "multiple_choice":
        return "ranked" if protocol == "ppl" else "letter"
    if kind == "generate_until":
        if protocol == "generative":
            return "code" if benchmark.code else "answer"
        return "ranked" if benchmark.options else "gold"
    if kind == "loglikelihood" and protocol == "ppl":
        return "gold"
    return "text" if protocol == "ppl" else None


def build_tasks(
    benchmark: Known, protocol: Protocol, snapshot: Path, shots: int
) -> dict[str, tuple[Form, Any]]:
    """Return form and task of every subtask that the protocol can ask, by name.

    Args:
        benchmark: What is asked.
        protocol: `ppl` or `generative`.
        snapshot: Folder of its data.
        shots: Examples before every item; -1 takes the task's own number.

    Raises:
        ValueError: If no subtask can be asked so, or an item lacks a field.
    """
    known = leaves(benchmark)
    forms = {leaf.name: form_of(benchmark, leaf, protocol) for leaf in known}
    overrides: dict[str, Mapping[str, Any]] = {}
    for leaf in known:
        own: dict[str, Any] = {"custom_dataset": read_snapshot(snapshot, leaf)}
        if shots >= 0:
            own["num_fewshot"] = shots
        overrides[leaf.name] = own
    try:
        tasks = load_tasks(benchmark, overrides)
        for task in tasks.values():
            _freeze(task)
        built = {
            name: (form, _formed(benchmark, tasks[name], form, leaf))
            for leaf in known
            if (name := leaf.name) in tasks and (form := forms[leaf.name]) is not None
        }
    except Exception as error:  # templates and functions of tasks raise what they like
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ValueError(
            f"{benchmark.name}: its first item cannot be asked; does it lack a field? {words}"
        ) from error
    if not built:
        raise ValueError(f"{benchmark.name} cannot be asked under {protocol!r}.")
    return built


class UndefinedField(Exception):  # noqa: N818
    """A template reads a field that an item does not have."""


def _freeze(task: Any) -> None:
    """Let the items of a task be made once: some tasks shuffle options each time they are asked."""
    import datasets

    config, examples = task.config, task.fewshot_cfg
    processed: dict[tuple[str, Any], Any] = {}

    def made(split: str, process: Any) -> Any:
        if (split, process) not in processed:
            raw = task.dataset[split]
            processed[split, process] = process(raw) if process is not None else raw
        return processed[split, process]

    named = (config.training_split, config.validation_split, config.test_split)
    data = {split: made(split, config.process_docs) for split in named if split}
    if examples.split is not None:
        own = f"{examples.split}_examples"
        data[own] = made(examples.split, examples.process_docs)
        same = examples.split == config.test_split
        if not (same and examples.process_docs is config.process_docs):
            # a split of its own: the harness must not take it for the one that is scored
            examples.split = config.fewshot_split = own
    task.dataset = datasets.DatasetDict(data)
    config.process_docs = examples.process_docs = None
    if (docs := task.fewshot_docs()) is not None:
        task.sampler.replace_df(list(docs))
    task.task_docs = task.eval_docs


def _formed(benchmark: Known, task: Any, form: Form, leaf: Leaf) -> Any:
    native = leaf.value("output_type") or "generate_until"
    if form in ("answer", "code", "text"):
        return task
    if form == "ranked" and native == "multiple_choice":
        # Its options are asked after nothing, too; our metrics take the place of its own.
        metrics = [{"metric": "acc"}, *([] if task.multiple_input else [{"metric": PMI}])]
        return _again(
            task,
            {
                "output_type": "multiple_choice",
                "doc_to_choice": task.config.doc_to_choice,
                "doc_to_target": task.config.doc_to_target,
                "metric_list": [
                    {**m, "aggregation": "mean", "higher_is_better": True} for m in metrics
                ],
            },
        )
    if form == "ranked":
        return _again(task, _ranked(benchmark))
    if form == "letter":
        return _again(task, _by_letter(task))
    return _again(task, _gold(benchmark, task))


def _again(task: Any, changes: Mapping[str, Any]) -> Any:
    """Return a task over the same data with another configuration."""
    from lm_eval.api.task import ConfigurableTask

    old, dataset = task.config, task.dataset
    fewshot = old.fewshot_config
    examples = {"sampler": fewshot.sampler}
    examples |= {"samples": fewshot.samples} if fewshot.samples is not None else {}
    kept = (
        "task", "training_split", "validation_split", "test_split", "fewshot_split",
        "process_docs", "description", "fewshot_delimiter", "target_delimiter", "num_fewshot",
        "doc_to_text", "metadata",
    )  # fmt: skip
    config: dict[str, Any] = {name: getattr(old, name) for name in kept}
    config |= {"custom_dataset": lambda **_: dataset, "fewshot_config": examples, **changes}
    return ConfigurableTask(config={k: v for k, v in config.items() if v is not None})


def _by_letter(task: Any) -> dict[str, Any]:
    """Return what asks a multiple choice for the letter of an option."""

    def choices(doc: Any) -> list[str]:
        return [str(choice) for choice in task.doc_to_choice(doc)]

    def question(doc: Any) -> str:
        if task.multiple_input:
            rest = f" {task.doc_to_target(doc)}"
            return lettered("", [choice + rest for choice in choices(doc)])
        text = str(task.doc_to_text(doc))
        return text if letters_of_choices(choices(doc)) else lettered(text, choices(doc))

    def letter(doc: Any) -> str:
        return ascii_uppercase[gold_option(task, doc, choices(doc))]

    def results(doc: Any, texts: list[str]) -> dict[str, float]:
        return {"accuracy": float(letter_of(texts[0], len(choices(doc))) == letter(doc))}

    return {
        "output_type": "generate_until",
        "doc_to_text": question,
        "doc_to_target": letter,
        "process_results": results,
        "target_delimiter": " ",
        "metric_list": [{"metric": "accuracy", "aggregation": "mean", "higher_is_better": True}],
        "generation_kwargs": {
            "until": ["\n"], "max_gen_toks": MAX_LETTER_TOKENS, "do_sample": False,
        },
        "filter_list": TAKE_FIRST,
        "metadata": {**(task.config.metadata or {}), "options": choices},
    }  # fmt: skip


def _ranked(benchmark: Known) -> dict[str, Any]:
    """Return what ranks the letters of the options that a free answer would choose from."""
    fields = benchmark.options

    def question(doc: Any) -> str:
        return lettered(str(doc[fields["question"]]), list(doc[fields["options"]]))

    return {
        "output_type": "multiple_choice",
        "doc_to_text": question,
        "doc_to_choice": lambda doc: list(ascii_uppercase[: len(doc[fields["options"]])]),
        "doc_to_target": lambda doc: int(doc[fields["gold"]]),
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def _gold(benchmark: Known, task: Any) -> dict[str, Any]:
    """Return what asks how likely the right answer is."""

    def gold(doc: Any) -> str:
        if benchmark.gold:
            text = filled(benchmark.gold, doc)
        else:
            target = task.doc_to_target(doc)
            text = str(target[0] if isinstance(target, list) else target)
        return str(task.config.target_delimiter) + text

    own = task.fewshot_cfg
    return {
        "output_type": "loglikelihood",
        "doc_to_target": gold,
        "metric_list": NO_METRIC,
        "fewshot_config": {
            "sampler": own.sampler,
            **({"samples": own.samples} if own.samples is not None else {}),
            **{
                name: value
                for name in ("doc_to_text", "doc_to_target", "target_delimiter")
                if (value := getattr(own, name)) is not None
            },
        },
    }


def gold_option(task: Any, doc: Any, choices: list[str]) -> int:
    """Return the place of the right option.

    Raises:
        ValueError: If the item's answer is none of its options.
    """
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    if isinstance(gold, list):
        gold = gold[0]
    if isinstance(gold, str) and gold in choices:
        return choices.index(gold)
    place = int(gold) if str(gold).lstrip("-").isdigit() else -1
    if not 0 <= place < len(choices):
        raise ValueError(
            f"{task.config.task}: the answer {gold!r} of an item is none of its {len(choices)} "
            "options."
        )
    return place


def filled(template: str, doc: Mapping[str, Any]) -> str:
    """Return a Jinja template filled from an item.

    Raises:
        UndefinedField: If it reads a field that is not there.
    """
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    try:
        return str(environment.from_string(template).render(**doc))
    except jinja2.UndefinedError as error:
        raise UndefinedField(str(error)) from error
