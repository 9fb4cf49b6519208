"""Corpora of a few documents, and a tokenizer whose tokens can be counted by hand."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from davinci.data_levels.corpus import writing_part
from davinci.data_levels.document import Document, Domain

PAIR = "Question: Which tree?\nAnswer: An oak."


def document(name: str, text: str, domain: Domain = "general", **meta: str) -> Document:
    return Document(id=name, domain=domain, text=text, meta=meta)


def write_parts(corpus: Path, *parts: list[Document]) -> Path:
    for number, documents in enumerate(parts):
        with writing_part(corpus, f"{number:05d}") as writer:
            for one in documents:
                writer.write(one)
    return corpus


def write_byte_tokenizer(folder: Path, num_ids: int = 257) -> Path:
    """Write a tokenizer with a token for each byte and none for two, `<|endoftext|>` being id 0."""
    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [f"unused{number}" for number in range(num_ids - len(names))]
    made = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    return folder


def many_parts(corpus: Path, num_parts: int, num_chars: int = 40) -> Path:
    return write_parts(
        corpus,
        *(
            [document(f"{part}.{n}", f"{part} {PAIR} " * (num_chars // 40), "qa") for n in range(5)]
            for part in range(num_parts)
        ),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
