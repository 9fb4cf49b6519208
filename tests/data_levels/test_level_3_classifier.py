"""L3 trained here: learns from labels, drops, never edits; and says so where it cannot learn."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from davinci.data_levels.corpus import part_names, read_documents, read_part, writing_part
from davinci.data_levels.document import Document, Domain, Dropped, Outcome
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l3
from davinci.data_levels.levels.classifiers.trained import Fitted
from davinci.data_levels.levels.operator import LevelContext, Prepared
from davinci.data_levels.settings import ClassifierSettings, LevelSettings
from davinci.data_levels.sources.source import HeldOut, Teacher

SETTINGS = ClassifierSettings()


class Annotated:
    """A source of nothing but the labels that a test gives it; it notes what it was shown."""

    name = "annotated"
    max_level = "L3"

    def __init__(self, answers: Mapping[str, bool] | None) -> None:
        self.answers = answers
        self.shown: list[str] = []

    def num_inputs(self, domain: Domain) -> int:
        return 0

    def acquire(self, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Outcome]:
        return iter(())

    def held_out(self) -> HeldOut:
        return HeldOut(texts={})

    def labels(self, domain: Domain, documents: list[Document]) -> Mapping[str, bool] | None:
        self.shown = [document.id for document in documents]
        return self.answers

    def teacher(self) -> Teacher | None:
        return None


def make_documents(num: int) -> tuple[list[Document], dict[str, bool]]:
    """Return lessons (even numbers, worth keeping) and advertisements (odd ones)."""
    documents, labels = [], {}
    for index in range(num):
        good = index % 2 == 0
        text = (
            f"Lesson {index}: a force is a mass times an acceleration, measured in newtons."
            if good
            else f"Offer {index}: buy the cheapest shoes now, free shipping, click here today!"
        )
        documents.append(Document(id=str(index), domain="science", text=text))
        labels[str(index)] = good
    return documents, labels


def write_parts(documents: Sequence[Document], corpus: Path, size: int) -> Path:
    for number, start in enumerate(range(0, len(documents), size)):
        with writing_part(corpus, f"{number:05d}") as writer:
            for document in documents[start : start + size]:
                writer.write(document)
    return corpus


class Bench:
    """Prepares L3 over a corpus in parts, and runs it as the builder does, in another process."""

    def __init__(self, folder: Path, documents: Sequence[Document], part_size: int = 40) -> None:
        self.corpus = write_parts(documents, folder / "parent", part_size)
        self.work = folder / "work"

    def prepare(
        self,
        labels: Mapping[str, bool] | None,
        settings: ClassifierSettings = SETTINGS,
        workers: int = 1,
    ) -> Prepared:
        context = LevelContext(
            source=Annotated(labels),
            domain="science",
            settings=LevelSettings(classifier=settings),
            parent=self.corpus,
            work=self.work / "prepared",
            engine=Engine(work=self.work, workers=workers),
        )
        return l3.prepare(context)

    def run(self, prepared: Prepared) -> tuple[list[Outcome], dict[str, float]]:
        [operator] = prepared.operators
        outcomes: list[Outcome] = []
        counts: dict[str, float] = {}
        for part in part_names(self.corpus):
            sent = pickle.loads(pickle.dumps(operator))
            outcomes += sent.run(read_part(self.corpus, part), counts)
        return outcomes, counts


def split(outcomes: Sequence[Outcome]) -> tuple[list[Document], list[Dropped]]:
    kept = [outcome for outcome in outcomes if isinstance(outcome, Document)]
    return kept, [outcome for outcome in outcomes if isinstance(outcome, Dropped)]


def test_the_classifier_drops_what_its_labels_call_worthless(tmp_path: Path) -> None:
    documents, labels = make_documents(100)
    known = {name: label for name, label in labels.items() if int(name) < 60}
    bench = Bench(tmp_path, documents)
    kept, dropped = split(bench.run(bench.prepare(known))[0])
    assert [document.id for document in kept] == [d.id for d in documents if labels[d.id]]
    assert {drop.reason for drop in dropped} == {"low_quality"}
    assert all(float(drop.detail) < 0.5 for drop in dropped)


def test_texts_stay_and_scores_are_recorded(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    bench = Bench(tmp_path, documents)
    prepared = bench.prepare(labels)
    kept, _ = split(bench.run(prepared)[0])
    texts = {document.id: document for document in documents}
    assert all(document.text == texts[document.id].text for document in kept)
    assert all(float(document.meta["keep_probability"]) >= 0.5 for document in kept)
    check = prepared.checks["score_recorded"]
    assert prepared.strict
    assert len(kept) == 30
    assert [check(texts[document.id], document) for document in kept] == [""] * 30


def test_a_score_that_is_missing_or_too_low_is_a_violation() -> None:
    def found(**meta: str) -> str:
        before = Document(id="a", domain="math", text="x")
        after = Document(id="a", domain="math", text="x", meta=meta)
        return l3.score_recorded(
            before, after, score_name="keep_probability", label_name="domain", min_score=0.5
        )

    assert found(keep_probability="0.500", domain="math") == ""
    assert found(domain="math") == "its meta lacks keep_probability"
    assert found(keep_probability="0.500") == "its meta lacks domain"
    assert found(keep_probability="high", domain="math") == "keep_probability is 'high', no number"
    assert found(keep_probability="nan", domain="math") == "keep_probability is nan, below 0.5"
    assert found(keep_probability="0.499", domain="math") == "keep_probability is 0.499, below 0.5"


def test_the_notes_tell_labels_accuracy_and_base_rate(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    assert Bench(tmp_path, documents).prepare(labels).notes({}) == (
        "L3 classifier: 60 labels, 50.0% of them keep; accuracy 100.0% in 5-fold "
        "cross-validation, 50.0% by always giving the commoner answer; labelled documents "
        "were judged by the fold that had not seen them.",
    )


def test_a_labelled_document_does_not_vouch_for_itself(tmp_path: Path) -> None:
    """An advertisement that an annotator took for a lesson is dropped all the same."""
    documents, labels = make_documents(100)
    assert not labels["51"]
    labels["51"] = True
    bench = Bench(tmp_path, documents)
    _, dropped = split(bench.run(bench.prepare(labels))[0])
    assert "51" in {drop.document.id for drop in dropped}
    assert set(Fitted.load(bench.work / "prepared").out_of_fold) == set(labels)


def test_scores_are_those_of_logistic_regression_over_hashed_n_grams(tmp_path: Path) -> None:
    """Unlabelled documents by the classifier of all labels, labelled ones by their fold's."""
    documents, labels = make_documents(80)
    known = [document for document in documents if int(document.id) < 60]
    vectorizer = HashingVectorizer(
        n_features=2**16,
        ngram_range=(1, 2),
        token_pattern=r"\w+|[^\w\s]",
        alternate_sign=False,
    )
    features = vectorizer.transform([document.text for document in documents])
    answers = np.array([labels[document.id] for document in known])
    model = LogisticRegression(C=10.0, solver="liblinear", random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    unseen = cross_val_predict(model, features[:60], answers, cv=folds, method="predict_proba")
    seen = model.fit(features[:60], answers).predict_proba(features[60:])
    expected = [f"{probability:.3f}" for probability in [*unseen[:, 1], *seen[:, 1]]]
    bench = Bench(tmp_path, documents)
    prepared = bench.prepare({d.id: labels[d.id] for d in known}, ClassifierSettings())
    outcomes, _ = bench.run(prepared)
    assert [
        outcome.detail if isinstance(outcome, Dropped) else outcome.meta["keep_probability"]
        for outcome in outcomes
    ] == expected


@pytest.mark.parametrize(("part_size", "workers"), [(200, 1), (7, 1), (60, 2)])
def test_parts_and_workers_decide_nothing(tmp_path: Path, part_size: int, workers: int) -> None:
    documents, labels = make_documents(150)
    known = {name: label for name, label in labels.items() if int(name) % 3}
    for name in ("4", "8", "31"):
        known[name] = not known[name]
    whole = Bench(tmp_path / "whole", documents, 150)
    parted = Bench(tmp_path / "parted", documents, part_size)
    expected = whole.run(whole.prepare(known))
    assert parted.run(parted.prepare(known, workers=workers)) == expected


def test_a_build_that_goes_on_does_not_ask_again(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    bench = Bench(tmp_path, documents)
    first = bench.run(bench.prepare(labels))
    again = bench.prepare({name: not label for name, label in labels.items()})
    assert bench.run(again) == first


def test_the_threshold_decides(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    bench = Bench(tmp_path, documents)
    prepared = bench.prepare(labels, ClassifierSettings(min_keep_probability=0.0))
    assert len(split(bench.run(prepared)[0])[0]) == 60


def test_a_document_at_the_threshold_stays(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    bench = Bench(tmp_path, documents)
    bench.prepare(labels)
    scores = Fitted.load(bench.work / "prepared").probabilities(documents)[:, 1].round(6)
    middle = float(sorted(scores)[45])
    prepared = bench.prepare(labels, ClassifierSettings(min_keep_probability=middle))
    kept, _ = split(bench.run(prepared)[0])
    assert len(kept) == sum(scores >= middle) >= 1


def test_a_document_that_no_encoding_can_hold_is_judged(tmp_path: Path) -> None:
    documents, labels = make_documents(60)
    odd = Document(id="odd", domain="science", text="A force is a mass \ud800 times newtons.")
    bench = Bench(tmp_path, [*documents, odd, Document(id="empty", domain="science", text="")])
    kept, dropped = split(bench.run(bench.prepare(labels))[0])
    assert odd.text in {document.text for document in kept}
    assert len(kept) + len(dropped) == 62


@pytest.mark.parametrize("answers", [None, {}, "few", "all"])
def test_without_labels_everything_stays_and_the_notes_say_so(
    tmp_path: Path, answers: object
) -> None:
    documents, labels = make_documents(60)
    few = {name: label for name, label in labels.items() if int(name) < 18}
    given = {"few": few, "all": dict.fromkeys(labels, True)}.get(str(answers), answers)
    bench = Bench(tmp_path, documents)
    prepared = bench.prepare(given)  # type: ignore[arg-type]
    assert split(bench.run(prepared)[0]) == (documents, [])
    assert prepared.checks == {}
    assert prepared.notes({})[0].startswith("L3 kept every document: ")


def test_the_sample_shown_to_a_source_is_in_corpus_order(tmp_path: Path) -> None:
    documents, labels = make_documents(2_100)
    bench = Bench(tmp_path, documents, 300)
    source = Annotated(labels)
    context = LevelContext(
        source=source,
        domain="science",
        settings=LevelSettings(),
        parent=bench.corpus,
        work=bench.work / "prepared",
        engine=Engine(work=bench.work),
    )
    l3.prepare(context)
    assert len(source.shown) == 2_000
    assert sorted(source.shown, key=int) == source.shown
    assert [d.id for d in read_documents(context.work / "label_documents")] == source.shown
