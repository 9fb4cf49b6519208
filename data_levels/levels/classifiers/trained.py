"""The trained classifier of L3: logistic regression over hashed word n-grams.

A labelled document is judged by the classifier of the fold that it was no part of, so that it fares
like the unlabelled ones, which that of all labels judges.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from scipy.special import expit, softmax
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from davinci.data_levels.corpus import write_aside
from davinci.data_levels.document import Document
from davinci.data_levels.levels.classifiers.judge import (
    Judging,
    Verdict,
    batches,
    encodable,
    verdicts,
)
from davinci.data_levels.settings import ClassifierSettings

MIN_LABELS_PER_CLASS = 10
NUM_FOLDS = 5
MAX_CHARS_READ = 6_000
"""The classifier reads the beginning of a document only, for speed."""

_ARRAYS_FILE, _REST_FILE = "classifier.npz", "classifier.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A trained classifier of C classes and F features.

    Attributes:
        classes: Sorted.
        weights: Shape (C, F), or (1, F) for two classes: then of the second one.
        biases: Shape (C,) or (1,).
        ngram_max: Words in the longest n-gram.
        out_of_fold: Probabilities of the labelled documents, by id, shape (C,) each, from a
            classifier that had not seen the document.
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    ngram_max: int
    out_of_fold: Mapping[str, NDArray[np.float64]]

    def probabilities(self, documents: Sequence[Document]) -> NDArray[np.float64]:
        """Return the probabilities of all classes, shape (D, C)."""
        vectorizer = _vectorizer(self.weights.shape[1], self.ngram_max)
        features_DF = vectorizer.transform(map(_read, documents))
        logits = features_DF @ self.weights.T + self.biases
        if len(self.classes) == 2:
            second_D1 = expit(logits)
            probabilities_DC = np.hstack([1 - second_D1, second_D1])
        else:
            probabilities_DC = softmax(logits, axis=1)
        for row, document in zip(probabilities_DC, documents, strict=True):
            if document.id in self.out_of_fold:
                row[:] = self.out_of_fold[document.id]
        return np.asarray(probabilities_DC)

    def save(self, folder: Path) -> None:
        """Write the arrays, and the rest as JSON; nothing is pickled."""
        file = io.BytesIO()
        unseen = np.array(list(self.out_of_fold.values()))
        np.savez(file, weights=self.weights, biases=self.biases, out_of_fold=unseen)
        write_aside(folder / _ARRAYS_FILE, file.getvalue())
        rest = {"classes": self.classes, "ngram_max": self.ngram_max, "ids": [*self.out_of_fold]}
        write_aside(folder / _REST_FILE, json.dumps(rest).encode("ascii"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` wrote into the folder."""
        rest = json.loads((folder / _REST_FILE).read_bytes())
        with np.load(folder / _ARRAYS_FILE, allow_pickle=False) as arrays:
            return cls(
                classes=tuple(rest["classes"]),
                weights=arrays["weights"],
                biases=arrays["biases"],
                ngram_max=rest["ngram_max"],
                out_of_fold=dict(zip(rest["ids"], arrays["out_of_fold"], strict=True)),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Judges by the classifier that lies in a folder."""

    folder: Path
    keep: tuple[str, ...]

    def open(self) -> Judging:
        """Load the classifier."""
        return partial(_judge, Fitted.load(self.folder), self.keep)


class TooFewLabels(ValueError):
    """There is not enough to learn from."""


def fit(
    documents: Iterable[Document], labels: Mapping[str, str], settings: ClassifierSettings
) -> tuple[Fitted, tuple[str, ...]]:
    """Train on the labelled documents; the same input gives the same classifier.

    A class of fewer than `MIN_LABELS_PER_CLASS` documents is left out.

    Returns:
        The classifier, and sentences on how well it does.

    Raises:
        TooFewLabels: If no class worth keeping is left, or no other.
    """
    names, answers, features_DF = _examples(documents, labels, settings)
    rare = _rare_classes(answers, settings.keep)
    common = ~np.isin(answers, list(rare))
    names, answers, features_DF = [*compress(names, common)], answers[common], features_DF[common]
    model = _logistic_regression(len(np.unique(answers)))
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0)
    # One thread: sums in one order, and for such small matrices faster than several.
    with threadpool_limits(1):
        # Hashing learns nothing from the texts, so the folds may share its output.
        unseen_DC = cross_val_predict(model, features_DF, answers, cv=folds, method="predict_proba")
        model.fit(features_DF, answers)
    fitted = Fitted(
        classes=tuple(model.classes_.tolist()),
        weights=model.coef_,
        biases=model.intercept_,
        ngram_max=settings.ngram_max,
        out_of_fold=dict(zip(names, unseen_DC, strict=True)),
    )
    return fitted, (*_quality(fitted.classes, answers, unseen_DC, settings.keep), *_left_out(rare))


def _examples(
    documents: Iterable[Document], labels: Mapping[str, str], settings: ClassifierSettings
) -> tuple[list[str], NDArray[np.str_], csr_matrix]:
    """Return ids, labels and features of the labelled documents, in order."""
    vectorizer = _vectorizer(settings.num_features, settings.ngram_max)
    names: list[str] = []
    features = [csr_matrix((0, settings.num_features))]
    for batch in batches(document for document in documents if document.id in labels):
        names += [document.id for document in batch]
        features.append(vectorizer.transform(map(_read, batch)))
    answers = [labels[name] for name in names]
    return names, np.array(answers, dtype=str), vstack(features, format="csr")


def _rare_classes(answers: NDArray[np.str_], keep: Sequence[str]) -> dict[str, int]:
    """Return the classes with too few labels to learn from, and how many each has."""
    counted = Counter(answers.tolist())
    largest = [
        max((num for label, num in counted.items() if (label in keep) is worth), default=0)
        for worth in (True, False)
    ]
    if min(largest) < MIN_LABELS_PER_CLASS:
        raise TooFewLabels(
            f"training needs {MIN_LABELS_PER_CLASS} documents of one label worth keeping and as "
            f"many of another, but there are {largest[0]} and {largest[1]}"
        )
    return {label: n for label, n in sorted(counted.items()) if n < MIN_LABELS_PER_CLASS}


def _quality(
    classes: Sequence[str],
    answers: NDArray[np.str_],
    unseen_DC: NDArray[np.float64],
    keep: Sequence[str],
) -> Iterator[str]:
    """Say how well the classifier does on labels that it was not trained on."""
    worth_C = np.isin(classes, list(keep))
    worth_D = np.isin(answers, list(keep))
    right = (unseen_DC[:, worth_C].sum(axis=1) >= 0.5) == worth_D
    commoner = max(worth_D.mean(), 1 - worth_D.mean())
    yield (
        f"L3 classifier: {len(answers)} labels, {worth_D.mean():.1%} of them keep; accuracy "
        f"{right.mean():.1%} in {NUM_FOLDS}-fold cross-validation, {commoner:.1%} by always giving "
        "the commoner answer; labelled documents were judged by the fold that had not seen them."
    )
    if len(classes) > 2:
        named = (np.array(classes)[unseen_DC.argmax(axis=1)] == answers).mean()
        _, counts = np.unique(answers, return_counts=True)
        yield (
            f"L3 classifier: it tells {len(classes)} labels apart and names the right one for "
            f"{named:.1%}; always giving the commonest would for {counts.max() / len(answers):.1%}."
        )


def _left_out(rare: Mapping[str, int]) -> Iterator[str]:
    if rare:
        named = ", ".join(f"{label} ({num})" for label, num in rare.items())
        least = f"fewer than {MIN_LABELS_PER_CLASS} documents"
        yield f"L3 classifier: labels of {least} were left out: {named}."


def _judge(fitted: Fitted, keep: Sequence[str], documents: Sequence[Document]) -> list[Verdict]:
    return verdicts(fitted.probabilities(documents), fitted.classes, keep)


def _logistic_regression(num_classes: int) -> LogisticRegression:
    if num_classes == 2:
        return LogisticRegression(C=10.0, solver="liblinear", random_state=0)
    return LogisticRegression(C=10.0, solver="lbfgs", max_iter=1000)


def _vectorizer(num_features: int, ngram_max: int) -> HashingVectorizer:
    return HashingVectorizer(
        n_features=num_features,
        ngram_range=(1, ngram_max),
        token_pattern=r"\w+|[^\w\s]",
        alternate_sign=False,
    )


def _read(document: Document) -> str:
    return encodable(document.text[:MAX_CHARS_READ])
