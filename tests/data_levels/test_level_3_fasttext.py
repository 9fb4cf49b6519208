"""L3 with fastText models: files written by hand, probabilities worked out by hand."""

import importlib.util
import math
import struct
import sys
from pathlib import Path

import fasttext  # type: ignore[import-untyped]
import pytest

from davinci.data_levels.corpus import read_documents, write_documents
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l3
from davinci.data_levels.levels.classifiers import pretrained
from davinci.data_levels.levels.operator import LevelContext, Prepared
from davinci.data_levels.settings import ClassifierSettings, LevelSettings
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.source import SourceSettings

WORDS = ("force", "mass", "lesson", "proof", "buy", "shoes", "offer", "click")
DOCUMENTS = [
    Document(
        id=f"d{index}",
        domain="general",
        text=" ".join(WORDS[(index * k + k * k) % 8] for k in range(1, 1 + index * 7 % 30)),
    )
    for index in range(70)
]

LABELS = ("__label__hq", "__label__cc")


def write_fasttext(path: Path, *, model: int = 3) -> Path:
    """Write a fastText model of two labels over four words and the end of a line.

    `force` and `mass` speak for `hq`, `buy` and `shoes` for `cc`; the rest is not known. Vectors
    have two dimensions; the output of a label is 4 times its own dimension.

    Source: fastText 0.9.2, `FastText::saveModel`: a header, `Args`, `Dictionary`, two matrices.
    """
    rows = {
        "</s>": (0.0, 0.0),
        "force": (1.0, 0.0),
        "mass": (1.0, 0.0),
        "buy": (0.0, 1.0),
        "shoes": (0.0, 1.0),
    }
    parts = [struct.pack("<2i", 793712314, 12)]
    # dim, ws, epoch, minCount, neg, wordNgrams, loss (softmax), model, bucket, minn, maxn, rate
    parts.append(struct.pack("<12id", 2, 5, 5, 1, 5, 1, 3, model, 0, 0, 0, 100, 1e-4))
    entries = [(word, 0) for word in rows] + [(label, 1) for label in LABELS]
    parts.append(struct.pack("<3i2q", len(entries), len(rows), len(LABELS), 100, -1))
    parts += [name.encode() + b"\0" + struct.pack("<qb", 10, kind) for name, kind in entries]
    for matrix in (list(rows.values()), [(4.0, 0.0), (0.0, 4.0)]):
        values = [value for row in matrix for value in row]
        parts.append(struct.pack("<?2q", False, len(matrix), 2))
        parts.append(struct.pack(f"<{len(values)}f", *values))
    path.write_bytes(b"".join(parts))
    return path


def prepare(folder: Path, settings: ClassifierSettings) -> Prepared:
    write_documents(DOCUMENTS, folder / "parent")
    context = LevelContext(
        source=Microworld(SourceSettings(name="microworld")),
        domain="general",
        settings=LevelSettings(classifier=settings),
        parent=folder / "parent",
        work=folder / "work",
        engine=Engine(work=folder / "work"),
    )
    return l3.prepare(context)


def test_a_fasttext_model_gives_probabilities_worked_out_by_hand(tmp_path: Path) -> None:
    """Of W words, F of which are for hq and B for cc: hidden (F, B) / (W + 1), outputs times 4."""
    model = write_fasttext(tmp_path / "quality.bin")
    [(known, _)] = [fasttext.load_model(str(model)).predict("force mass")]
    assert known == ("__label__hq",)
    settings = ClassifierSettings(kind="fasttext", model=str(model), keep=("hq",))
    prepared = prepare(tmp_path, settings)
    assert prepared.notes({}) == ("L3 model quality.bin (fastText): tells 2 labels apart.",)
    outcomes = list(prepared.operators[0].run(read_documents(tmp_path / "parent"), {}))
    for document, outcome in zip(DOCUMENTS, outcomes, strict=True):
        words = document.text.split()
        for_hq = sum(word in ("force", "mass") for word in words)
        for_cc = sum(word in ("buy", "shoes") for word in words)
        margin = 4 * (for_hq - for_cc) / (for_hq + for_cc + 1)
        score = 1 / (1 + math.exp(-margin))
        if isinstance(outcome, Dropped):
            assert score < 0.5
            assert outcome.reason == "low_quality"
            assert float(outcome.detail) == pytest.approx(score, abs=6e-4)
        else:
            assert score + 1e-5 >= 0.5
            assert outcome.text == document.text
            assert float(outcome.meta["keep_probability"]) == pytest.approx(score, abs=6e-4)
            assert prepared.checks["score_recorded"](document, outcome) == ""
    assert 10 < sum(isinstance(outcome, Dropped) for outcome in outcomes) < 60


def test_lines_and_lone_surrogates_do_not_stop_fasttext(tmp_path: Path) -> None:
    model = write_fasttext(tmp_path / "quality.bin")
    settings = ClassifierSettings(
        kind="fasttext", model=str(model), keep=("hq",), target="domain", min_keep_probability=0.9
    )
    fasttext_judge, _ = pretrained.prepare_fasttext(settings)
    texts = ("force\nmass\nforce mass", "\ud800", "buy")
    documents = [Document(id=t, domain="math", text=t) for t in texts]
    first, second, third = fasttext_judge.open()(documents)
    assert first.label == "hq"
    assert first.score == pytest.approx(1 / (1 + math.exp(-4 * 4 / 5)), abs=2e-5)
    assert second.score == pytest.approx(0.5, abs=2e-5)
    assert third.label == "cc"
    assert third.probability == pytest.approx(1 / (1 + math.exp(-2)), abs=2e-5)


@pytest.mark.parametrize("damage", ["other", "unsupervised", "empty", "cut"])
def test_a_file_that_is_no_fasttext_classifier_is_refused(tmp_path: Path, damage: str) -> None:
    path = write_fasttext(tmp_path / "m.bin", model=2 if damage == "unsupervised" else 3)
    content = path.read_bytes()
    changed = {"other": b"{}" * 100, "empty": b"", "cut": content[:110]}
    path.write_bytes(changed.get(damage, content))
    settings = ClassifierSettings(kind="fasttext", model=str(path), keep=("hq",))
    with pytest.raises(ValueError, match=r"`data\.classifier\.model`"):
        prepare(tmp_path, settings)


def test_a_missing_fasttext_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    assert importlib.util.find_spec("fasttext") is None
    settings = ClassifierSettings(kind="fasttext", model=str(write_fasttext(tmp_path / "m.bin")))
    with pytest.raises(ValueError, match=r"`data\.classifier\.kind`=fasttext needs the package"):
        prepare(tmp_path, settings)
