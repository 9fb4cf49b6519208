"""L3: learns from labels, drops, never edits; and says so where there is nothing to learn from."""

from davinci.data_levels.document import Document
from davinci.data_levels.levels import l3
from davinci.data_levels.settings import ClassifierSettings

SETTINGS = ClassifierSettings()


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


def test_the_classifier_drops_what_its_labels_call_worthless() -> None:
    documents, labels = make_documents(100)
    known = {name: label for name, label in labels.items() if int(name) < 60}
    [step] = l3.run(documents, known, SETTINGS)
    assert [document.id for document in step.result.kept] == [
        document.id for document in documents if labels[document.id]
    ]
    assert {drop.reason for drop in step.result.dropped} == {"low_quality"}
    assert step.result.edited == 0


def test_texts_stay_and_scores_are_recorded() -> None:
    documents, labels = make_documents(60)
    [step] = l3.run(documents, labels, SETTINGS)
    texts = {document.id: document.text for document in documents}
    assert all(document.text == texts[document.id] for document in step.result.kept)
    assert all(float(document.meta["keep_probability"]) >= 0.5 for document in step.result.kept)
    assert [(i.name, i.checked, i.violations) for i in step.invariants] == [
        ("score_recorded", 30, 0)
    ]


def test_the_notes_tell_labels_accuracy_and_base_rate() -> None:
    documents, labels = make_documents(60)
    [step] = l3.run(documents, labels, SETTINGS)
    assert step.notes == (
        "L3 classifier: 60 labels, 50.0% of them keep; accuracy 100.0% in 5-fold "
        "cross-validation, 50.0% by always giving the commoner answer; labelled documents "
        "were judged by the fold that had not seen them.",
    )


def test_a_labelled_document_does_not_vouch_for_itself() -> None:
    """An advertisement that an annotator took for a lesson is dropped all the same."""
    documents, labels = make_documents(100)
    assert not labels["51"]
    labels["51"] = True
    [step] = l3.run(documents, labels, SETTINGS)
    dropped = {drop.document.id for drop in step.result.dropped}
    assert "51" in dropped
    fitted, _ = l3.fit(documents, labels, SETTINGS)
    assert fitted is not None
    assert set(fitted.out_of_fold) == set(labels)


def test_the_same_labels_give_the_same_scores() -> None:
    documents, labels = make_documents(60)
    first, second = (l3.run(documents, labels, SETTINGS)[0].result for _ in range(2))
    assert first == second


def test_the_threshold_decides() -> None:
    documents, labels = make_documents(60)
    [step] = l3.run(documents, labels, ClassifierSettings(min_keep_probability=0.0))
    assert len(step.result.kept) == 60


def test_without_labels_everything_stays_and_the_notes_say_so() -> None:
    documents, labels = make_documents(60)
    few = {name: label for name, label in labels.items() if int(name) < 18}
    for answers in (None, {}, few, dict.fromkeys(labels, True)):
        [step] = l3.run(documents, answers, SETTINGS)
        assert step.result.kept == documents
        assert step.notes[0].startswith("L3 kept every document: ")
