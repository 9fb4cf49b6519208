"""Tokenizers that others trained: their own end of text, no special tokens out of texts."""

import hashlib
import json
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from davinci.data_levels.corpus import write_documents
from davinci.data_levels.document import Document
from davinci.data_levels.tokens.read import load_question_ranges, load_shards
from davinci.data_levels.tokens.shards import write_shards
from davinci.data_levels.tokens.tokenizer import (
    check_tokenizer,
    end_of_text_id,
    load_tokenizer,
    num_ids,
    take_tokenizer,
    tokenizer_identity,
)

QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXTS = [
    "<|im_start|>user\nWhat's 12 + 345?<|im_end|>\n",
    "<|endoftext|>",
    "Zwölf Bäume 🙂\n\n\tif x:\r\n        return 1",
    "",
]


def qwen2_like(folder: Path, *, special: tuple[str, ...] = tuple(QWEN2_SPECIAL)) -> Path:
    """Save what looks like Qwen2's tokenizer: bytes first, the added tokens at the end."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    made.train_from_iterator(["What is the user's tree? return the end of text"] * 20, trainer)
    made.add_special_tokens(list(special))
    made.add_tokens([AddedToken("<tool_call>", special=False)])
    saved = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, eos_token=special[-1]
    )
    saved.save_pretrained(str(folder))
    return folder


@pytest.fixture
def qwen2(tmp_path: Path) -> Path:
    return qwen2_like(tmp_path / "qwen2")


def edited(folder: Path, **changes: object) -> Path:
    """Change top-level fields of a folder's `tokenizer.json`."""
    file = folder / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


def test_end_of_text_is_its_own_and_not_the_end_of_a_turn(qwen2: Path, tmp_path: Path) -> None:
    tokenizer = take_tokenizer(str(qwen2), tmp_path / "taken")
    end_id = tokenizer.token_to_id("<|endoftext|>")
    assert end_id is not None
    assert end_id > 256
    assert end_of_text_id(tmp_path / "taken") == end_id != tokenizer.token_to_id("<|im_end|>")
    assert (tmp_path / "taken" / "tokenizer.json").read_bytes() == (
        qwen2 / "tokenizer.json"
    ).read_bytes()


def test_shards_end_documents_with_it_and_texts_spell_no_special_token(
    qwen2: Path, tmp_path: Path
) -> None:
    tokenizer = take_tokenizer(str(qwen2 / "tokenizer.json"), tmp_path / "taken")
    documents = [Document(id=str(n), domain="qa", text=text) for n, text in enumerate(TEXTS)]
    write_documents(documents, tmp_path / "corpus")
    manifest = write_shards(tmp_path / "corpus", tmp_path / "taken", tmp_path / "shards")
    tokens = load_shards(tmp_path / "shards")
    end_id = end_of_text_id(tmp_path / "taken")
    ends = np.flatnonzero(tokens == end_id)
    starts = [0, *(ends[:-1] + 1)]
    texts = [tokenizer.decode(tokens[a:b].tolist()) for a, b in zip(starts, ends, strict=True)]
    assert texts == TEXTS
    special = {tokenizer.token_to_id(token) for token in QWEN2_SPECIAL}
    assert special & set(tokens.tolist()) == {end_id}
    assert manifest["end_of_text_id"] == end_id
    assert manifest["tokenizer"] == tokenizer_identity(str(qwen2))
    assert manifest["vocab_size"] == end_id + 4


def test_ordinary_text_is_cut_as_transformers_cuts_it(qwen2: Path, tmp_path: Path) -> None:
    taken = take_tokenizer(str(qwen2), tmp_path / "taken")
    theirs = PreTrainedTokenizerFast.from_pretrained(str(qwen2))
    for text in ("What's the tree's  end?\r\n 🙂 12", "Zwo\u0308lf <tool_call>"):
        assert taken.encode(text, add_special_tokens=False).ids == theirs(text)["input_ids"]


def test_question_tokens_are_found_through_its_normalizer(qwen2: Path, tmp_path: Path) -> None:
    taken = take_tokenizer(str(qwen2), tmp_path / "taken")
    text = "Zwo\u0308lf\n\nQuestion 1: Wie ho\u0308ch?\nAnswer 1:\n12\n"
    write_documents([Document(id="a", domain="qa", text=text)], tmp_path / "corpus")
    write_shards(tmp_path / "corpus", tmp_path / "taken", tmp_path / "shards")
    (asked,) = load_question_ranges(tmp_path / "shards")
    tokens = load_shards(tmp_path / "shards")
    assert taken.decode(tokens[slice(*asked)].tolist()) == "Question 1: Wie höch?\nAnswer 1:\n"


