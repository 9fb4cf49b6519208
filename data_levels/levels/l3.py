"""L3, light models: a small model judges every document and drops those below a threshold.

It never edits. The score that decided is recorded in the meta of every document that stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from davinci.data_levels.corpus import read_documents, write_aside
from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.classifiers.classifier import (
    REASONS,
    check_classifier,
    classifier_identity,
)
from davinci.data_levels.levels.classifiers.judge import Judge, Verdict, batches
from davinci.data_levels.levels.operator import LevelContext, Prepared, Select
from davinci.data_levels.settings import ClassifierSettings

_TRAINING_FILE = "training.json"
_SCORE_FORMAT = ".3f"
_FIELDS = {
    "trained": ("kind", "target", "keep", "min_keep_probability", "labels", "ngram_max"),
    "huggingface": ("kind", "target", "keep", "min_keep_probability", "model"),
    "fasttext": ("kind", "target", "keep", "min_keep_probability", "model"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classify:
    """Keeps the documents that the judge scores at or above the threshold.

    Attributes:
        score_name: What the score is called in a document's meta.
        names_labels: The judge's label and its probability are recorded, too.
    """

    name: str = "classify"
    version: int = LEVEL_VERSIONS["L3"]
    parameters: Mapping[str, Any]
    judge: Judge
    target: str
    min_score: float
    score_name: str = "keep_probability"
    names_labels: bool = False

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield every document with its score, or why it goes; count the labels."""
        judging = self.judge.open()
        for batch in batches(documents):
            for document, verdict in zip(batch, judging(batch), strict=True):
                if self.names_labels:
                    key = f"{self.target}:{verdict.label}"
                    counts[key] = counts.get(key, 0) + 1
                yield self._decide(document, verdict)

    def _decide(self, document: Document, verdict: Verdict) -> Outcome:
        score = format(verdict.score, _SCORE_FORMAT)
        if verdict.score < self.min_score:
            detail = f"{score} ({verdict.label})" if self.names_labels else score
            return Dropped(document, REASONS[self.target], detail)
        meta = {**document.meta, self.score_name: score}
        if self.names_labels:
            meta[self.target] = verdict.label
            meta[f"{self.target}_probability"] = format(verdict.probability, _SCORE_FORMAT)
        return replace(document, meta=meta)


def prepare(context: LevelContext) -> Prepared:
    """Return the level: one operator, which judges by the model that the settings ask for.

    A trained classifier that has too little to learn from keeps every document, and a note says so.

    Raises:
        ValueError: If the settings do not hold, or the model or the labels do not fit them.
    """
    settings = context.settings.classifier
    check_classifier(settings)
    if settings.kind == "trained":
        return _prepare_trained(context)
    from davinci.data_levels.levels.classifiers import pretrained

    if settings.kind == "fasttext":
        judge, note = pretrained.prepare_fasttext(settings)
        return _judged_by(judge, settings, (note,))
    model, note = pretrained.prepare_huggingface(settings)
    return _judged_by(model, settings, (note,), single_output=not model.keep)


def score_recorded(
    before: Document, after: Document, *, score_name: str, label_name: str, min_score: float
) -> str:
    """Check that a document tells the score (and label) that kept it, and that it suffices."""
    score = after.meta.get(score_name)
    if score is None or (label_name and label_name not in after.meta):
        return f"its meta lacks {score_name if score is None else label_name}"
    try:
        value = float(score)
    except ValueError:
        return f"{score_name} is {score!r}, no number"
    # The recorded score is rounded to three decimals.
    return "" if value + 0.0005 >= min_score else f"{score_name} is {score}, below {min_score}"


def _prepare_trained(context: LevelContext) -> Prepared:
    from davinci.data_levels.levels.classifiers.trained import Trained

    settings = context.settings.classifier
    path = context.work / _TRAINING_FILE
    if not path.is_file():
        context.work.mkdir(parents=True, exist_ok=True)
        write_aside(path, orjson.dumps(_train(context)))
    training = orjson.loads(path.read_bytes())
    notes = tuple(training["notes"])
    if not training["fitted"]:
        keep_all = Select(
            name="classify",
            version=LEVEL_VERSIONS["L3"],
            reason=_no_reason,
            parameters=_parameters(settings),
        )
        return Prepared(operators=(keep_all,), strict=True, notes=partial(_notes, notes))
    return _judged_by(Trained(folder=context.work, keep=settings.keep), settings, notes)


def _train(context: LevelContext) -> dict[str, Any]:
    """Fit a classifier and save it; return whether there is one, and the notes."""
    from davinci.data_levels.levels.classifiers.labels import gather_labels
    from davinci.data_levels.levels.classifiers.trained import TooFewLabels, fit

    labels = gather_labels(context)
    try:
        if labels.why_none:
            raise TooFewLabels(labels.why_none)
        documents = read_documents(labels.documents)
        fitted, notes = fit(documents, labels.by_id, context.settings.classifier)
    except TooFewLabels as why:
        return {"fitted": False, "notes": [f"L3 kept every document: {why}.", *labels.notes]}
    fitted.save(context.work)
    return {"fitted": True, "notes": [*notes, *labels.notes]}


def _judged_by(
    judge: Judge,
    settings: ClassifierSettings,
    notes: tuple[str, ...],
    *,
    single_output: bool = False,
) -> Prepared:
    target = settings.target
    names_labels = target != "educational" and not single_output
    operator = Classify(
        parameters=_parameters(settings),
        judge=judge,
        target=target,
        min_score=settings.min_keep_probability,
        score_name=f"{target}_score" if single_output else "keep_probability",
        names_labels=names_labels,
    )
    check = partial(
        score_recorded,
        score_name=operator.score_name,
        label_name=target if names_labels else "",
        min_score=operator.min_score,
    )
    return Prepared(
        operators=(operator,),
        checks={"score_recorded": check},
        strict=True,
        notes=partial(_notes, notes, prefix=f"{target}:"),
    )


def _notes(
    notes: tuple[str, ...], counts: Mapping[str, float], *, prefix: str = ""
) -> tuple[str, ...]:
    """Return the notes, and how often each label was given if that was counted."""
    given = {
        name.removeprefix(prefix): int(num)
        for name, num in sorted(counts.items())
        if prefix and name.startswith(prefix)
    }
    if not given:
        return notes
    told = ", ".join(f"{label} {num}" for label, num in given.items())
    return (*notes, f"L3 {prefix} {told}.")


def _parameters(settings: ClassifierSettings) -> dict[str, Any]:
    """Return the settings that matter, files by their content, wherever they lie."""
    known = classifier_identity(settings)
    return {name: known.get(name, getattr(settings, name)) for name in _FIELDS[settings.kind]}


def _no_reason(document: Document) -> None:
    """Give no reason to drop any document."""
