"""A small byte-level BPE tokenizer, trained on the corpora it will serve."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from davinci.data_levels.corpus import hash_order, read_documents
from davinci.data_levels.document import DOMAINS, Domain

TOKENIZER_FILE = "tokenizer.json"
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0
MIN_VOCAB_SIZE = 257
"""256 bytes and the end of text."""
MAX_CHARS_PER_DOMAIN = 2_000_000
MAX_REPEATS = 4
"""A domain with little text is read at most so many times over to weigh as much as the others."""


def train_tokenizer(corpora: Mapping[Domain, Path], vocab_size: int, out: Path) -> Tokenizer:
    """Train on equally many characters of every domain; write `tokenizer.json` into `out`.

    The same corpora and size give the same tokenizer. Digits are split singly, and id 0 is
    `<|endoftext|>`. A small text may end in fewer ids than `vocab_size`, never in more.

    Args:
        corpora: Corpus folder of each domain, at L1 (clean characters, nothing selected).
        vocab_size: Number of ids, the end of text and the 256 bytes included.
        out: Folder to write into.

    Raises:
        ValueError: If `vocab_size` is too small, or the corpora hold no text.
    """
    if vocab_size < MIN_VOCAB_SIZE:
        raise ValueError(
            f"`data.tokenizer_vocab_size >= {MIN_VOCAB_SIZE}` must hold (256 bytes and the end of "
            f"text), but got {vocab_size}."
        )
    texts = {domain: _shuffled_texts(corpora[domain]) for domain in DOMAINS if domain in corpora}
    sizes = [sum(map(len, domain_texts)) for domain_texts in texts.values()]
    if not any(sizes):
        raise ValueError("A tokenizer needs text to train on, but every corpus is empty.")
    budget_chars = min(MAX_CHARS_PER_DOMAIN, max(sizes))
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    training = (t for domain_texts in texts.values() for t in _take(domain_texts, budget_chars))
    tokenizer.train_from_iterator(training, trainer)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / TOKENIZER_FILE), pretty=False)
    return load_tokenizer(out)


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a folder; a literal `<|endoftext|>` in a text stays plain text.

    Raises:
        ValueError: If the folder holds none.
    """
    file = path / TOKENIZER_FILE
    if not file.is_file():
        raise ValueError(f"A tokenizer folder holds {TOKENIZER_FILE}, but {path} does not.")
    tokenizer = Tokenizer.from_file(str(file))
    # A document must not be able to end itself: id 0 is written by the shards alone.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _shuffled_texts(corpus: Path) -> list[str]:
    documents = sorted(read_documents(corpus), key=lambda d: hash_order("tokenizer", d.id))
    return [document.text for document in documents if document.text]


def _take(texts: list[str], budget_chars: int) -> Iterator[str]:
    """Yield texts until the budget is spent, starting over at most `MAX_REPEATS` times."""
    left_chars = budget_chars
    for _ in range(MAX_REPEATS):
        for text in texts:
            if left_chars <= 0:
                return
            yield text[:left_chars]
            left_chars -= len(text)
