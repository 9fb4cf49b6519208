"""L3 with models trained elsewhere: the same verdicts as the models give by themselves."""

import math
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from davinci.data_levels.corpus import part_names, read_part, writing_part
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l3
from davinci.data_levels.levels.classifiers import judge, pretrained
from davinci.data_levels.levels.operator import LevelContext, Prepared
from davinci.data_levels.settings import ClassifierSettings, LevelSettings
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.source import SourceSettings

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, "force", "mass", "lesson", "proof", "buy", "shoes", "offer", "click"]
MAX_TOKENS = 24


def make_documents(num: int) -> list[Document]:
    """Return documents of 1 to 60 words, the longest more than the models read."""
    return [
        Document(
            id=f"d{index}",
            domain="general",
            text=" ".join(WORDS[4 + (index * k + k * k) % 8] for k in range(1, 2 + index * 7 % 60)),
        )
        for index in range(num)
    ]


DOCUMENTS = [*make_documents(70), Document(id="empty", domain="general", text="")]


def save_tokenizer(folder: Path, *, frame: bool) -> None:
    """Save a tokenizer of whole words, with [CLS] and [SEP] around the text if framed."""
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if frame:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        eos_token="[SEP]",
        pad_token="[PAD]" if frame else None,
        model_max_length=MAX_TOKENS,
    ).save_pretrained(folder)


def bert_config(num_labels: int, **more: Any) -> Any:
    sizes: dict[str, Any] = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "num_labels": num_labels,
    }
    return BertConfig(**sizes, **more)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A random BERT that tells papers, threads and shops apart."""
    torch.manual_seed(0)
    names = {0: "paper", 1: "forum", 2: "shop"}
    config = bert_config(3, id2label=names, initializer_range=1.0)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "bert")
    save_tokenizer(tmp_path / "bert", frame=True)
    return tmp_path / "bert"


@pytest.fixture
def qwen2(tmp_path: Path) -> Path:
    """A random decoder that tells two kinds apart; neither it nor its tokenizer has padding."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        max_position_embeddings=64,
        id2label={0: "bad", 1: "good"},
        initializer_range=1.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    Qwen2ForSequenceClassification(  # type: ignore[no-untyped-call]
        config
    ).save_pretrained(tmp_path / "qwen2")
    save_tokenizer(tmp_path / "qwen2", frame=False)
    return tmp_path / "qwen2"


@lru_cache(maxsize=1)
def load(model: Path) -> tuple[Any, Any]:
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()
    return AutoTokenizer.from_pretrained(model), network


def direct_logits(model: Path, text: str) -> list[float]:
    """Return what the model says of one text alone."""
    tokenizer, network = load(model)
    ids = tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    ids = ids or [tokenizer.eos_token_id]
    with torch.no_grad():
        return [float(x) for x in network(input_ids=torch.tensor([ids])).logits[0]]


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(x - max(logits)) for x in logits]
    return [power / sum(powers) for power in powers]


def prepare(folder: Path, settings: ClassifierSettings, size: int = 30) -> tuple[Prepared, Path]:
    corpus = folder / "parent"
    for number, start in enumerate(range(0, len(DOCUMENTS), size)):
        with writing_part(corpus, f"{number:05d}") as writer:
            for document in DOCUMENTS[start : start + size]:
                writer.write(document)
    context = LevelContext(
        source=Microworld(SourceSettings(name="microworld")),
        domain="general",
        settings=LevelSettings(classifier=settings),
        parent=corpus,
        work=folder / "work",
        engine=Engine(work=folder / "work"),
    )
    return l3.prepare(context), corpus


def decide(
    folder: Path, settings: ClassifierSettings, size: int = 30
) -> tuple[dict[str, Document], dict[str, Dropped], tuple[str, ...]]:
    """Return what was kept and dropped, by id, and the notes; check every invariant."""
    prepared, corpus = prepare(folder, settings, size)
    kept: dict[str, Document] = {}
    dropped: dict[str, Dropped] = {}
    counts: dict[str, float] = {}
    [operator] = pickle.loads(pickle.dumps(prepared.operators))
    before = {document.id: document for document in DOCUMENTS}
    for part in part_names(corpus):
        for outcome in operator.run(read_part(corpus, part), counts):
            if isinstance(outcome, Dropped):
                dropped[outcome.document.id] = outcome
            else:
                kept[outcome.id] = outcome
                assert outcome.text == before[outcome.id].text
                assert prepared.checks["score_recorded"](before[outcome.id], outcome) == ""
    assert kept.keys() | dropped.keys() == before.keys()
    return kept, dropped, prepared.notes(counts)