@pytest.mark.parametrize("as_object", [False, True])
def test_another_name_of_the_end_is_read_from_its_configuration(
    as_object: bool, tmp_path: Path
) -> None:
    folder = qwen2_like(tmp_path / "llama", special=("<s>", "</s>"))
    if as_object:
        (folder / "tokenizer_config.json").write_text('{"eos_token": {"content": "</s>"}}')
    tokenizer = take_tokenizer(str(folder), tmp_path / "taken")
    assert end_of_text_id(tmp_path / "taken") == tokenizer.token_to_id("</s>")
    assert tokenizer_identity(str(folder)) == tokenizer_identity(str(folder / "tokenizer.json"))
    before = tokenizer_identity(str(folder))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<s>"}')
    assert tokenizer_identity(str(folder)) != before


def test_documents_are_neither_cut_nor_padded_nor_begun_by_what_its_file_says(
    qwen2: Path, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(qwen2 / "tokenizer.json"))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    bos = ("<|im_start|>", tokenizer.token_to_id("<|im_start|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", pair=None, special_tokens=[bos]
    )
    tokenizer.save(str(qwen2 / "tokenizer.json"))
    assert tokenizer.encode("abcdefgh").ids[0] == bos[1]
    taken = take_tokenizer(str(qwen2), tmp_path / "taken")
    documents = [Document(id=text, domain="code", text=text) for text in ("xyzxyz", "q")]
    write_documents(documents, tmp_path / "corpus")
    write_shards(tmp_path / "corpus", tmp_path / "taken", tmp_path / "shards")
    assert taken.decode(load_shards(tmp_path / "shards").tolist(), skip_special_tokens=False) == (
        "xyzxyz<|endoftext|>q<|endoftext|>"
    )


def test_an_end_that_texts_can_spell_is_refused(tmp_path: Path) -> None:
    folder = qwen2_like(tmp_path / "plain")
    added = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    edited(folder, added_tokens=[{**token, "special": False} for token in added])
    with pytest.raises(ValueError, match=r"data\.tokenizer.*special token.*<\|endoftext\|>"):
        take_tokenizer(str(folder), tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = qwen2_like(tmp_path / "endless", special=("<pad>",))
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=r"data\.tokenizer.*eos_token.*tokenizer_config\.json"):
        take_tokenizer(str(folder), tmp_path / "taken")
    with pytest.raises(ValueError, match=r"take_tokenizer"):
        end_of_text_id(folder)


def test_what_is_no_tokenizer_is_refused_with_the_name_of_the_field(tmp_path: Path) -> None:
    for missing in (str(tmp_path), str(tmp_path / "nowhere"), "../nowhere", "a/b/c", ""):
        for use in (tokenizer_identity, lambda name: take_tokenizer(name, tmp_path / "taken")):
            with pytest.raises(ValueError, match=r"data\.tokenizer.*folder with tokenizer\.json"):
                use(missing)
    (tmp_path / "tokenizer.json").write_text('{"model": 7}')
    with pytest.raises(ValueError, match=r"data\.tokenizer.*that tokenizers reads"):
        take_tokenizer(str(tmp_path), tmp_path / "taken")


def test_identity_is_the_file_or_the_name_and_revision(qwen2: Path) -> None:
    data = (qwen2 / "tokenizer.json").read_bytes()
    assert tokenizer_identity(str(qwen2)) == hashlib.sha256(data).hexdigest()
    for name in ("Qwen/Qwen2.5-3B", "Qwen/Qwen2.5-3B@3aab1f1954e9cc14eb9509a215f9e5ca08227a9b"):
        assert tokenizer_identity(name) == name


def test_a_model_with_fewer_ids_is_refused(qwen2: Path) -> None:
    needed = num_ids(load_tokenizer(qwen2))
    assert load_tokenizer(qwen2).token_to_id("<tool_call>") == needed - 1
    for name in ("", "Qwen/Qwen2.5-3B"):
        check_tokenizer(name, 1)
    check_tokenizer(str(qwen2), needed)
    with pytest.raises(ValueError, match=rf"`data\.tokenizer` has {needed} ids.*{needed - 1}"):
        check_tokenizer(str(qwen2), needed - 1)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of the hub, which nothing can be downloaded into."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_tokenizer_of_the_hub_is_taken_at_the_revision_named(
    hub_cache: Path, tmp_path: Path
) -> None:
    repository = hub_cache / "models--Qwen--Qwen2.5-3B"
    older, newer = "1" * 40, "2" * 40
    qwen2_like(repository / "snapshots" / older)
    qwen2_like(repository / "snapshots" / newer, special=("<unk>", *QWEN2_SPECIAL))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(newer)
    ends = {}
    for name in ("Qwen/Qwen2.5-3B", f"Qwen/Qwen2.5-3B@{older}"):
        take_tokenizer(name, tmp_path / "taken")
        ends[name] = end_of_text_id(tmp_path / "taken")
    assert ends["Qwen/Qwen2.5-3B"] == ends[f"Qwen/Qwen2.5-3B@{older}"] + 1


def test_a_tokenizer_that_cannot_be_fetched_says_what_works(
    hub_cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"`data\.tokenizer` 'Qwen/Qwen2\.5-3B'.*not be fetched.*local folder"
    ):
        take_tokenizer("Qwen/Qwen2.5-3B", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
