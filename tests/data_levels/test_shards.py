"""Shards hold every document with its end, where it begins, and which tokens are a question's."""

import io
from pathlib import Path

import numpy as np
import pytest
from tests.small_corpora import (
    PAIR,
    contents,
    document,
    many_parts,
    write_byte_tokenizer,
    write_parts,
)

from davinci.data_levels.corpus import write_documents
from davinci.data_levels.tokens import pieces
from davinci.data_levels.tokens.read import (
    load_document_offsets,
    load_question_ranges,
    load_shards,
    load_shards_manifest,
)
from davinci.data_levels.tokens.shards import write_shards
from davinci.data_levels.tokens.tokenizer import load_tokenizer, train_tokenizer

FILES = ("documents.npy", "manifest.json", "questions.npy", "tokens.npy")
ASKED = "Question: Which tree?\nAnswer: "


@pytest.fixture
def of_bytes(tmp_path: Path) -> Path:
    return write_byte_tokenizer(tmp_path / "of_bytes")


def test_documents_come_back_whole_in_order_each_with_its_end(tmp_path: Path) -> None:
    texts = ["The sum of 12 and 345 is 357.\n", "\treturn «naïve» 🙂\n", "a <|endoftext|> b", ""]
    corpus = write_parts(tmp_path / "corpus", [document(str(n), t) for n, t in enumerate(texts)])
    tokenizer = train_tokenizer({"general": corpus}, 300, tmp_path / "tokenizer")
    seen: list[tuple[int, int, str]] = []
    manifest = write_shards(
        corpus, tmp_path / "tokenizer", tmp_path / "shards", lambda *step: seen.append(step)
    )
    tokens = load_shards(tmp_path / "shards")
    assert tokens.dtype == np.uint16
    assert isinstance(tokens, np.memmap)
    ends = np.flatnonzero(tokens == 0)
    offsets = load_document_offsets(tmp_path / "shards")
    assert offsets.tolist() == [0, *(ends + 1)]
    assert offsets.dtype == np.int64
    assert [
        tokenizer.decode(tokens[a:b].tolist()) for a, b in zip(offsets, ends, strict=False)
    ] == (texts)
    assert manifest["num_bytes"] == sum(len(text.encode()) for text in texts)
    assert manifest["vocab_size"] == tokenizer.get_vocab_size()
    assert load_shards_manifest(tmp_path / "shards") == manifest
    assert sorted(contents(tmp_path / "shards")) == sorted(FILES)
    assert seen == [(0, 1, "parts tokenized"), (1, 1, "parts tokenized")]


def test_counts_by_source_are_exact(tmp_path: Path, of_bytes: Path) -> None:
    corpus = write_parts(
        tmp_path / "corpus",
        [
            document("a", "four", source="hub", entry="FineMath"),
            document("b", "", source="web"),
            document("c", "é"),
        ],
        [],
        [
            document("d", "12", source="web"),
            document("e", "6 more", source="hub", entry="FineMath"),
        ],
    )
    manifest = write_shards(corpus, of_bytes, tmp_path / "shards")
    assert manifest["tokens_by_source"] == {"FineMath": 5 + 7, "unknown": 3, "web": 1 + 3}
    assert manifest["documents_by_source"] == {"FineMath": 2, "unknown": 1, "web": 2}
    assert (manifest["num_tokens"], manifest["num_documents"], manifest["num_bytes"]) == (19, 5, 14)
    assert load_document_offsets(tmp_path / "shards").tolist() == [0, 5, 6, 9, 12, 19]
    assert load_shards(tmp_path / "shards").shape == (19,)
    assert manifest["num_question_tokens"] == 0
    assert load_question_ranges(tmp_path / "shards").shape == (0, 2)


def test_files_are_what_numpy_would_have_saved(tmp_path: Path, of_bytes: Path) -> None:
    qa = [document(str(n), PAIR, "qa") for n in range(3)]
    write_shards(write_parts(tmp_path / "corpus", qa[:1], qa[1:]), of_bytes, tmp_path / "shards")
    for name in ("tokens.npy", "documents.npy", "questions.npy"):
        written = (tmp_path / "shards" / name).read_bytes()
        saved = io.BytesIO()
        np.save(saved, np.load(io.BytesIO(written)))
        assert written == saved.getvalue()


@pytest.mark.parametrize(("num_ids", "dtype"), [(2**16, np.uint16), (2**16 + 1, np.uint32)])
def test_ids_take_four_bytes_only_where_two_are_too_few(
    num_ids: int, dtype: type, tmp_path: Path
) -> None:
    tokenizer = write_byte_tokenizer(tmp_path / "tokenizer", num_ids)
    corpus = write_parts(tmp_path / "corpus", [document("a", "abc")])
    manifest = write_shards(corpus, tokenizer, tmp_path / "shards")
    tokens = load_shards(tmp_path / "shards")
    assert tokens.dtype == dtype
    assert tokens.tolist() == [*load_tokenizer(tokenizer).encode("abc").ids, 0]
    assert manifest["vocab_size"] == num_ids


