"""Where the tasks of a benchmark are defined: in the harness, among ours, or in a user's file.

The whole index of the harness takes seconds to read, so that only the folder is read that a known
benchmark names; the rest is for names that nobody knows.
"""

import copy
import difflib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from davinci.platform.evaluation.harness.suite import Known

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

OWN_TASKS = Path(__file__).with_name("tasks")
NUM_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One task without subtasks: its name, its file's values (functions as text), overrides."""

    name: str
    values: Mapping[str, Any]
    overrides: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """Return a value of its configuration, None where it has none."""
        return self.overrides.get(name, self.values.get(name))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of its data that it reads."""
        fewshot = self.value("fewshot_config") or {}
        named = [self.value(f"{n}_split") for n in ("training", "validation", "test", "fewshot")]
        return tuple(dict.fromkeys(split for split in [*named, fewshot.get("split")] if split))


class UnknownTaskError(ValueError):
    """Nobody has a task of this name; `nearest` are those whose names come close."""

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        """Say so."""
        self.nearest = tuple(nearest)
        super().__init__(f"No benchmark or task of the harness is called {name!r}.")


def leaves(benchmark: Known) -> list[Leaf]:
    """Return the tasks of a benchmark, groups and tags taken apart.

    Raises:
        UnknownTaskError: If there is no such task, or its file is missing.
        ValueError: If it is a task of a kind that only runs as Python code.
    """
    found: list[Leaf] = []
    for task in benchmark.tasks:
        manager, name = _manager_of(benchmark, task)
        if name not in manager.task_index:
            nearest = difflib.get_close_matches(name, manager.all_tasks, NUM_SUGGESTIONS, 0.5)
            raise UnknownTaskError(task, nearest)
        found += _leaves(manager, name, {})
    return found


def load_tasks(benchmark: Known, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the harness's tasks of a benchmark by name, each with its `overrides`."""
    for name in [name for name in sys.modules if name.startswith("lm_eval.tasks.")]:
        # Helpers of single tasks: some draw from a generator that they make on import.
        if hasattr(sys.modules[name], "__mtime__"):
            del sys.modules[name]
    loaded: dict[str, Any] = {}
    for task in benchmark.tasks:
        manager, name = _manager_of(benchmark, task)
        members = [
            {**leaf.overrides, **overrides.get(leaf.name, {}), "task": leaf.name}
            for leaf in _leaves(manager, name, {})
        ]
        loaded |= manager.load({"group": f"davinci_{name}", "task": members})["tasks"]
    return loaded


def _manager_of(benchmark: Known, task: str) -> tuple["TaskManager", str]:
    if benchmark.file:
        path = Path(task).expanduser().resolve()
        if not path.is_file():
            raise UnknownTaskError(task, ())
        import yaml

        class Names(yaml.SafeLoader):  # type: ignore[misc]
            """Reads names alone; functions stay text."""

        Names.add_constructor("!function", lambda loader, node: str(node.value))
        return _manager(str(path.parent)), yaml.load(path.read_text("utf-8"), Names)["task"]
    if benchmark.folder == "own":
        return _manager(str(OWN_TASKS)), task
    return _manager(str(_harness_folder() / benchmark.folder) if benchmark.folder else ""), task


@functools.cache
def _manager(folder: str) -> "TaskManager":
    from lm_eval.tasks import TaskManager

    if not folder:
        return TaskManager()
    return TaskManager(include_defaults=False, include_path=folder)


def _harness_folder() -> Path:
    spec = find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise ValueError("Benchmarks need lm-evaluation-harness: pip install 'davinci[harness]'.")
    return Path(spec.origin).parent / "tasks"


def _leaves(manager: "TaskManager", name: str, overrides: Mapping[str, Any]) -> Iterator[Leaf]:
    entry = manager.task_index[name]
    kind = entry.kind.name
    if kind == "PY_TASK":
        raise ValueError(
            f"Task {name!r} is a Python class of the harness, whose items cannot be kept; "
            "choose one that is a YAML file."
        )
    if kind == "TASK":
        yield Leaf(name=name, values=copy.deepcopy(entry.cfg or {}), overrides=overrides)
        return
    members = sorted(entry.tags) if kind == "TAG" else (entry.cfg or {})["task"]
    for member in [members] if isinstance(members, str) else members:
        own = {} if isinstance(member, str) else {**member}
        child = member if isinstance(member, str) else str(own.pop("group", "") or own.pop("task"))
        yield from _leaves(manager, child, {**overrides, **own})
