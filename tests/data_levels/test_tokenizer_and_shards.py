"""The tokenizer trains on all domains alike; shards hold every document, each with its end."""

import json
from pathlib import Path

import numpy as np
import pytest

from davinci.data_levels.corpus import write_documents
from davinci.data_levels.document import DOMAINS, Document, Domain
from davinci.data_levels.shards import load_shards, load_shards_manifest, write_shards
from davinci.data_levels.tokenizer import load_tokenizer, train_tokenizer

TEXTS = [
    "The sum of 12 and 345 is 357.\n",
    "\tif x:\n\t\treturn «naïve» 🙂\n",
    "<|endoftext|> is a name",
]


def write_corpus(folder: Path, texts: list[str], domain: Domain = "general") -> Path:
    folder.mkdir(parents=True)
    documents = [Document(id=str(n), domain=domain, text=text) for n, text in enumerate(texts)]
    write_documents(documents, folder)
    return folder


@pytest.fixture
def corpora(tmp_path: Path) -> dict[Domain, Path]:
    return {
        domain: write_corpus(tmp_path / domain, [f"{domain} text {n} " * 20 for n in range(30)])
        for domain in DOMAINS
    }


def test_texts_come_back_whole_and_digits_stand_alone(
    corpora: dict[Domain, Path], tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(corpora, 300, tmp_path / "tokenizer")
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    digits = {tokenizer.token_to_id(digit) for digit in "0123456789"}
    assert [i for i in tokenizer.encode("ab 12345 cd").ids if i in digits] == [
        tokenizer.token_to_id(digit) for digit in "12345"
    ]
    assert not any(len(token) > 1 and any(c.isdigit() for c in token)
                   for token in tokenizer.get_vocab() if token != "<|endoftext|>")  # fmt: skip


def test_end_of_text_is_id_0_and_no_text_can_hold_it(
    corpora: dict[Domain, Path], tmp_path: Path
) -> None:
    train_tokenizer(corpora, 300, tmp_path / "tokenizer")
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    assert tokenizer.token_to_id("<|endoftext|>") == 0
    assert 0 not in tokenizer.encode("a <|endoftext|> b").ids
    assert tokenizer.get_vocab_size() <= 300


def test_the_same_corpora_give_the_same_tokenizer(
    corpora: dict[Domain, Path], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        train_tokenizer(corpora, 320, tmp_path / name)
    backwards = dict(reversed(corpora.items()))
    train_tokenizer(backwards, 320, tmp_path / "c")
    files = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("a", "b", "c")]
    assert files[0] == files[1] == files[2]


def test_no_domain_dominates(tmp_path: Path) -> None:
    corpora: dict[Domain, Path] = {
        "general": write_corpus(tmp_path / "general", ["many "] * 20_000),
        "math": write_corpus(tmp_path / "math", ["zebra "] * 5000),
    }
    tokenizer = train_tokenizer(corpora, 265, tmp_path / "tokenizer")
    assert len(tokenizer.encode("zebra").ids) == 1


def test_unusable_sizes_and_corpora_are_refused(
    corpora: dict[Domain, Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"data\.tokenizer_vocab_size >= 257.*256"):
        train_tokenizer(corpora, 256, tmp_path / "tokenizer")
    empty: dict[Domain, Path] = {"qa": write_corpus(tmp_path / "empty", [])}
    with pytest.raises(ValueError, match="every corpus is empty"):
        train_tokenizer(empty, 300, tmp_path / "tokenizer")


def test_domains_without_text_are_passed_over(corpora: dict[Domain, Path], tmp_path: Path) -> None:
    with_empty = {**corpora, "qa": write_corpus(tmp_path / "empty", [])}
    tokenizer = train_tokenizer(with_empty, 300, tmp_path / "tokenizer")
    assert 257 < tokenizer.get_vocab_size() <= 300


def test_shards_hold_every_document_with_its_end(
    corpora: dict[Domain, Path], tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(corpora, 300, tmp_path / "tokenizer")
    corpus = write_corpus(tmp_path / "corpus", [*TEXTS, ""])
    seen: list[tuple[int, int, str]] = []
    manifest = write_shards(
        corpus, tmp_path / "tokenizer", tmp_path / "shards", lambda *step: seen.append(step)
    )
    tokens = load_shards(tmp_path / "shards")
    assert tokens.dtype == np.uint16
    assert isinstance(tokens, np.memmap)
    ends = np.flatnonzero(tokens == 0)
    assert len(ends) == 4
    starts = [0, *(ends[:-1] + 1)]
    texts = [tokenizer.decode(tokens[a:b].tolist()) for a, b in zip(starts, ends, strict=True)]
    assert texts == [*TEXTS, ""]
    assert manifest == {
        "num_tokens": len(tokens),
        "num_documents": 4,
        "num_bytes": sum(len(text.encode()) for text in TEXTS),
        "vocab_size": tokenizer.get_vocab_size(),
    }
    assert load_shards_manifest(tmp_path / "shards") == manifest
    assert json.loads((tmp_path / "shards" / "manifest.json").read_text()) == manifest
    assert seen == [(4, 4, "documents")]


def test_missing_and_empty_inputs_are_named(corpora: dict[Domain, Path], tmp_path: Path) -> None:
    train_tokenizer(corpora, 300, tmp_path / "tokenizer")
    with pytest.raises(ValueError, match=r"none left.*mixture weight"):
        write_shards(
            write_corpus(tmp_path / "empty", []), tmp_path / "tokenizer", tmp_path / "shards"
        )
    for load in (load_shards, load_shards_manifest, load_tokenizer):
        with pytest.raises(ValueError, match="nowhere"):
            load(tmp_path / "nowhere")