def test_question_tokens_are_all_up_to_the_answer(tmp_path: Path, of_bytes: Path) -> None:
    numbered = "`f`: né\n\nQuestion 1: what?\nf()\nAnswer 1:\n3\n\nQuestion 2: and?\nAnswer 2:\n4\n"
    corpus = write_parts(
        tmp_path / "corpus",
        [document("a", PAIR), document("b", "«Title»\n\n" + PAIR, "qa")],
        [document("c", numbered, "science", task="qa")],
    )
    manifest = write_shards(corpus, of_bytes, tmp_path / "shards")
    tokenizer, tokens = load_tokenizer(of_bytes), load_shards(tmp_path / "shards")
    ranges = load_question_ranges(tmp_path / "shards")
    second, third = len(PAIR) + 1, len(PAIR) + 1 + 11 + len(PAIR) + 1
    assert ranges.tolist() == [
        [second + 11, second + 11 + len(ASKED)],
        [third + 10, third + 10 + 32],
        [third + 10 + 35, third + 10 + 35 + 27],
    ]
    assert [tokenizer.decode(tokens[a:b].tolist()) for a, b in ranges] == [
        ASKED,
        "Question 1: what?\nf()\nAnswer 1:\n",
        "Question 2: and?\nAnswer 2:\n",
    ]
    assert manifest["num_question_tokens"] == len(ASKED) + 32 + 27


def test_a_token_that_reaches_into_the_answer_is_the_answers(tmp_path: Path) -> None:
    corpus = write_parts(tmp_path / "corpus", [document("a", PAIR, "qa")] * 3)
    tokenizer = train_tokenizer({"qa": corpus}, 300, tmp_path / "tokenizer")
    assert " An" in [tokenizer.decode([i]) for i in tokenizer.encode(PAIR).ids]
    write_shards(corpus, tmp_path / "tokenizer", tmp_path / "shards")
    ranges, tokens = load_question_ranges(tmp_path / "shards"), load_shards(tmp_path / "shards")
    assert [tokenizer.decode(tokens[a:b].tolist()) for a, b in ranges] == [ASKED.rstrip()] * 3
    in_order = ranges.ravel()
    assert (np.diff(in_order) > 0).all()


def test_a_question_is_cut_into_the_same_tokens_as_other_text(tmp_path: Path) -> None:
    texts = [f"{PAIR}\n\nQuestion: {n} «é» 🙂?\nAnswer: {n * n}" for n in range(50)]
    other = write_parts(tmp_path / "a", [document(str(n), t) for n, t in enumerate(texts)])
    asked = write_parts(tmp_path / "b", [document(str(n), t, "qa") for n, t in enumerate(texts)])
    train_tokenizer({"qa": asked}, 320, tmp_path / "tokenizer")
    for corpus in (other, asked):
        write_shards(corpus, tmp_path / "tokenizer", corpus / "shards")
    assert load_shards(other / "shards").tolist() == load_shards(asked / "shards").tolist()
    assert load_question_ranges(other / "shards").shape == (0, 2)
    assert load_question_ranges(asked / "shards").shape == (100, 2)


def test_a_long_document_is_cut_between_words_into_the_tokens_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n".join(
        f"Question: «{n}»       so (many) trees?\nAnswer: {n} 🙂." for n in range(400)
    )
    documents = [document("a", PAIR, "qa"), document("b", text, "qa"), document("c", PAIR, "qa")]
    corpus = write_parts(tmp_path / "corpus", documents)
    train_tokenizer({"qa": corpus}, 400, tmp_path / "tokenizer")
    write_shards(corpus, tmp_path / "tokenizer", tmp_path / "whole")
    for max_chars, cut_chars in ((1000, 100), (37, 30)):
        monkeypatch.setattr(pieces, "MAX_CHARS", max_chars)
        monkeypatch.setattr(pieces, "CUT_CHARS", cut_chars)
        write_shards(corpus, tmp_path / "tokenizer", tmp_path / "cut")
        assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_long_document_without_spaces_is_cut_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * 5000 + "é" * 5000
    corpus = write_parts(tmp_path / "corpus", [document("a", text), document("b", "y")])
    tokenizer = train_tokenizer({"general": corpus}, 300, tmp_path / "tokenizer")
    monkeypatch.setattr(pieces, "MAX_CHARS", 1001)
    manifest = write_shards(corpus, tmp_path / "tokenizer", tmp_path / "shards")
    tokens = load_shards(tmp_path / "shards").tolist()
    assert tokenizer.decode(tokens, skip_special_tokens=True) == f"{text}y"
    assert (manifest["num_documents"], manifest["num_bytes"]) == (2, 15_001)
    assert load_document_offsets(tmp_path / "shards").tolist() == [0, len(tokens) - 2, len(tokens)]


def test_a_broken_escape_becomes_a_replacement_character(tmp_path: Path, of_bytes: Path) -> None:
    corpus = write_parts(tmp_path / "corpus", [document("a", f"\ud83d {PAIR}", "qa")])
    manifest = write_shards(corpus, of_bytes, tmp_path / "shards")
    tokens = load_shards(tmp_path / "shards")[:-1].tolist()
    assert load_tokenizer(of_bytes).decode(tokens) == f"\ufffd {PAIR}"
    assert manifest["num_bytes"] == manifest["num_tokens"] - 1 == 3 + 1 + len(PAIR)


def test_missing_and_empty_inputs_are_named(tmp_path: Path, of_bytes: Path) -> None:
    empty = tmp_path / "empty"
    write_documents([], empty)
    with pytest.raises(ValueError, match=r"none left.*mixture weight"):
        write_shards(empty, of_bytes, tmp_path / "shards")
    with pytest.raises(ValueError, match=r"holds documents/.*nowhere"):
        write_shards(tmp_path / "nowhere", of_bytes, tmp_path / "shards")
    with pytest.raises(ValueError, match=r"holds tokenizer\.json.*nowhere"):
        write_shards(many_parts(tmp_path / "c", 1), tmp_path / "nowhere", tmp_path / "shards")
    loads = (load_shards, load_shards_manifest, load_document_offsets, load_question_ranges)
    for load in loads:
        with pytest.raises(ValueError, match="nowhere"):
            load(tmp_path / "nowhere")
    assert not (tmp_path / "shards").exists()
