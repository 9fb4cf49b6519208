"""Where L3's labels come from: a bounded sample by hash, files with faults, and a source."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from davinci.data_levels.corpus import hash_order, read_documents, writing_part
from davinci.data_levels.document import Document
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l3
from davinci.data_levels.levels.classifiers import labels
from davinci.data_levels.levels.operator import LevelContext
from davinci.data_levels.settings import ClassifierSettings, LevelSettings
from davinci.data_levels.sources.microworld.plan import document_id
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.pylib.source import Pylib
from davinci.data_levels.sources.source import Source, SourceSettings

MICROWORLD = Microworld(SourceSettings(name="microworld", documents=120))


def context(
    folder: Path,
    documents: Sequence[Document],
    settings: ClassifierSettings | None = None,
    *,
    source: Source = MICROWORLD,
    part_size: int = 50,
) -> LevelContext:
    corpus = folder / "parent"
    for number, start in enumerate(range(0, len(documents), part_size)):
        with writing_part(corpus, f"{number:05d}") as writer:
            for document in documents[start : start + part_size]:
                writer.write(document)
    return LevelContext(
        source=source,
        domain="math",
        settings=LevelSettings(classifier=settings or ClassifierSettings()),
        parent=corpus,
        work=folder / "work",
        engine=Engine(work=folder / "work"),
    )


def numbered(num: int) -> list[Document]:
    return [
        Document(
            id=f"d{index}",
            domain="math",
            text=f"Theorem {index} follows." if index % 3 else f"Buy {index} shoes.",
            meta={"path": f"a/b{index}.py"},
        )
        for index in range(num)
    ]


def write_labels(path: Path, rows: Sequence[object]) -> ClassifierSettings:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return ClassifierSettings(labels=str(path))


@pytest.mark.parametrize("part_size", [13, 50, 1000])
def test_the_sample_is_that_of_the_smallest_hashes_in_corpus_order(
    tmp_path: Path, part_size: int
) -> None:
    documents = numbered(200)
    folder, num = labels.smallest_documents(context(tmp_path, documents, part_size=part_size), 30)
    ranked = sorted(documents, key=lambda document: hash_order("labels", document.id))
    chosen = {document.id for document in ranked[:30]}
    assert num == 200
    assert list(read_documents(folder)) == [d for d in documents if d.id in chosen]


def test_a_small_corpus_is_the_sample(tmp_path: Path) -> None:
    documents = numbered(20)
    folder, num = labels.smallest_documents(context(tmp_path, documents, part_size=7), 30)
    assert (list(read_documents(folder)), num) == (documents, 20)


def test_an_empty_corpus_has_no_sample(tmp_path: Path) -> None:
    with writing_part(tmp_path / "parent", "00000"):
        pass
    prepared = l3.prepare(context(tmp_path, []))
    assert prepared.notes({})[0].startswith("L3 kept every document: training needs 10 documents")


def test_pylib_labels_the_same_documents_whether_it_sees_all_or_the_sample(tmp_path: Path) -> None:
    documents = numbered(2_300)
    source = Pylib(SourceSettings(name="pylib"))
    found = labels.gather_labels(context(tmp_path, documents, source=source, part_size=700))
    shown = list(read_documents(found.documents))
    assert len(shown) == 2_000
    assert len(found.by_id) == 400
    whole = {name: "keep" if worth else "drop" for name, worth in
             source.labels("math", documents).items()}  # fmt: skip
    assert found.by_id == whole
    assert found.notes == tuple(source.label_notes())


def test_the_microworld_labels_the_same_documents_as_from_the_whole_corpus(tmp_path: Path) -> None:
    documents = [
        Document(id=document_id("math", number), domain="math", text="x") for number in range(120)
    ]
    assert len(MICROWORLD.labels("math", documents)) == 60
    found = labels.gather_labels(context(tmp_path, documents, part_size=50))
    assert {name: label == "keep" for name, label in found.by_id.items()} == dict(
        MICROWORLD.labels("math", documents)
    )


def test_a_file_of_labels_teaches_the_classifier(tmp_path: Path) -> None:
    documents = numbered(90)
    rows = [{"id": d.id, "label": "shop" if "Buy" in d.text else "lecture"} for d in documents[:60]]
    write_labels(tmp_path / "labels.jsonl", rows)
    settings = ClassifierSettings(
        labels=str(tmp_path / "labels.jsonl"), target="document_type", keep=("lecture",)
    )
    prepared = l3.prepare(context(tmp_path, documents, settings))
    [operator] = prepared.operators
    digest = hashlib.sha256((tmp_path / "labels.jsonl").read_bytes()).hexdigest()
    assert operator.parameters["labels"] == f"sha256:{digest}"
    counts: dict[str, float] = {}
    outcomes = list(operator.run(documents, counts))
    kept = [outcome for outcome in outcomes if isinstance(outcome, Document)]
    assert [d.id for d in kept] == [d.id for d in documents if "Theorem" in d.text]
    assert {d.meta["document_type"] for d in kept} == {"lecture"}
    assert counts == {"document_type:lecture": 60, "document_type:shop": 30}
    notes = prepared.notes(counts)
    assert notes[0].startswith("L3 classifier: 60 labels, 66.7% of them keep; accuracy 100.0%")
    assert notes[1] == (
        "L3 label file labels.jsonl: 60 labels of documents of this corpus; 0 of unknown ids, "
        "0 overruled by a later line, 0 lines that are no label."
    )
    assert notes[2] == "L3 document_type: lecture 60, shop 30."


def test_faults_of_a_label_file_are_counted(tmp_path: Path) -> None:
    rows: list[object] = [{"id": f"d{n}", "label": "keep" if n % 3 else "drop"} for n in range(40)]
    rows += [{"id": "d0", "label": "keep"}, {"id": "stranger", "label": "keep"}]
    rows += ["", "{", "[1]", {"id": 5, "label": "keep"}, {"id": "d41"}, {"id": "d42", "label": ""}]
    settings = write_labels(tmp_path / "labels.jsonl", rows)
    found = labels.gather_labels(context(tmp_path, numbered(60), settings))
    assert found.by_id["d0"] == "keep"
    assert [d.id for d in read_documents(found.documents)] == [f"d{n}" for n in range(40)]
    assert found.notes == (
        "L3 label file labels.jsonl: 40 labels of documents of this corpus; 1 of unknown ids, "
        "1 overruled by a later line, 5 lines that are no label.",
    )


def test_more_labels_than_can_be_learned_from_are_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MAX_LABELLED", 25)
    documents = numbered(60)
    rows = [{"id": d.id, "label": "keep"} for d in documents[:40]]
    found = labels.gather_labels(
        context(tmp_path, documents, write_labels(tmp_path / "labels.jsonl", rows))
    )
    ranked = sorted(documents[:40], key=lambda document: hash_order("labels", document.id))
    chosen = {document.id for document in ranked[:25]}
    assert {document.id for document in read_documents(found.documents)} == chosen
    assert found.notes[1] == "L3 learned from 25 of them, chosen by their hash."


def test_a_file_without_a_label_of_the_corpus_is_an_error(tmp_path: Path) -> None:
    settings = write_labels(tmp_path / "labels.jsonl", [{"id": "x", "label": "keep"}, "nonsense"])
    with pytest.raises(ValueError, match=r"`data\.classifier\.labels`=.*none of its 1 labels"):
        l3.prepare(context(tmp_path, numbered(60), settings))


def test_labels_that_nobody_gave_cannot_be_kept(tmp_path: Path) -> None:
    settings = write_labels(tmp_path / "labels.jsonl", [{"id": "d1", "label": "good"}])
    with pytest.raises(ValueError, match=r"`data\.classifier\.keep` names 'keep', .* known: good"):
        l3.prepare(context(tmp_path, numbered(60), settings))
