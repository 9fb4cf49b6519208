"""The tokenizer trains on all domains alike, in bounded memory; no text can hold its end."""

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from davinci.data_levels.corpus import hash_order, read_documents, write_documents
from davinci.data_levels.document import DOMAINS, Document, Domain
from davinci.data_levels.tokens import tokenizer as tokenizer_module
from davinci.data_levels.tokens.tokenizer import end_of_text_id, load_tokenizer, train_tokenizer

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
    assert tokenizer.token_to_id("<|endoftext|>") == end_of_text_id(tmp_path / "tokenizer") == 0
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


def all_texts_sorted(corpora: dict[Domain, Path], budget_chars: int) -> Iterator[str]:
    """Yield the training texts, worked out with every text in memory."""
    sizes = [sum(len(d.text) for d in read_documents(corpus)) for corpus in corpora.values()]
    for domain in DOMAINS:
        documents = list(read_documents(corpora[domain]))
        documents.sort(key=lambda document: hash_order("tokenizer", document.id))
        left = min(budget_chars, max(sizes))
        for _ in range(4):
            for document in documents:
                if left > 0 and document.text:
                    yield document.text[:left]
                    left -= len(document.text)


@pytest.mark.parametrize("seed", range(6))
def test_holding_few_texts_gives_the_tokenizer_of_all_texts_sorted(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget_chars = 3000 if seed < 4 else 1_000_000
    monkeypatch.setattr(tokenizer_module, "MAX_CHARS_PER_DOMAIN", budget_chars)
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefg", k=rng.randint(2, 6))) for _ in range(50)]
    corpora: dict[Domain, Path] = {}
    for domain, most in zip(DOMAINS, (200, 40, 5, 1, 20), strict=True):
        lengths = [rng.choice((0, 3, 40, 150, 900 if seed % 2 else 10)) for _ in range(most)]
        texts = [" ".join(rng.choices(words, k=length)) for length in lengths]
        corpora[domain] = write_corpus(tmp_path / domain, texts, domain)
    train_tokenizer(corpora, 330, tmp_path / "bounded")

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    plain.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet
    )
    plain.train_from_iterator(all_texts_sorted(corpora, budget_chars), trainer)
    assert (tmp_path / "bounded" / "tokenizer.json").read_text() == plain.to_str()


def test_a_larger_corpus_takes_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer_module, "MAX_CHARS_PER_DOMAIN", 100_000)
    peaks = []
    for num_texts in (300, 3000):
        corpus = write_corpus(tmp_path / str(num_texts), ["a word and " * 100] * num_texts)
        train_tokenizer({"general": corpus}, 260, tmp_path / "warm")
        tracemalloc.start()
        train_tokenizer({"general": corpus}, 260, tmp_path / "tokenizer")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


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
    with pytest.raises(ValueError, match="every corpus is empty"):
        train_tokenizer({}, 300, tmp_path / "tokenizer")
    for load in (load_tokenizer, end_of_text_id):
        with pytest.raises(ValueError, match="nowhere"):
            load(tmp_path / "nowhere")


def test_domains_without_text_are_passed_over(corpora: dict[Domain, Path], tmp_path: Path) -> None:
    with_empty = {**corpora, "qa": write_corpus(tmp_path / "empty", [])}
    tokenizer = train_tokenizer(with_empty, 300, tmp_path / "tokenizer")
    assert 257 < tokenizer.get_vocab_size() <= 300


def test_a_broken_escape_in_a_text_does_not_stop_the_training(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "broken", ["half a pair \ud83d of surrogates"])
    assert train_tokenizer({"general": corpus}, 260, tmp_path / "tokenizer").get_vocab_size() > 257
