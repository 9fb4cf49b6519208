"""A decision as a task: the scores of a checkpoint in, the weights of what follows out."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from davinci.platform.config.identity import restore
from davinci.platform.curriculum.controller import (
    Decision,
    Observation,
    decide,
    from_plain,
    to_plain,
)
from davinci.platform.curriculum.settings import CLUSTERS, ControllerSettings
from davinci.platform.evaluation.outcomes import load_outcomes
from davinci.platform.store.records import Outcomes

DECISION_FILE = "decision.json"
HISTORY_FILE = "history.json"
MAIN_METRIC: Mapping[str, str] = {
    "bpb": "bits_per_byte",
    "ppl": "accuracy",
    "generative": "",
}
"""The metric of each protocol that is watched; generative benchmarks have one each."""


def take_decision(
    settings: Mapping[str, Any], *, evaluation: Path, previous: Path | None, out: Path
) -> None:
    """Decide on a checkpoint and write `decision.json` and `history.json` into the folder `out`.

    Args:
        settings: `controller`, `weights` (the first ones), `available` domains, and `tokens`.
        evaluation: Scores of the checkpoint on the watched items.
        previous: The decision before, None at the first checkpoint.
        out: Folder to write into.
    """
    controller = restore(ControllerSettings, settings["controller"])
    history, past = _read_history(previous)
    scores = cluster_scores(controller, load_outcomes(evaluation))
    history.append(Observation(tokens=settings["tokens"], scores=scores))
    decision = decide(
        controller,
        history,
        weights=past[-1].weights if past else settings["weights"],
        past=past,
        available=settings["available"],
    )
    past.append(decision)
    seen = [{"tokens": one.tokens, "scores": dict(one.scores)} for one in history]
    document = {"history": seen, "decisions": [to_plain(one) for one in past]}
    (out / HISTORY_FILE).write_text(json.dumps(document, indent=1), encoding="ascii")
    shown = {**to_plain(decision), "scores": dict(scores)}
    (out / DECISION_FILE).write_text(json.dumps(shown, indent=1), encoding="ascii")


def read_weights(folder: Path) -> dict[str, float]:
    """Return the weights that a decision left."""
    weights: dict[str, float] = json.loads((folder / DECISION_FILE).read_text())["weights"]
    return weights


def cluster_scores(settings: ControllerSettings, outcomes: Sequence[Outcomes]) -> dict[str, float]:
    """Return each cluster's score, higher is better: the mean over its benchmarks.

    Bits per byte are negated.
    """
    metric = MAIN_METRIC[settings.protocol]
    watched = [one for one in outcomes if not metric or one.metric == metric]
    found = {}
    for name, domains in CLUSTERS[settings.clusters].items():
        values = [
            o.score if o.higher_is_better else -o.score for o in watched if o.domain in domains
        ]
        if values:
            found[name] = float(np.mean(values))
    return found


def _read_history(previous: Path | None) -> tuple[list[Observation], list[Decision]]:
    if previous is None:
        return [], []
    document = json.loads((previous / HISTORY_FILE).read_text())
    return (
        [Observation(tokens=one["tokens"], scores=one["scores"]) for one in document["history"]],
        [from_plain(one) for one in document["decisions"]],
    )
