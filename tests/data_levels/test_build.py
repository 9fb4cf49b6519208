"""Building corpora level by level: counts add up, digests are stable, rules are measured."""

import hashlib
import json
from pathlib import Path

import pytest

from davinci.data_levels.build import build_corpus, level_identity
from davinci.data_levels.corpus import content_digest, read_documents
from davinci.data_levels.document import LEVELS, Document
from davinci.data_levels.manifest import Manifest, read_manifest
from davinci.data_levels.settings import (
    ClassifierSettings,
    LevelSettings,
    RuleSettings,
    TeacherSettings,
)
from davinci.data_levels.source import SourceSettings

SETTINGS = LevelSettings()
NOT_COMPARED = "The documents were not compared with held-out data: none was given."


def write_source(folder: Path) -> SourceSettings:
    """Write 60 general documents: some short, doubled or foreign, most of them fine."""
    rows = []
    for n in range(60):
        text = (
            f"<html><body><nav>Home | About</nav><main><p>Note {n} is about the mill number {n} "
            f"that was built at the river in the year {1700 + n} by the miller of the town.</p>"
            f"<p>It {'grinds' if n % 3 else 'used to grind'} the grain of farm {n * 7}.</p></main>"
        )
        rows.append({"id": f"mill-{n}", "text": text, "format": "html", "url": f"u/{n}"})
    rows.append({"id": "short", "text": "Too short.", "format": "text"})
    rows.append({"id": "double", "text": rows[0]["text"], "format": "html"})
    rows.append({"id": "empty", "text": "<html></html>", "format": "html"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "general.jsonl").write_text(lines, encoding="utf-8")
    return SourceSettings(name="files", options={"path": str(folder), "held_out_frac": 0.1})


def build_chain(source: SourceSettings, out: Path, top: str = "L3") -> dict[str, Manifest]:
    manifests: dict[str, Manifest] = {}
    parent = None
    for level in LEVELS[: LEVELS.index(top) + 1]:
        manifests[level] = build_corpus(
            source, "general", level, SETTINGS, parent=parent, out=out / level
        )
        parent = out / level
    return manifests


@pytest.fixture
def source(tmp_path: Path) -> SourceSettings:
    (tmp_path / "data").mkdir()
    return write_source(tmp_path / "data")


def test_documents_in_are_documents_out_and_dropped_by_reason(
    source: SourceSettings, tmp_path: Path
) -> None:
    manifests = build_chain(source, tmp_path)
    for level, manifest in manifests.items():
        for step in manifest.steps:
            assert step.documents_in == step.documents_out + sum(step.dropped.values())
        for before, after in zip(manifest.steps, manifest.steps[1:], strict=False):
            assert before.documents_out == after.documents_in
        documents = list(read_documents(tmp_path / level))
        assert manifest.documents_out == len(documents)
        assert manifest.bytes_out == sum(len(d.text.encode()) for d in documents)
        assert manifest.digest == content_digest(documents)
        assert manifest == read_manifest(tmp_path / level)
    assert manifests["L0"].documents_out == manifests["L1"].documents_out
    dropped = {r: n for step in manifests["L2"].steps for r, n in step.dropped.items()}
    assert dropped["too_short"] == 2
    assert "exact_duplicate" in dropped


def test_every_level_keeps_its_own_rules(source: SourceSettings, tmp_path: Path) -> None:
    manifests = build_chain(source, tmp_path)
    names = {level: [i.name for i in manifest.invariants] for level, manifest in manifests.items()}
    assert names == {
        "L0": ["unique_ids", "provenance"],
        "L1": ["same_ids"],
        "L2": ["subset", "text_unchanged"],
        "L3": ["subset", "text_unchanged"],
    }
    invariants = [i for manifest in manifests.values() for i in manifest.invariants]
    assert all(i.checked > 0 and i.violations == 0 for i in invariants)
    assert manifests["L3"].notes == (
        "L3 kept every document: the source has no labels for this domain.",
        NOT_COMPARED,
    )


def test_two_builds_give_the_same_bytes(source: SourceSettings, tmp_path: Path) -> None:
    first, second = (build_chain(source, tmp_path / name) for name in ("a", "b"))
    for level in first:
        assert first[level].digest == second[level].digest
        files = [tmp_path / name / level / "documents.jsonl" for name in ("a", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_samples_show_every_reason_and_documents_before_and_after(
    source: SourceSettings, tmp_path: Path
) -> None:
    manifests = build_chain(source, tmp_path)
    assert all(0 < len(manifest.samples) <= 20 for manifest in manifests.values())
    shown = {sample.reason: sample for sample in manifests["L2"].samples}
    assert {"", "too_short", "exact_duplicate"} <= set(shown)
    assert shown["too_short"].after == ""
    edited = manifests["L1"].samples[0]
    assert "<html>" in edited.before
    assert "<html>" not in edited.after


def test_digest_is_over_lengths_ids_and_texts() -> None:
    document = Document(id="ab", domain="math", text="é")
    expected = hashlib.sha256(
        (2).to_bytes(8, "little") + b"ab" + (2).to_bytes(8, "little") + b"\xc3\xa9"
    )
    assert content_digest([document]) == expected.hexdigest()


def test_a_domain_that_the_source_lacks_gives_an_empty_corpus_with_a_note(
    source: SourceSettings, tmp_path: Path
) -> None:
    parent = None
    for level in ("L0", "L1", "L2", "L3"):
        manifest = build_corpus(
            source, "qa", level, SETTINGS, parent=parent, out=tmp_path / "qa" / level
        )
        parent = tmp_path / "qa" / level
        assert (manifest.documents_in, manifest.documents_out) == (0, 0)
    assert read_manifest(tmp_path / "qa" / "L0").notes == (
        "The source 'files' has no qa documents.",
        NOT_COMPARED,
    )


def test_a_level_without_a_teacher_names_the_fields(source: SourceSettings, tmp_path: Path) -> None:
    build_chain(source, tmp_path, "L1")
    with pytest.raises(ValueError, match=r"data\.teacher\.kind"):
        build_corpus(source, "general", "L4", SETTINGS, parent=tmp_path / "L1", out=tmp_path / "L4")
    assert not (tmp_path / "L4").exists()


def test_the_microworld_reaches_the_deepest_level_and_names_its_teacher(tmp_path: Path) -> None:
    manifests = build_chain(SourceSettings(name="microworld", documents=120), tmp_path, "L5")
    assert manifests["L3"].teacher == ""
    assert "not a language model" in manifests["L5"].teacher
    assert all(i.violations == 0 for m in manifests.values() for i in m.invariants)


@pytest.mark.parametrize(("level", "has_parent"), [("L0", True), ("L2", False), ("L11", True)])
def test_wrong_levels_and_parents_are_refused(
    source: SourceSettings, tmp_path: Path, level: str, has_parent: bool
) -> None:
    with pytest.raises(ValueError, match="L0"):
        build_corpus(
            source,
            "general",
            level,
            SETTINGS,
            parent=tmp_path if has_parent else None,
            out=tmp_path / "out",
        )


def test_a_level_is_identified_by_the_settings_that_it_uses() -> None:
    changed = LevelSettings(
        rules=RuleSettings(min_chars=7),
        classifier=ClassifierSettings(ngram_max=3),
        teacher=TeacherSettings(
            kind="endpoint", base_url="http://h/v1", model="m", api_key_env="SECRET"
        ),
    )
    assert level_identity("L1", changed) == level_identity("L1", SETTINGS)
    assert level_identity("L2", SETTINGS) == {"level": "L2", "version": 1, "rules": {}}
    assert level_identity("L2", changed)["rules"] == {"min_chars": 7}
    assert level_identity("L3", changed)["classifier"] == {"ngram_max": 3}
    assert level_identity("L4", SETTINGS)["teacher"] == {"kind": "source"}
    assert level_identity("L5", changed)["teacher"] == {
        "kind": "endpoint",
        "base_url": "http://h/v1",
        "model": "m",
        "prompt": "complete_v1",
    }
    with pytest.raises(ValueError, match=r"L11.*data\.level.*L0, L1, L2, L3, L4, L5"):
        level_identity("L11", SETTINGS)
