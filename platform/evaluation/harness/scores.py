"""From what the harness logs of an item to the values of our metrics."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from davinci.platform.evaluation.harness.forms import Form, gold_option
from davinci.platform.evaluation.harness.suite import Known

LOWER_IS_BETTER = {"bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity"}
PRIMARY: Mapping[Form, str] = {
    "ranked": "accuracy",
    "letter": "accuracy",
    "answer": "accuracy",
    "gold": "bits_per_byte",
    "code": "pass_at_1",
    "text": "bits_per_byte",
}


def score_sample(
    benchmark: Known, form: Form, task: Any, sample: Mapping[str, Any]
) -> dict[str, float]:
    """Return the metrics of one item under one filter; programs are scored elsewhere."""
    if form == "ranked":
        return _ranked(task, sample)
    if form == "gold":
        return _gold(sample)
    if form == "text":
        return _text(task, sample)
    if form == "code":
        return {}
    return _answered(benchmark, task, sample)


def chance_of(form: Form, task: Any, doc: Mapping[str, Any]) -> float:
    """Return what random guessing scores on an item; NaN where there is nothing to guess."""
    if form in ("gold", "text"):
        return math.nan
    if form == "ranked":
        return 1 / len(task.doc_to_choice(doc))
    if form == "letter":
        return 1 / len(task.config.metadata["options"](doc))
    return 0.0


def shown(form: Form, task: Any, sample: Mapping[str, Any]) -> dict[str, str]:
    """Return an item to read: what was asked, expected and got."""
    prompt = str(sample["arguments"][0][0])
    if form == "ranked":
        choices = [str(choice) for choice in task.doc_to_choice(sample["doc"])]
        logprobs = [response[0][0] for response in sample["resps"][: len(choices)]]
        best = int(np.argmax(logprobs))
        gold = gold_option(task, sample["doc"], choices)
        return {"prompt": prompt, "expected": choices[gold], "got": choices[best]}
    if form in ("gold", "text"):
        whole = sample["arguments"][0]
        return {"prompt": prompt, "expected": str(whole[-1]) if len(whole) > 1 else "", "got": ""}
    target = sample["target"]
    expected = target[0] if isinstance(target, list) and target else target
    return {"prompt": prompt, "expected": str(expected), "got": str(sample["resps"][0][0])}


def _ranked(task: Any, sample: Mapping[str, Any]) -> dict[str, float]:
    """Return accuracies by likelihood, and the right option's share and bits.

    `accuracy_per_char` is the harness's `acc_norm`, `accuracy_pmi` its `acc_mutual_info`: options
    by how much likelier they are after the question than after nothing (Holtzman et al. 2021).
    """
    choices = [str(choice) for choice in task.doc_to_choice(sample["doc"])]
    gold, num = gold_option(task, sample["doc"], choices), len(choices)
    pairs = [response[0] for response in sample["resps"]]
    logprobs = np.array([pair[0] for pair in pairs[:num]])
    chars = np.array([float(len(choice)) for choice in choices])
    num_bytes = np.array([float(len(choice.encode())) for choice in choices])
    shares = np.exp(logprobs - logprobs.max())
    scored = str(sample["arguments"][gold][1])
    values = {
        "accuracy": float(logprobs.argmax() == gold),
        "accuracy_per_char": float((logprobs / chars).argmax() == gold),
        "accuracy_per_byte": float((logprobs / num_bytes).argmax() == gold),
        "gold_probability": float(shares[gold] / shares.sum()),
        "bits_per_byte": -float(logprobs[gold]) / math.log(2) / len(scored.encode()),
    }
    if len(pairs) == 2 * num:
        alone = np.array([pair[0] for pair in pairs[num:]])
        values["accuracy_pmi"] = float((logprobs - alone).argmax() == gold)
    return values


def _gold(sample: Mapping[str, Any]) -> dict[str, float]:
    logprob, greedy = sample["resps"][0][0]
    text = str(sample["arguments"][0][1])
    bits = -logprob / math.log(2) / len(text.encode())
    return {"bits_per_byte": bits, "written_greedily": float(greedy)}


def _text(task: Any, sample: Mapping[str, Any]) -> dict[str, float]:
    logprob = sample["resps"][0][0]
    text = str(task.doc_to_target(sample["doc"]))
    return {"bits_per_byte": -logprob / math.log(2) / len(text.encode())}


def _answered(benchmark: Known, task: Any, sample: Mapping[str, Any]) -> dict[str, float]:
    """Return the task's own numbers; the first one, under the filter that counts, is `accuracy`."""
    named = [name for name in sample["metrics"] if isinstance(sample[name], int | float | bool)]
    kept = [f["name"] for f in (task.config.filter_list or [])]
    counts = benchmark.filter or (kept[0] if kept else sample["filter"])
    values: dict[str, float] = {}
    for place, name in enumerate(named):
        if place == 0 and sample["filter"] == counts:
            values["accuracy"] = float(sample[name])
        elif len(kept) > 1:
            values[f"{name}_{sample['filter'].replace('-', '_')}"] = float(sample[name])
        else:
            values[name] = float(sample[name])
    return values


def weights_of(form: Form, metric: str, samples: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return how much each item weighs in a score: its bytes where bits per byte are averaged."""
    if metric != "bits_per_byte":
        return np.ones(len(samples))
    place = {"ranked": 1, "gold": 1, "text": 0}[form]
    return np.array([float(len(str(s["arguments"][0][place]).encode())) for s in samples])
