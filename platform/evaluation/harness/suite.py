"""The benchmarks that davinci knows by name, and how the paper asked them. Imports no harness."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from davinci.data_levels.document import Domain
from davinci.platform.config.recipe import Protocol

FORM_VERSION = 1
"""Raised when an item's prompt or score changes by our doing: prompts with letters, extraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One benchmark: its tasks in the harness, and what they lack.

    Attributes:
        name: As in `evaluation.benchmarks`.
        title: As in the paper.
        domain: Of its skill; its cluster follows.
        printed: The protocol that the paper prints for it.
        shots: Examples before every item.
        items: Number of items that the paper scored, as its printed decimals give away.
        folder: Of its tasks in the harness; `own` where they are ours; "" where nobody knows.
        tasks: Names of tasks or groups there.
        options: Templates of `question`, `options` and `gold`, to rank options where the harness
            only has a way to generate.
        gold: Template of the answer whose bits are counted where there are no options.
        code: Templates of `program` and `tests` where the answer is a program.
        filter: The harness's filter whose outcome counts where a task has several.
        file: Path of a user's task file, "" where the harness or we define the tasks.
        cluster: Field by which items belong together, so that they are no independent evidence.
    """

    name: str
    title: str = ""
    domain: Domain = "general"
    printed: Protocol = "ppl"
    shots: int = -1
    items: int = 0
    folder: str = ""
    tasks: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    gold: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    filter: str = ""
    cluster: str = ""
    file: str = ""


@functools.cache
def suite() -> Mapping[str, Known]:
    """Return the paper's 19 benchmarks by name, in its order."""
    text = files(__package__).joinpath("suite.yaml").read_text("utf-8")
    return {name: _known(name, entry) for name, entry in yaml.safe_load(text).items()}


def known(name: str) -> Known:
    """Return a benchmark of the suite, any other task of the harness, or that of a task file."""
    if name.endswith((".yaml", ".yml")):
        stem = Path(name).stem
        return Known(name=stem, title=stem, tasks=(name,), file=name)
    return suite().get(name) or Known(name=name, title=name, tasks=(name,))


def harness_version() -> str:
    """Return the installed version of the harness, "" where it is not installed."""
    try:
        return version("lm-eval")
    except PackageNotFoundError:
        return ""


def _known(name: str, entry: Mapping[str, Any]) -> Known:
    return Known(**{**entry, "name": name, "tasks": tuple(entry["tasks"])})
