"""Whether all items of a benchmark can be asked: seen when its data are taken, before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from davinci.platform.config.benchmarks import ASKED
from davinci.platform.evaluation.harness.forms import Form, build_tasks, form_of, gold_option
from davinci.platform.evaluation.harness.index import leaves
from davinci.platform.evaluation.harness.suite import Known


def check_items(
    benchmark: Known, snapshot: Path, progress: Callable[[int, int, str], None]
) -> None:
    """Fill every item's templates under each protocol that the benchmark has.

    Raises:
        ValueError: If an item lacks a field, or its answer is none of its options.
    """
    for protocol in ASKED:
        if not any(form_of(benchmark, leaf, protocol) for leaf in leaves(benchmark)):
            continue
        tasks = build_tasks(benchmark, protocol, snapshot, shots=0)
        for done, (name, (form, task)) in enumerate(tasks.items(), start=1):
            for number, doc in enumerate(task.eval_docs):
                _check(benchmark, name, number, form, task, doc)
            progress(done, len(tasks), f"{name} under {protocol}")


def _check(
    benchmark: Known, name: str, number: int, form: Form, task: Any, doc: dict[str, Any]
) -> None:
    try:
        text = task.doc_to_text(doc)
        if not task.multiple_input and not isinstance(text, str):
            raise ValueError(f"its prompt is {text!r}, which is no text")
        task.doc_to_target(doc)
        if form == "ranked":
            choices = [str(choice) for choice in task.doc_to_choice(doc)]
            gold_option(task, doc, choices)
            if len(choices) < 2 or not all(choices):
                raise ValueError(f"its options are {choices}: at least two, none of them empty")
    except Exception as error:  # whatever a template or a task's own function raises
        where = f"task {name}, item {number}" if name != benchmark.name else f"item {number}"
        fields = ", ".join(sorted(doc))
        raise ValueError(
            f"{benchmark.name}: {where} cannot be asked: {error or type(error).__name__}; "
            f"it has the fields {fields}."
        ) from error
