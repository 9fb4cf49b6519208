"""The two ways to read bits and ranks off likelihoods: `bpb` and `ppl`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.held_out import text_id, texts_name
from davinci.data_levels.sources.source import Benchmark, Item
from davinci.platform.evaluation.engine.likelihood import Question
from davinci.platform.evaluation.engine.rolling import sliding_windows
from davinci.platform.evaluation.outcomes import clusters_of, sample_rows
from davinci.platform.evaluation.prompts import encode_option
from davinci.platform.evaluation.subject import Floats, Subject
from davinci.platform.store.records import Outcomes

SHOWN_CHARS = 240
RANKED = ("accuracy", "accuracy_per_byte", "gold_probability")
TOO_LONG = "(longer than the context)"


def bits_per_byte(
    subject: Subject,
    domain: Domain,
    texts: Sequence[str],
    styles: Sequence[str] = (),
    numbers: Sequence[int] = (),
) -> list[Outcomes]:
    """Return how many bits the model needs for a UTF-8 byte of each text; lower is better.

    The first record is over all texts. Where they differ in style, one more record per style shows
    whether a gain is more than a likeness of the training text to one of them.

    `numbers` are the texts' places among all texts held out, where only some of them are given.
    Every token of a text is scored, the first one after the end of text. Texts longer than the
    context are read through a window that moves on by half a context.
    """
    stride = max(1, subject.context_length // 2)
    windows, scored, owners = [], [], []
    for owner, text in enumerate(texts):
        ids = subject.tokenizer.encode(text, add_special_tokens=False).ids
        for window, num_scored in sliding_windows(
            [subject.end_id, *ids], context_length=subject.context_length, stride=stride
        ):
            windows.append(window)
            scored.append(num_scored)
            owners.append(owner)
    bits = np.zeros(len(texts))
    for nlls, num_scored, owner in zip(subject.nlls_nats(windows), scored, owners, strict=True):
        bits[owner] += nlls[len(nlls) - num_scored :].sum() / math.log(2)
    num_bytes = np.array([len(text.encode()) for text in texts], dtype=np.float64)
    rows = [
        {"id": text_id(domain, number), "prompt": text[:SHOWN_CHARS], "expected": "", "got": "",
         "value": f"{value:.3f}"}
        for number, text, value in zip(
            numbers or range(len(texts)), texts, bits / num_bytes, strict=True
        )
    ]  # fmt: skip
    every = Outcomes(
        benchmark=texts_name(domain),
        domain=domain,
        protocol="bpb",
        metric="bits_per_byte",
        higher_is_better=False,
        item_ids=tuple(row["id"] for row in rows),
        values=bits / num_bytes,
        weights=num_bytes,
        samples=sample_rows(rows),
    )
    named = sorted({style for style in styles if style})
    return [every, *(_of_style(every, style, styles) for style in named)]


def _of_style(every: Outcomes, style: str, styles: Sequence[str]) -> Outcomes:
    """Return the part of an outcome that is over the texts of one style."""
    chosen = [number for number, name in enumerate(styles) if name == style]
    return replace(
        every,
        metric=f"{every.metric}_{style}",
        item_ids=tuple(every.item_ids[number] for number in chosen),
        values=every.values[chosen],
        weights=every.weights[chosen],
        samples=(),
    )


def rank_options(subject: Subject, benchmark: Benchmark) -> tuple[list[Outcomes], int]:
    """Return accuracies of ranking the options by likelihood, and the number of items too long.

    `accuracy` takes the likeliest option, `accuracy_per_byte` the likeliest per UTF-8 byte;
    `gold_probability` is the right option's share of all options' probability. As a control,
    `accuracy_other_prompt` ranks each item's options after another item's prompt: what the options
    give away without the question. An item of which an option does not fit the context scores 0.
    """
    items = [item for item in benchmark.items if item.options]
    if not items:
        return [], 0
    logprobs = _option_logprobs(subject, items, [item.prompt for item in items])
    scores: dict[str, list[float]] = {metric: [] for metric in RANKED}
    picks = []
    for item, values in zip(items, logprobs, strict=True):
        ranked = dict.fromkeys(RANKED, 0.0) if values is None else _ranked(item, values)
        for metric in RANKED:
            scores[metric].append(ranked[metric])
        picks.append(TOO_LONG if values is None else item.options[int(values.argmax())])
    first = _outcomes(benchmark, items, "accuracy", scores["accuracy"], picks)
    others = [
        replace(first, metric=metric, values=np.array(scores[metric]), samples=())
        for metric in RANKED[1:]
    ]
    control = replace(
        first,
        metric="accuracy_other_prompt",
        values=np.array(_other_prompt(subject, items)),
        samples=(),
    )
    return [first, *others, control], sum(values is None for values in logprobs)


def _option_logprobs(
    subject: Subject, items: Sequence[Item], prompts: Sequence[str]
) -> list[Floats | None]:
    """Return the options' log-likelihoods in nats after each prompt; None where one is too long."""
    questions = []
    for item, prompt in zip(items, prompts, strict=True):
        pairs = [encode_option(subject.tokenizer, prompt, o, subject.end_id) for o in item.options]
        questions.append(Question(pairs[0][0], tuple(continuation for _, continuation in pairs)))
    fits = [_fits(question, subject.context_length) for question in questions]
    found = iter(subject.likelihoods([q for q, fit in zip(questions, fits, strict=True) if fit]))
    return [
        np.array([option.logprob_nats for option in next(found)]) if fit else None for fit in fits
    ]


def _fits(question: Question, context_length: int) -> bool:
    longest = max(len(continuation) for continuation in question.continuations)
    return len(question.context) + longest <= context_length + 1


def _other_prompt(subject: Subject, items: Sequence[Item]) -> list[float]:
    """Return 1 where the right option is the likeliest after the prompt of an item far away."""
    far = len(items) // 2
    prompts = [items[(index + far) % len(items)].prompt for index in range(len(items))]
    logprobs = _option_logprobs(subject, items, prompts)
    return [
        0.0 if values is None else float(values.argmax() == item.gold)
        for item, values in zip(items, logprobs, strict=True)
    ]


def _ranked(item: Item, logprobs: Floats) -> Mapping[str, float]:
    num_bytes = np.array([len(option.encode()) for option in item.options])
    probabilities = np.exp(logprobs - logprobs.max())
    return {
        "accuracy": float(logprobs.argmax() == item.gold),
        "accuracy_per_byte": float((logprobs / num_bytes).argmax() == item.gold),
        "gold_probability": float(probabilities[item.gold] / probabilities.sum()),
    }


def _outcomes(
    benchmark: Benchmark,
    items: Sequence[Item],
    metric: str,
    values: Sequence[float],
    picks: Sequence[str],
) -> Outcomes:
    rows = [
        {"id": item.id, "prompt": item.prompt, "expected": item.options[item.gold], "got": pick,
         "value": f"{value:g}"}
        for item, pick, value in zip(items, picks, values, strict=True)
    ]  # fmt: skip
    return Outcomes(
        benchmark=benchmark.name,
        domain=benchmark.domain,
        protocol="ppl",
        metric=metric,
        higher_is_better=True,
        item_ids=tuple(item.id for item in items),
        values=np.array(values, dtype=np.float64),
        weights=np.ones(len(items)),
        chance=benchmark.chance,
        clusters=clusters_of(items),
        samples=sample_rows(rows),
    )
