"""L3, light model: a classifier trained on the source's labels drops documents; it never edits.

Logistic regression over hashed word n-grams. A labelled document is judged by the classifier of the
fold that it was no part of, so that it fares like the unlabelled ones, which that of all labels
judges. What it learned from, how well it does on labels it was not trained on, and how often "keep"
is the right answer anyway stand in the manifest's notes.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

from davinci.data_levels.document import Document, Dropped, StepResult
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.step import StepRun
from davinci.data_levels.manifest import Invariant
from davinci.data_levels.settings import ClassifierSettings

MIN_LABELS_PER_CLASS = 10
NUM_FOLDS = 5
MAX_CHARS_READ = 6_000
"""The classifier reads the beginning of a document only, for speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A trained classifier and what is known of it; `accuracy` is from cross-validation.

    `out_of_fold` holds the probabilities of the labelled documents, by id, each from a classifier
    that had not seen the document.
    """

    pipeline: Pipeline
    out_of_fold: Mapping[str, float]
    num_labels: int
    keep_frac: float
    accuracy: float


def run(
    documents: Sequence[Document],
    labels: Mapping[str, bool] | None,
    settings: ClassifierSettings,
) -> list[StepRun]:
    """Return the one step of L3; without labels to learn from, it keeps everything and says so."""
    started = time.perf_counter()
    fitted, why_not = fit(documents, labels, settings)
    if fitted is None:
        notes = (f"L3 kept every document: {why_not}.",)
        return [_step(StepResult(list(documents), [], 0), started, (), notes)]
    result = drop_unworthy(documents, fitted, settings)
    without = sum("keep_probability" not in document.meta for document in result.kept)
    recorded = Invariant(name="score_recorded", checked=len(result.kept), violations=without)
    base_accuracy = max(fitted.keep_frac, 1 - fitted.keep_frac)
    note = (
        f"L3 classifier: {fitted.num_labels} labels, {fitted.keep_frac:.1%} of them keep; "
        f"accuracy {fitted.accuracy:.1%} in {NUM_FOLDS}-fold cross-validation, "
        f"{base_accuracy:.1%} by always giving the commoner answer; labelled documents were "
        "judged by the fold that had not seen them."
    )
    return [_step(result, started, (recorded,), (note,))]


def fit(
    documents: Sequence[Document],
    labels: Mapping[str, bool] | None,
    settings: ClassifierSettings,
) -> tuple[Fitted | None, str]:
    """Train on the labelled documents; the same input gives the same classifier.

    Returns:
        The classifier and "", or None and why there is none.
    """
    if labels is None:
        return None, "the source has no labels for this domain"
    labelled = [document for document in documents if document.id in labels]
    answers = np.array([labels[document.id] for document in labelled], dtype=bool)
    smaller = min(int(answers.sum()), int((~answers).sum()))
    if smaller < MIN_LABELS_PER_CLASS:
        return None, (
            f"training needs {MIN_LABELS_PER_CLASS} labelled documents to keep and as many to "
            f"drop, the smaller class has {smaller}"
        )
    texts = [_read(document) for document in labelled]
    pipeline = _pipeline(settings)
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0)
    # Hashing learns nothing from the texts, so the folds may share its output.
    features = pipeline[0].transform(texts)
    # Classes are sorted, False before True: the second column is the probability to keep.
    unseen = cross_val_predict(pipeline[1], features, answers, cv=folds, method="predict_proba")[
        :, 1
    ]
    pipeline[1].fit(features, answers)
    fitted = Fitted(
        pipeline=pipeline,
        out_of_fold={d.id: float(p) for d, p in zip(labelled, unseen, strict=True)},
        num_labels=len(labelled),
        keep_frac=float(answers.mean()),
        accuracy=float(((unseen >= 0.5) == answers).mean()),
    )
    return fitted, ""


def drop_unworthy(
    documents: Sequence[Document], fitted: Fitted, settings: ClassifierSettings
) -> StepResult:
    """Drop documents below the probability; the others carry it as `meta["keep_probability"]`."""
    kept: list[Document] = []
    dropped: list[Dropped] = []
    for document, probability in zip(documents, _scores(documents, fitted), strict=True):
        meta = {**document.meta, "keep_probability": f"{probability:.3f}"}
        scored = replace(document, meta=meta)
        if probability < settings.min_keep_probability:
            dropped.append(Dropped(scored, "low_quality"))
        else:
            kept.append(scored)
    return StepResult(kept, dropped, 0)


def _scores(documents: Sequence[Document], fitted: Fitted) -> NDArray[np.float64]:
    """Return the probability of being worth keeping, shape (D,)."""
    texts = [_read(document) for document in documents]
    keep_column = list(fitted.pipeline.classes_).index(True)
    # Rounded so that a last-bit difference between machines does not decide about a document.
    probabilities: NDArray[np.float64] = fitted.pipeline.predict_proba(texts)[:, keep_column]
    unseen = [
        fitted.out_of_fold.get(document.id, probability)
        for document, probability in zip(documents, probabilities, strict=True)
    ]
    return np.round(unseen, 6)


def _pipeline(settings: ClassifierSettings) -> Pipeline:
    vectorizer = HashingVectorizer(
        n_features=settings.num_features,
        ngram_range=(1, settings.ngram_max),
        token_pattern=r"\w+|[^\w\s]",
        alternate_sign=False,
    )
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, solver="liblinear", random_state=0))


def _read(document: Document) -> str:
    return document.text[:MAX_CHARS_READ]


def _step(
    result: StepResult,
    started: float,
    invariants: tuple[Invariant, ...],
    notes: tuple[str, ...],
) -> StepRun:
    return StepRun(
        name="classify",
        version=LEVEL_VERSIONS["L3"],
        result=result,
        seconds=time.perf_counter() - started,
        invariants=invariants,
        notes=notes,
    )
