"""Tokenizers: a byte-level BPE trained on the corpora it will serve, or one that exists already."""

import hashlib
import heapq
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from davinci.data_levels.corpus import hash_order, read_documents, write_aside
from davinci.data_levels.document import DOMAINS, Domain

TOKENIZER_FILE = "tokenizer.json"
END_OF_TEXT_FILE = "end_of_text.json"
"""Beside the `tokenizer.json` of one taken from elsewhere: the `id` and `token` of its end."""
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0
"""What a tokenizer trained here gives the end of text; `end_of_text_id` tells it for all."""
MIN_VOCAB_SIZE = 257
"""256 bytes and the end of text."""
MAX_CHARS_PER_DOMAIN = 2_000_000
MAX_REPEATS = 4
"""A domain with little text is read at most so many times over to weigh as much as the others."""

CONFIG_FILE = "tokenizer_config.json"
"""Where tokenizers of the Hugging Face hub name their `eos_token`."""

_HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?(@[\w./-]+)?")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def train_tokenizer(corpora: Mapping[Domain, Path], vocab_size: int, out: Path) -> Tokenizer:
    """Train on equally many characters of every domain; write `tokenizer.json` into `out`.

    The same corpora and size give the same tokenizer. Digits are split singly, and id 0 is
    `<|endoftext|>`. A small text may end in fewer ids than `vocab_size`, never in more. Of each
    domain at most 2 `MAX_CHARS_PER_DOMAIN` are held in memory.

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
    samples = [
        _sample(corpora[domain], MAX_CHARS_PER_DOMAIN) for domain in DOMAINS if domain in corpora
    ]
    largest = max((num_chars for _, num_chars in samples), default=0)
    if not largest:
        raise ValueError("A tokenizer needs text to train on, but every corpus is empty.")
    budget_chars = min(MAX_CHARS_PER_DOMAIN, largest)
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    training = (text for texts, _ in samples for text in _take(texts, budget_chars))
    tokenizer.train_from_iterator(training, trainer)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / TOKENIZER_FILE), pretty=False)
    return load_tokenizer(out)


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a folder; a literal `<|endoftext|>` in a text stays plain text.

    Whatever its file says, it neither truncates nor pads.

    Raises:
        ValueError: If the folder holds none.
    """
    return _read(_file(path).read_bytes())


def take_tokenizer(name_or_path: str, out: Path) -> Tokenizer:
    """Copy a tokenizer into `out`: its `tokenizer.json` as it is, its end of text noted beside it.

    The end of text is `<|endoftext|>` where the tokenizer has it (as that of Qwen2, whose chat
    models end their turns otherwise), else the `eos_token` of its `tokenizer_config.json`. No code
    that comes with a tokenizer is run.

    Args:
        name_or_path: A folder, a `tokenizer.json`, or a name of the Hugging Face hub, such as
            `Qwen/Qwen2.5-3B` or, with a revision, `Qwen/Qwen2.5-3B@<commit>`.
        out: Folder to write into.

    Raises:
        ValueError: If there is none, it cannot be fetched, or it cannot end documents.
    """
    file = _local_file(name_or_path) or _fetch(name_or_path, TOKENIZER_FILE)
    data = file.read_bytes()
    try:
        tokenizer = _read(data)
    except Exception as error:  # what `tokenizers` raises has no narrower type
        raise ValueError(
            f"`data.tokenizer` must hold a {TOKENIZER_FILE} that tokenizers reads, but "
            f"{name_or_path!r} does not: {error}"
        ) from error
    end, end_id = END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT)
    if end_id is None:
        end = _configured_end(name_or_path)
        end_id = tokenizer.token_to_id(end)
    if end_id is None or end_id in tokenizer.encode(end, add_special_tokens=False).ids:
        raise ValueError(
            f"`data.tokenizer` must have {END_OF_TEXT} or an `eos_token` in {CONFIG_FILE}, as a "
            f"special token, which no text can spell; {name_or_path!r} does not (got {end!r})."
        )
    out.mkdir(parents=True, exist_ok=True)
    note = json.dumps({"id": end_id, "token": end, "taken_from": name_or_path}, indent=1)
    write_aside(out / END_OF_TEXT_FILE, f"{note}\n".encode("ascii"))
    write_aside(out / TOKENIZER_FILE, data)
    return tokenizer


def check_tokenizer(name_or_path: str, vocab_size: int) -> None:
    """Raise what is wrong with a tokenizer, as far as one can tell without fetching it.

    Args:
        name_or_path: As in `take_tokenizer`; "" stands for none, with which nothing is wrong.
        vocab_size: Number of ids that the model has.

    Raises:
        ValueError: If it is neither on disk nor a possible name of the hub, or has more ids.
    """
    file = _local_file(name_or_path) if name_or_path else None
    if file is None:
        return
    needed = num_ids(_read(file.read_bytes()))
    if needed > vocab_size:
        raise ValueError(
            f"`data.tokenizer` has {needed:,} ids, more than the model's {vocab_size:,}; set "
            f"scale.vocab_size={needed} or more."
        )


