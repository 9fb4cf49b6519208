"""Which benchmarks of the harness a config asks for, under which protocols, and who answers.

`evaluation.benchmarks` holds names of the suite, of any task of the harness, or paths of task
files; `mmlu@ppl` is asked under that protocol alone, `mmlu` under all of `evaluation.protocols`.
"""

import functools
import shlex
import shutil
from pathlib import Path
from typing import Any, cast

from davinci.data_levels.sandbox.run import CannotIsolateError, isolation
from davinci.data_levels.sources.registry import WITH_ITEMS
from davinci.platform.config.errors import Problem
from davinci.platform.config.recipe import BenchmarkSettings, Protocol, Recipe
from davinci.platform.config.rules import one_of, positive, within
from davinci.platform.evaluation.harness.suite import (
    FORM_VERSION,
    harness_version,
    known,
    suite,
)

ASKED: tuple[Protocol, ...] = ("ppl", "generative")
"""Protocols that benchmarks of the harness have."""
SERVER_PLACES = ("{model}", "{port}")
MAX_SHORT_NAME = 36
"""A role is at most 64 characters long in the store."""


def check_benchmarks(evaluation: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with the benchmarks, looking at their definitions and data files."""
    problems = positive("evaluation.num_samples", evaluation["num_samples"])
    problems += within("evaluation.temperature", evaluation["temperature"], 1e-3, 10)
    problems += _check_server(evaluation["server"])
    if evaluation["shots"] is not None:
        problems += within("evaluation.shots", evaluation["shots"], 0, 100)
    entries = list(evaluation["benchmarks"])
    if not entries:
        return problems
    field = "evaluation.benchmarks"
    for entry in entries:
        name, protocols = _split(entry, evaluation)
        for protocol in protocols:
            problems += one_of(field, protocol, ASKED)
        if not protocols:
            rule = "it is asked under ppl or generative, and evaluation.protocols has neither."
            problems.append(Problem(field=field, value=entry, rule=rule))
        problems += _check_definition(name, evaluation["mirror"])
    shorts = [short_name(_split(entry, evaluation)[0]) for entry in entries]
    for entry, short in zip(entries, shorts, strict=True):
        if shorts.count(short) > 1:
            rule = f"its name, {short!r} in short, is that of another one, too."
            problems.append(Problem(field=field, value=entry, rule=rule))
    return problems


def _check_server(command: str) -> list[Problem]:
    """Return what is wrong with the command of an inference server."""
    field = "evaluation.server"
    if not command:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        return [Problem(field=field, value=command, rule=f"cannot be split: {error}.")]
    missing = [place for place in SERVER_PLACES if not any(place in word for word in words)]
    if missing:
        rule = f"must have {' and '.join(missing)}: where the model lies, where to listen."
        return [Problem(field=field, value=command, rule=rule)]
    if shutil.which(words[0]) is None:
        rule = f"there is no program {words[0]!r} on this machine."
        return [Problem(field=field, value=command, rule=rule)]
    return []


def check_sandbox(recipe: Recipe, executor: str) -> list[Problem]:
    """Return a problem where programs would be written that this machine cannot isolate.

    Of a cluster's nodes nothing is known here; there the evaluation itself refuses.
    """
    evaluation = recipe.evaluation
    if executor != "local" or "generative" not in evaluation.protocols:
        return []
    if recipe.data.source.name not in WITH_ITEMS and not any(
        "generative" in benchmark.protocols and suite()[benchmark.name].code
        for benchmark in evaluation.benchmarks
        if benchmark.name in suite()
    ):
        return []
    try:
        isolation()
    except CannotIsolateError as error:
        return [Problem(field="evaluation.protocols", value="generative", rule=str(error))]
    return []


def resolve_benchmarks(evaluation: dict[str, Any]) -> tuple[BenchmarkSettings, ...]:
    """Return the benchmarks that a checked config asks for, in its order."""
    if not evaluation["benchmarks"]:
        return ()
    shots = evaluation["shots"]
    found = []
    for entry in evaluation["benchmarks"]:
        name, protocols = _split(entry, evaluation)
        found.append(
            BenchmarkSettings(
                name=short_name(name),
                path=name if short_name(name) != name else "",
                protocols=cast(tuple[Protocol, ...], protocols),
                shots=-1 if shots is None else shots,
                data=_digest(name, evaluation["mirror"]),
                harness=f"{harness_version()}+{FORM_VERSION}",
                mirror=evaluation["mirror"],
            )
        )
    return tuple(found)


def short_name(name: str) -> str:
    """Return a benchmark's name as roles and reports have it: a task file's without its folder."""
    stem = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    return stem[:MAX_SHORT_NAME]


def _split(entry: str, evaluation: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return name and protocols of an entry."""
    name, _, protocol = entry.rpartition("@")
    if name:
        return name, (protocol,)
    return entry, tuple(p for p in ASKED if p in evaluation["protocols"])


@functools.cache
def _check_definition(name: str, mirror: str) -> tuple[Problem, ...]:
    """Return what is wrong with one benchmark; remembered, as a sweep asks it for every point."""
    field = "evaluation.benchmarks"
    if not harness_version():
        rule = "benchmarks need lm-evaluation-harness: pip install 'davinci[harness]'."
        return (Problem(field=field, value=name, rule=rule),)
    from davinci.platform.evaluation.harness.index import UnknownTaskError, leaves
    from davinci.platform.evaluation.harness.snapshot import data_digest

    try:
        leaves(known(name))
        data_digest(known(name), mirror)
    except UnknownTaskError as error:
        rule = "there is no such benchmark, task of the harness, or task file."
        return (Problem(field=field, value=name, rule=rule, allowed=error.nearest),)
    except ValueError as error:
        return (Problem(field=field, value=name, rule=str(error)),)
    return ()


@functools.cache
def _digest(name: str, mirror: str) -> str:
    from davinci.platform.evaluation.harness.snapshot import data_digest

    return data_digest(known(name), mirror)
