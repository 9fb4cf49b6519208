"""L3 learns from labels that a teacher gave: a bounded sample, asked once, its word recorded."""

from pathlib import Path

import pytest
from tests.openai_server import OpenAIServer

from davinci.data_levels.corpus import hash_order, write_documents
from davinci.data_levels.document import Document
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l3
from davinci.data_levels.levels.classifiers import labels
from davinci.data_levels.levels.operator import LevelContext
from davinci.data_levels.settings import ClassifierSettings, LevelSettings, TeacherSettings
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.source import SourceSettings

DOCUMENTS = [
    Document(
        id=f"d{n}",
        domain="general",
        text="good words of many kinds" if n % 2 else "bad bad bad",
        meta={"source": "test"},
    )
    for n in range(120)
]


def context(
    folder: Path, server: OpenAIServer | None, classifier: ClassifierSettings
) -> LevelContext:
    if not (folder / "parent").exists():
        write_documents(DOCUMENTS, folder / "parent")
    teacher = TeacherSettings()
    if server is not None:
        teacher = TeacherSettings(
            kind="endpoint",
            base_url=server.base_url,
            model="m",
            cache_dir=str(folder / "cache"),
            first_wait_s=0.01,
            timeout_s=1.0,
        )
    return LevelContext(
        source=Microworld(SourceSettings(name="microworld")),
        domain="general",
        settings=LevelSettings(classifier=classifier, teacher=teacher),
        parent=folder / "parent",
        work=folder / "work",
        engine=Engine(work=folder / "work"),
    )


def test_a_teachers_labels_decide_what_the_classifier_keeps(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    asked = context(
        tmp_path, openai_server, ClassifierSettings(labels="teacher", num_teacher_labels=60)
    )
    prepared = l3.prepare(asked)
    # The server scores a text by its distinct words: five of them, or one; from 3 on it is kept.
    outcomes = list(prepared.operators[0].run(iter(DOCUMENTS), {}))
    kept = [o.id for o in outcomes if isinstance(o, Document)]
    assert kept == [d.id for d in DOCUMENTS if d.text.startswith("good")]
    notes = " ".join(prepared.notes({}))
    assert "60 of 60 documents; 0 answers gave no verdict" in notes
    assert "m at 127.0.0.1" in notes


def test_the_sample_is_that_of_the_smallest_hashes_and_is_asked_once(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.faulty = True
    settings = ClassifierSettings(labels="teacher", num_teacher_labels=30)
    first = labels.gather_labels(context(tmp_path, openai_server, settings))
    expected = sorted(DOCUMENTS, key=lambda d: hash_order("labels", d.id))[:30]
    assert set(first.by_id) == {d.id for d in expected}
    again = labels.gather_labels(context(tmp_path, openai_server, settings))
    assert again.by_id == first.by_id
    assert set(openai_server.delivered.values()) == {1}


def test_other_targets_have_labels_of_their_own(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    settings = ClassifierSettings(
        labels="teacher", target="document_type", keep=("article",), num_teacher_labels=30
    )
    found = labels.gather_labels(context(tmp_path, openai_server, settings))
    assert set(found.by_id.values()) == {"article"}
    wrong = ClassifierSettings(labels="teacher", target="document_type", keep=("articles",))
    with pytest.raises(ValueError, match=r"data\.classifier\.keep.*'articles'.*article"):
        labels.gather_labels(context(tmp_path, openai_server, wrong))


def test_labels_of_a_teacher_need_a_language_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.classifier\.labels.*data\.teacher\.kind"):
        labels.gather_labels(context(tmp_path, None, ClassifierSettings(labels="teacher")))