def tokenizer_identity(name_or_path: str) -> str:
    """Return what tells a tokenizer from all others: a local one's SHA-256, else the hub's name.

    A name without a revision stands for whatever the hub holds under it.

    Args:
        name_or_path: As in `take_tokenizer`.

    Raises:
        ValueError: If it is neither on disk nor a possible name of the hub.
    """
    file = _local_file(name_or_path)
    if file is None:
        return name_or_path
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return digest if END_OF_TEXT.encode() in data else f"{digest} {_configured_end(name_or_path)}"


def end_of_text_id(path: Path) -> int:
    """Return the id that ends every document and stands before the first.

    Args:
        path: Folder of the tokenizer, trained here or taken from elsewhere.

    Raises:
        ValueError: If the folder holds no tokenizer, or one that is not known to have such an id.
    """
    noted = path / END_OF_TEXT_FILE
    if noted.is_file():
        return int(json.loads(noted.read_text(encoding="utf-8"))["id"])
    found = load_tokenizer(path).token_to_id(END_OF_TEXT)
    if found is None:
        raise ValueError(
            f"A tokenizer folder without {END_OF_TEXT_FILE} must have the token {END_OF_TEXT}, but "
            f"{path} does not; take the tokenizer with `take_tokenizer`."
        )
    return int(found)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a folder's `tokenizer.json`.

    Raises:
        ValueError: If the folder holds none.
    """
    return hashlib.sha256(_file(path).read_bytes()).hexdigest()


def num_ids(tokenizer: Tokenizer) -> int:
    """Return the number of embeddings that a tokenizer needs: one more than its largest id."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def encodable(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate, which no tokenizer takes."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _file(path: Path) -> Path:
    file = path / TOKENIZER_FILE
    if not file.is_file():
        raise ValueError(f"A tokenizer folder holds {TOKENIZER_FILE}, but {path} does not.")
    return file


def _read(data: bytes) -> Tokenizer:
    tokenizer = Tokenizer.from_buffer(data)
    # A document must not be able to end itself: the shards alone write the end of text.
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _local_file(name_or_path: str) -> Path | None:
    """Return the `tokenizer.json` that a path means; None for a name of the hub."""
    path = Path(name_or_path).expanduser()
    file = path / TOKENIZER_FILE if path.is_dir() else path
    if file.is_file():
        return file
    if path.is_dir() or not _HUB_NAME.fullmatch(name_or_path):
        raise ValueError(
            f"`data.tokenizer` must be a folder with {TOKENIZER_FILE}, or a name of the Hugging "
            f"Face hub such as Qwen/Qwen2.5-3B, but got {name_or_path!r}."
        )
    return None


def _fetch(name: str, filename: str) -> Path:
    """Return a file of the hub, downloaded unless its cache holds it."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, filename, revision=revision or None))
    except (OSError, ValueError, HTTPError) as error:
        cause = (str(error) or type(error).__name__).strip().partition("\n")[0]
        raise ValueError(
            f"`data.tokenizer` {name!r}: {filename} could not be fetched from the Hugging Face hub "
            f"({cause}). A local folder with {TOKENIZER_FILE} works without a network."
        ) from error


def _configured_end(name_or_path: str) -> str:
    """Return the `eos_token` of the `tokenizer_config.json` beside a tokenizer, "" without one."""
    local = _local_file(name_or_path)
    file = local.with_name(CONFIG_FILE) if local else _fetch(name_or_path, CONFIG_FILE)
    end = json.loads(file.read_bytes()).get("eos_token") if file.is_file() else None
    return str(end["content"] if isinstance(end, dict) else end or "")


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


def _sample(corpus: Path, max_chars: int) -> tuple[list[str], int]:
    """Return the texts first in hash order that reach `max_chars`, and the whole corpus's chars.

    Only these are held: of a heap with the last on top, the top goes while the rest reaches so far.
    """
    heap: list[tuple[int, int, str]] = []
    num_chars = held_chars = 0
    for index, document in enumerate(read_documents(corpus)):
        if not document.text:
            continue
        text = encodable(document.text[:max_chars])
        place = int.from_bytes(hash_order("tokenizer", document.id))
        heapq.heappush(heap, (-place, -index, text))
        num_chars += len(document.text)
        held_chars += len(text)
        while held_chars - len(heap[0][2]) >= max_chars:
            held_chars -= len(heapq.heappop(heap)[2])
    return [text for _, _, text in sorted(heap, reverse=True)], num_chars


def _take(texts: list[str], budget_chars: int) -> Iterator[str]:
    """Yield texts until the budget is spent, starting over at most `MAX_REPEATS` times."""
    left_chars = budget_chars
    for _ in range(MAX_REPEATS):
        for text in texts:
            if left_chars <= 0:
                return
            yield text[:left_chars]
            left_chars -= len(text)
