"""L7, environment synthesis (experimental: the papers describe this level but did not build it).

Documents about code and mathematics become tasks that run: a statement, a program that solves it,
and tests. A model proposes them, or the document's own examples do. What is kept was run in the
sandbox: the solution passes every test, again and again, and a program that does nothing does not.

What this cannot tell: whether the tests ask for what the task says, and whether a solution was made
to fool them (an object that equals everything passes every comparison).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import LevelContext, Operator, Prepared
from davinci.data_levels.levels.writing import environments
from davinci.data_levels.levels.writing.execution import LIMITS, Execute, failing_tests
from davinci.data_levels.levels.writing.own_examples import environment_of
from davinci.data_levels.levels.writing.teaching import add
from davinci.data_levels.sandbox.run import isolation
from davinci.data_levels.settings import (
    ENVIRONMENT_DOMAINS,
    EnvironmentSettings,
    LevelSettings,
    check_choice,
)
from davinci.data_levels.teacher.answers import Answer, parse_json_answer
from davinci.data_levels.teacher.budget import new_task
from davinci.data_levels.teacher.check import check_teacher
from davinci.data_levels.teacher.chunks import chunks
from davinci.data_levels.teacher.concurrency import in_order
from davinci.data_levels.teacher.endpoint import Endpoint, open_endpoint
from davinci.data_levels.teacher.prompts import fill, read_prompt, restored
from davinci.data_levels.teacher.protocol import label_of

MAKERS = ("teacher", "doctest")
PROMPT = "environment_v1"


def prepare(context: LevelContext) -> Prepared:
    """Return the operators of L7: one that proposes tasks, and one that runs them.

    Raises:
        ValueError: If a setting is out of range, or a model is to propose and there is none.
    """
    settings = context.settings.environment
    check_choice("data.environment.maker", settings.maker, MAKERS)
    maker, label = _maker(context)
    workers = max(1, (os.cpu_count() or 1) // context.engine.workers)
    return Prepared(
        operators=(maker, Execute(min_tests=settings.min_tests, workers=workers)),
        checks={"executes": partial(failing_tests, LIMITS)},
        teacher=label,
        notes=_notes,
    )


def _maker(context: LevelContext) -> tuple[Operator, str]:
    """Return who proposes, and the label of the model if one is asked."""
    settings = context.settings
    if settings.environment.maker == "doctest":
        return OwnExamples(settings=settings.environment), ""
    if settings.teacher.kind != "endpoint":
        raise ValueError(
            "`data.environment.maker` = 'teacher' asks a model: `data.teacher.kind` must then be "
            f"'endpoint', but got {settings.teacher.kind!r}. Without a model, use 'doctest'."
        )
    check_teacher(settings.teacher)
    return Propose(settings=settings, task=new_task("L7")), label_of(settings.teacher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Lets a model propose a task for each document about code or mathematics.

    `task` is whose budget pays, see `budget.new_task`.
    """

    settings: LevelSettings
    task: str = ""
    name: str = "propose_environment"
    version: int = LEVEL_VERSIONS["L7"]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings, the model and the prompt."""
        own, model = asdict(self.settings.environment), self.settings.teacher.model
        return {**own, "model": model, "prompt": PROMPT}

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield the proposals as the model's answers come in."""
        with open_endpoint(self.settings.teacher, self.task) as endpoint:
            ask = partial(_asked, endpoint, self.settings.environment)
            for document, answer in in_order(ask, documents, endpoint.concurrency):
                yield _proposal(document, answer)
            add(counts, endpoint.counts())


def _asked(
    endpoint: Endpoint, settings: EnvironmentSettings, document: Document
) -> tuple[Document, Answer | None]:
    if document.domain not in ENVIRONMENT_DOMAINS:
        return document, None
    passage = next(iter(chunks(document.text.strip(), settings.max_source_chars)), "")
    prompt = fill(read_prompt(PROMPT), passage=passage, min_tests=str(settings.min_tests))
    return document, endpoint.ask([{"role": "user", "content": prompt}])


def _proposal(document: Document, answer: Answer | None) -> Outcome:
    if answer is None:
        return _no_environment(document)
    if not answer.finished:
        return Dropped(document, "malformed_answer", "cut off")
    text = restored(answer.text, read_prompt(PROMPT))
    environment = environments.from_answer(parse_json_answer(text))
    if environment is None:
        return Dropped(document, "malformed_answer", "no task, solution and tests as asked for")
    return environments.written(document, environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnExamples:
    """Makes tasks of Python documents and their own examples, without a model."""

    settings: EnvironmentSettings
    name: str = "own_examples"
    version: int = LEVEL_VERSIONS["L7"]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings."""
        return asdict(self.settings)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield the documents as tasks; those with too few tests go when they are run."""
        yield from (self._task(document) for document in documents)

    def _task(self, document: Document) -> Outcome:
        if document.domain not in ENVIRONMENT_DOMAINS:
            return _no_environment(document)
        if len(document.text) > self.settings.max_source_chars:
            return Dropped(document, "source_too_long", f"{len(document.text)} characters")
        environment = environment_of(document.text)
        if environment is None:
            return Dropped(document, "not_python")
        return environments.written(document, environment)


def _no_environment(document: Document) -> Dropped:
    return Dropped(document, "no_environment_for_domain", document.domain)


def _notes(counts: Mapping[str, float]) -> tuple[str, ...]:
    ran = f"Programs ran in this sandbox: {isolation().label}."
    taken = int(counts.get("tests_taken_out", 0))
    return (ran, f"{taken} tests passed without any solution and were taken out.")[
        : 1 + (taken > 0)
    ]
