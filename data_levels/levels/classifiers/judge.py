"""What the judges of L3 have in common: a verdict on every document of a batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.document import Document

MAX_BATCH_DOCUMENTS = 256
MAX_BATCH_CHARS = 4_000_000
DECIMALS = 6
"""Scores are rounded, so that a last-bit difference between machines decides about no document."""


class Verdict(NamedTuple):
    """What a judge says of one document.

    `score` is compared with the threshold: the summed probability of the labels worth keeping, or
    the single output of a model without labels, in its own units. `label` is the most probable
    label, with its `probability`; "" where there are none.
    """

    score: float
    label: str = ""
    probability: float = 0.0


Judging = Callable[[Sequence[Document]], list[Verdict]]
"""Returns one verdict for every document, each judged by itself, in order."""


class Judge(Protocol):
    """Knows where its model is; holds none, so that it can be sent to another process."""

    def open(self) -> Judging:
        """Load the model."""


def verdicts(
    probabilities_DC: NDArray[np.floating], classes: Sequence[str], keep: Sequence[str]
) -> list[Verdict]:
    """Return verdicts from the probabilities of D documents to be of each of C classes."""
    rounded_DC = np.round(probabilities_DC.astype(np.float64), DECIMALS)
    worthy = [classes.index(label) for label in classes if label in keep]
    scores_D = np.round(rounded_DC[:, worthy].sum(axis=1), DECIMALS)
    best_D = rounded_DC.argmax(axis=1)
    return [
        Verdict(float(score), classes[best], float(row[best]))
        for score, best, row in zip(scores_D, best_D, rounded_DC, strict=True)
    ]


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield the documents in batches of bounded number and length."""
    batch: list[Document] = []
    num_chars = 0
    for document in documents:
        batch.append(document)
        num_chars += len(document.text)
        if len(batch) == MAX_BATCH_DOCUMENTS or num_chars >= MAX_BATCH_CHARS:
            yield batch
            batch, num_chars = [], 0
    if batch:
        yield batch


def encodable(text: str) -> str:
    """Return the text with lone surrogates, which no model can read, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def check_keep(keep: Sequence[str], classes: Sequence[str], whose: str) -> None:
    """Raise unless every label worth keeping is one that the model gives.

    Raises:
        ValueError: It names the unknown label and the known ones.
    """
    unknown = [label for label in keep if label not in classes]
    if unknown:
        known = ", ".join(sorted(classes)[:30]) or "none"
        raise ValueError(
            f"`data.classifier.keep` names {unknown[0]!r}, which is no label of {whose}; "
            f"known: {known}."
        )