def test_labels_and_probabilities_are_those_of_the_model(bert: Path, tmp_path: Path) -> None:
    settings = ClassifierSettings(
        kind="huggingface",
        model=str(bert),
        target="document_type",
        keep=("paper", "forum"),
        min_keep_probability=0.7,
    )
    kept, dropped, notes = decide(tmp_path, settings)
    names = ("paper", "forum", "shop")
    told = dict.fromkeys(names, 0)
    for document in DOCUMENTS:
        probabilities = softmax(direct_logits(bert, document.text))
        score = probabilities[0] + probabilities[1]
        best = max(range(3), key=probabilities.__getitem__)
        told[names[best]] += 1
        assert (document.id in kept) == (score >= 0.7)
        if document.id in kept:
            meta = kept[document.id].meta
            assert meta["document_type"] == names[best]
            assert float(meta["document_type_probability"]) == pytest.approx(
                probabilities[best], abs=6e-4
            )
            assert float(meta["keep_probability"]) == pytest.approx(score, abs=6e-4)
        else:
            drop = dropped[document.id]
            assert drop.reason == "unwanted_document_type"
            assert float(drop.detail.split()[0]) == pytest.approx(score, abs=6e-4)
            assert drop.detail.endswith(f" ({names[best]})")
    assert kept
    assert dropped
    given = ", ".join(f"{name} {told[name]}" for name in sorted(told) if told[name])
    assert notes == (
        "L3 model bert: reads the first 24 tokens of a document; tells 3 labels apart.",
        f"L3 document_type: {given}.",
    )


def test_a_decoder_without_padding_judges_at_the_last_token(qwen2: Path, tmp_path: Path) -> None:
    settings = ClassifierSettings(
        kind="huggingface", model=str(qwen2), keep=("good",), min_keep_probability=0.4
    )
    kept, dropped, _ = decide(tmp_path, settings)
    assert {drop.reason for drop in dropped.values()} == {"low_quality"}
    for document in DOCUMENTS:
        score = softmax(direct_logits(qwen2, document.text))[1]
        found = kept.get(document.id)
        recorded = found.meta["keep_probability"] if found else dropped[document.id].detail
        assert float(recorded) == pytest.approx(score, abs=6e-4)
        assert (found is not None) == (score >= 0.4)


def test_a_single_output_is_compared_in_its_own_units(tmp_path: Path) -> None:
    """As of FineWeb-Edu's classifier, which scores from 0 to 5: no softmax, no labels."""
    torch.manual_seed(3)
    model = BertForSequenceClassification(bert_config(1, initializer_range=1.0))
    with torch.no_grad():
        model.classifier.bias.fill_(2.5)
    model.save_pretrained(tmp_path / "edu")
    save_tokenizer(tmp_path / "edu", frame=True)
    settings = ClassifierSettings(
        kind="huggingface", model=str(tmp_path / "edu"), min_keep_probability=3.0
    )
    kept, dropped, notes = decide(tmp_path, settings)
    assert "in its own units" in notes[0]
    scores = {d.id: direct_logits(tmp_path / "edu", d.text)[0] for d in DOCUMENTS}
    assert max(scores.values()) > 3.0 > min(scores.values())
    assert kept.keys() == {name for name, score in scores.items() if score >= 3.0}
    for name, document in kept.items():
        assert "keep_probability" not in document.meta
        assert float(document.meta["educational_score"]) == pytest.approx(scores[name], abs=6e-4)
    assert {drop.reason for drop in dropped.values()} == {"low_quality"}


def test_neither_parts_nor_batches_decide(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ClassifierSettings(kind="huggingface", model=str(bert), keep=("paper",))
    together = decide(tmp_path / "one", settings, size=100)
    monkeypatch.setattr(pretrained, "MAX_BATCH_TOKENS", 40)
    monkeypatch.setattr(judge, "MAX_BATCH_DOCUMENTS", 4)
    assert decide(tmp_path / "two", settings, size=9)[:2] == together[:2]


def test_a_model_that_does_not_fit_is_refused_before_any_document_is_read(
    bert: Path, tmp_path: Path
) -> None:
    def refused(model: Path, **more: object) -> str:
        settings = ClassifierSettings(kind="huggingface", model=str(model), **more)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"`data\.classifier\.") as caught:
            prepare(tmp_path, settings)
        return str(caught.value)

    assert refused(bert, keep=("papers",)) == (
        f"`data.classifier.keep` names 'papers', which is no label of {bert}; "
        "known: forum, paper, shop."
    )
    assert "must be from 0 to 1" in refused(bert, keep=("paper",), min_keep_probability=3.0)
    BertModel(bert_config(2)).save_pretrained(tmp_path / "headless")
    save_tokenizer(tmp_path / "headless", frame=True)
    assert "is no trained classifier: it lacks classifier." in refused(tmp_path / "headless")
    many = bert_config(2, problem_type="multi_label_classification")
    BertForSequenceClassification(many).save_pretrained(tmp_path / "many")
    save_tokenizer(tmp_path / "many", frame=True)
    assert "gives several labels" in refused(tmp_path / "many")


@pytest.mark.parametrize("damage", ["config", "garbage", "cut", "width", "tokenizer"])
def test_a_damaged_model_is_refused(bert: Path, tmp_path: Path, damage: str) -> None:
    weights, config = bert / "model.safetensors", bert / "config.json"
    wider = config.read_text().replace('"hidden_size": 16', '"hidden_size": 32')
    if damage == "tokenizer":
        (bert / "tokenizer.json").unlink()
    elif damage in ("config", "width"):
        config.write_text("{" if damage == "config" else wider)
    else:
        weights.write_bytes(b"x" * 100 if damage == "garbage" else weights.read_bytes()[:2000])
    settings = ClassifierSettings(kind="huggingface", model=str(bert), keep=("paper",))
    with pytest.raises(ValueError, match=r"`data\.classifier\.model`=.*(safetensors|tokenizer)"):
        prepare(tmp_path, settings)
