"""The settings of L3: what cannot work is refused at once, and content decides the identity."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from davinci.data_levels.levels.classifiers.classifier import (
    check_classifier,
    classifier_identity,
    labels_identity,
)
from davinci.data_levels.settings import ClassifierSettings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "train"}, r"'train' \(`data\.classifier\.kind`\).*Did you mean 'trained'"),
        ({"target": "quality"}, r"`data\.classifier\.target`.*educational, domain, document_type"),
        ({"keep": ()}, r"`data\.classifier\.keep` must name a label"),
        ({"min_keep_probability": 1.5}, r"`data\.classifier\.min_keep_probability`.*got 1\.5"),
        ({"min_keep_probability": float("nan")}, r"`data\.classifier\.min_keep_probability`"),
        ({"labels": "nowhere.jsonl"}, r"`data\.classifier\.labels` must.*'nowhere\.jsonl'"),
        ({"labels": ""}, r"`data\.classifier\.labels` must"),
        ({"target": "domain"}, r"`data\.classifier\.labels`=source tells.*`=domain"),
        ({"keep": ("math",)}, r"`data\.classifier\.labels`=source tells.*\['math'\]"),
        ({"model": "owner/name"}, r"`data\.classifier\.model`=owner/name is for"),
        ({"ngram_max": 0}, r"`data\.classifier\.ngram_max` must be at least 1, got 0"),
        ({"num_features": 0}, r"`data\.classifier\.num_features` must be at least 1"),
        ({"num_teacher_labels": 0}, r"`data\.classifier\.num_teacher_labels` must be at least 1"),
        ({"kind": "huggingface"}, r"`data\.classifier\.kind`=huggingface needs `data\.cl.*\.model"),
        ({"kind": "fasttext"}, r"`data\.classifier\.kind`=fasttext needs `data\.classifier\.model"),
        (
            {"kind": "huggingface", "model": "/nowhere/x"},
            r"`data\.classifier\.model` must be a fol",
        ),
        ({"kind": "fasttext", "model": "x.bin"}, r"`data\.classifier\.model` must be the path"),
    ],
)
def test_what_cannot_work_is_refused_by_the_name_of_its_field(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_classifier(ClassifierSettings(**changed))


def test_what_can_work_is_let_through(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("")
    for settings in (
        ClassifierSettings(),
        ClassifierSettings(min_keep_probability=0.0, keep=("keep", "drop")),
        ClassifierSettings(labels=str(labels), target="domain", keep=("math", "code")),
        ClassifierSettings(labels="teacher", target="domain", keep=("math",)),
        ClassifierSettings(kind="huggingface", model="owner/name-1.5", min_keep_probability=3.0),
        ClassifierSettings(kind="huggingface", model="owner/name@v1.0"),
    ):
        check_classifier(settings)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    settings = ClassifierSettings(kind="huggingface", model=str(tmp_path))
    with pytest.raises(ValueError, match="must hold config.json and safetensors"):
        check_classifier(settings)
    (tmp_path / "model.safetensors").write_bytes(b"")
    check_classifier(settings)


def test_defaults_have_no_identity_and_files_count_by_their_content(tmp_path: Path) -> None:
    assert classifier_identity(ClassifierSettings()) == {}
    first, copy, other = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl"))
    first.write_bytes(b"abc")
    copy.write_bytes(b"abc")
    other.write_bytes(b"abd")
    identities = [classifier_identity(ClassifierSettings(labels=str(f))) for f in (first, copy)]
    # The SHA-256 of "abc", from FIPS 180-2.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert labels_identity(ClassifierSettings(labels=str(first))) == digest
    assert identities == [{"labels": f"sha256:{digest}"}] * 2
    assert classifier_identity(ClassifierSettings(labels=str(other))) != identities[0]


def test_a_label_file_that_changes_changes_the_identity(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    settings = ClassifierSettings(labels=str(labels))
    labels.write_bytes(b"one")
    before = labels_identity(settings)
    labels.write_bytes(b"longer")
    assert labels_identity(settings) != before


def test_a_missing_label_file_has_no_identity() -> None:
    with pytest.raises(ValueError, match=r"`data\.classifier\.labels`"):
        classifier_identity(ClassifierSettings(labels="nowhere.jsonl"))


def test_a_model_counts_by_its_files_wherever_it_lies(tmp_path: Path) -> None:
    def identity(folder: Path) -> dict[str, Any]:
        return classifier_identity(ClassifierSettings(kind="huggingface", model=str(folder)))

    folders = [tmp_path / name for name in ("here", "there", "renamed", "retrained")]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_bytes(b"{}")
        name = "weights" if folder.name == "renamed" else "model"
        content = b"other" if folder.name == "retrained" else b"bytes"
        (folder / f"{name}.safetensors").write_bytes(content)
    here, there, renamed, retrained = map(identity, folders)
    assert here == there
    assert here["kind"] == "huggingface"
    assert len({here["model"], renamed["model"], retrained["model"]}) == 3


def test_a_model_of_the_hub_counts_by_its_name() -> None:
    settings = ClassifierSettings(kind="huggingface", model="owner/name")
    assert classifier_identity(settings) == {"kind": "huggingface", "model": "owner/name"}


def test_the_check_imports_nothing_heavy() -> None:
    code = (
        "import sys, davinci.data_levels.levels.classifiers.classifier\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datatrove', 'numpy', 'scipy', 'fasttext'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
