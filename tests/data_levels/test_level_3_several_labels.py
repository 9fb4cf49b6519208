"""L3 trained on more than two labels: the probabilities of those worth keeping are added."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from davinci.data_levels.document import Document
from davinci.data_levels.levels.classifiers.judge import Verdict, verdicts
from davinci.data_levels.levels.classifiers.trained import fit
from davinci.data_levels.settings import ClassifierSettings


def make_pages(num: int) -> tuple[list[Document], dict[str, str]]:
    """Return papers, forum threads and shop pages in turns, and what each is."""
    words = {
        "paper": "we prove the theorem of convergence under bounded variance",
        "forum": "thanks for your reply I tried that and it does not work",
        "shop": "add to cart and get free shipping on all orders today",
    }
    kinds = [tuple(words)[index % 3] for index in range(num)]
    documents = [
        Document(id=f"p{index}", domain="general", text=f"{words[kind]} {index}")
        for index, kind in enumerate(kinds)
    ]
    return documents, {d.id: kind for d, kind in zip(documents, kinds, strict=True)}


def test_several_labels_may_be_worth_keeping() -> None:
    documents, labels = make_pages(90)
    settings = ClassifierSettings(target="document_type", keep=("paper", "forum"))
    fitted, notes = fit(documents[:60], labels, settings)
    assert fitted.classes == ("forum", "paper", "shop")
    assert notes[0].startswith("L3 classifier: 60 labels, 66.7% of them keep; accuracy 100.0% in")
    assert notes[1] == (
        "L3 classifier: it tells 3 labels apart and names the right one for 100.0%; always giving "
        "the commonest would for 33.3%."
    )
    probabilities = fitted.probabilities(documents)
    assert probabilities.shape == (90, 3)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    vectorizer = HashingVectorizer(
        n_features=2**16, ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", alternate_sign=False
    )
    features = vectorizer.transform([document.text for document in documents])
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(features[:60], [labels[document.id] for document in documents[:60]])
    assert probabilities[60:] == pytest.approx(model.predict_proba(features[60:]), abs=1e-9)


def test_a_label_that_hardly_occurs_is_left_out() -> None:
    documents, labels = make_pages(90)
    labels |= dict.fromkeys(("p0", "p3", "p6"), "thesis")
    fitted, notes = fit(documents, labels, ClassifierSettings(keep=("paper", "thesis")))
    assert fitted.classes == ("forum", "paper", "shop")
    assert "p0" not in fitted.out_of_fold
    assert notes[-1] == (
        "L3 classifier: labels of fewer than 10 documents were left out: thesis (3)."
    )


def test_scores_are_sums_over_the_labels_worth_keeping() -> None:
    rows = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    assert verdicts(rows, ("forum", "paper", "shop"), ("shop", "paper")) == [
        Verdict(score=0.8, label="paper", probability=0.5),
        Verdict(score=0.4, label="forum", probability=0.6),
    ]
