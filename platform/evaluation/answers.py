"""The `generative` protocol: the model answers, and the answer is checked or executed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from davinci.data_levels.sandbox.run import Job, run_many
from davinci.data_levels.sources.source import Benchmark, Item
from davinci.platform.evaluation.checks import final_answer_is, program_of, step_rate
from davinci.platform.evaluation.engine.generation import Request
from davinci.platform.evaluation.outcomes import clusters_of, sample_rows
from davinci.platform.evaluation.prompts import encode_prompt
from davinci.platform.evaluation.subject import Subject
from davinci.platform.store.records import Outcomes

METRICS_OF_CHECK = {
    "exact": ("accuracy",),
    "steps": ("accuracy", "step_rate"),
    "execute": ("pass_rate", "solved"),
}
TOO_LONG = "(the prompt is longer than the context)"


def answer_benchmarks(
    subject: Subject, benchmarks: Sequence[Benchmark], *, max_new_tokens: int
) -> tuple[list[Outcomes], dict[str, int]]:
    """Return the outcomes of all benchmarks, and how many prompts of each are too long.

    All benchmarks' answers are generated together. A prompt that fills the context gets no answer
    and scores 0; near the end of the context, an answer may be shorter than `max_new_tokens`.
    """
    items = [item for benchmark in benchmarks for item in benchmark.items]
    answers = iter(_answers(subject, items, max_new_tokens))
    outcomes: list[Outcomes] = []
    too_long: dict[str, int] = {}
    for benchmark in benchmarks:
        texts = [next(answers) for _ in benchmark.items]
        too_long[benchmark.name] = texts.count(None)
        outcomes += _score(subject, benchmark, texts)
    return outcomes, too_long


def _answers(subject: Subject, items: Sequence[Item], max_new_tokens: int) -> list[str | None]:
    requests: dict[int, Request] = {}
    for index, item in enumerate(items):
        prompt = encode_prompt(subject.tokenizer, item.prompt, subject.end_id)
        room = subject.context_length - len(prompt.ids)
        if room > 0:
            most = min(max_new_tokens, room)
            requests[index] = Request(
                ids=prompt.ids,
                space=prompt.space,
                stop=item.stop,
                max_new_tokens=most,
                end_ids=frozenset({prompt.end_id}),
            )
    texts = subject.answers(list(requests.values()))
    text_of = dict(zip(requests, texts, strict=True))
    return [text_of.get(index) for index in range(len(items))]


def _score(subject: Subject, benchmark: Benchmark, texts: Sequence[str | None]) -> list[Outcomes]:
    values = [_checked(item, text or "") for item, text in zip(benchmark.items, texts, strict=True)]
    for index, passed in _executed(subject, benchmark.items, texts).items():
        values[index] = {"pass_rate": float(np.mean(passed)), "solved": float(all(passed))}
    metrics = dict.fromkeys(name for row in values for name in row)
    return [_outcomes(benchmark, metric, values, texts) for metric in metrics]


def _checked(item: Item, text: str) -> dict[str, float]:
    if item.check == "execute":
        return dict.fromkeys(METRICS_OF_CHECK["execute"], 0.0)
    values = {"accuracy": float(final_answer_is(text, item.final, item.answer))}
    if item.check == "steps":
        values["step_rate"] = step_rate(text, item.answer)
    return values


def _executed(
    subject: Subject, items: Sequence[Item], texts: Sequence[str | None]
) -> dict[int, list[bool]]:
    """Return index -> which tests passed, for the items whose answers are programs."""
    jobs = {
        index: Job(program_of(item, text), item.tests)
        for index, (item, text) in enumerate(zip(items, texts, strict=True))
        if item.check == "execute" and text is not None
    }
    if not jobs:
        return {}
    verdicts = run_many(list(jobs.values()), num_workers=subject.runtime.sandbox_workers)
    return dict(zip(jobs, verdicts, strict=True))


def _outcomes(
    benchmark: Benchmark,
    metric: str,
    values: Sequence[Mapping[str, float]],
    texts: Sequence[str | None],
) -> Outcomes:
    rated = [index for index, row in enumerate(values) if metric in row]
    items = [benchmark.items[index] for index in rated]
    rows = [_sample(benchmark.items[i], texts[i], values[i][metric]) for i in rated]
    floored = metric in ("accuracy", "pass_rate")
    return Outcomes(
        benchmark=benchmark.name,
        domain=benchmark.domain,
        protocol="generative",
        metric=metric,
        higher_is_better=True,
        item_ids=tuple(item.id for item in items),
        values=np.array([values[index][metric] for index in rated]),
        weights=np.ones(len(rated)),
        chance=benchmark.floor if floored else math.nan,
        clusters=clusters_of(items),
        samples=sample_rows(rows),
    )


def _sample(item: Item, text: str | None, value: float) -> Mapping[str, str]:
    return {
        "id": item.id,
        "prompt": item.prompt,
        "expected": item.answer,
        "got": TOO_LONG if text is None else text,
        "value": f"{value:g}",
    }
