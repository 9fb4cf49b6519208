"""Hooks of L3 for models trained elsewhere: Hugging Face sequence classifiers, fastText models.

Hugging Face models are read from safetensors alone and run no code of their own. One that has a
single output (a regression head, such as FineWeb-Edu's) gives a score in its own units.
"""

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from davinci.data_levels.document import Document
from davinci.data_levels.levels.classifiers.judge import (
    DECIMALS,
    Judging,
    Verdict,
    check_keep,
    encodable,
    verdicts,
)
from davinci.data_levels.settings import ClassifierSettings

MAX_BATCH_TOKENS = 8_192
"""Tokens that a Hugging Face model reads at once, padding included."""
_HEAD = struct.Struct("<14id3i2q")
"""Magic number, version, 12 parameters (the eighth: the model) and a threshold; then the numbers of
entries, words, labels and tokens, and of pruned ones."""
_MAGIC, _SUPERVISED = 793_712_314, 3
_ENTRY_BYTES = 9
"""After a word and its zero: how often it occurred, and its kind."""


class Loaded(NamedTuple):
    """A sequence classifier in memory; `classes` is empty for a single output."""

    tokenizer: Any
    model: Any
    classes: tuple[str, ...]
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace:
    """Judges by a sequence classifier; `keep` is empty for one of a single output."""

    model: str
    keep: tuple[str, ...]

    def open(self) -> Judging:
        """Load the model, once in a process."""
        return partial(_judge, load_huggingface(self.model), self.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class FastText:
    """Judges by a fastText model."""

    model: str
    classes: tuple[str, ...]
    keep: tuple[str, ...]

    def open(self) -> Judging:
        """Load the model, once in a process."""
        return partial(_judge_fasttext, _load_fasttext(self.model), self.classes, self.keep)


def prepare_huggingface(settings: ClassifierSettings) -> tuple[HuggingFace, str]:
    """Load the model; return the judge and a note about it.

    Raises:
        ValueError: If it cannot be loaded, or does not give the labels to keep.
    """
    loaded = load_huggingface(settings.model)
    name = Path(settings.model).name if Path(settings.model).is_dir() else settings.model
    reads = f"L3 model {name}: reads the first {loaded.max_tokens} tokens of a document"
    if not loaded.classes:
        note = f"{reads}; its single output is compared with the threshold in its own units."
        return HuggingFace(model=settings.model, keep=()), note
    check_keep(settings.keep, loaded.classes, settings.model)
    if not 0 <= settings.min_keep_probability <= 1:
        raise ValueError(
            "`data.classifier.min_keep_probability` must be from 0 to 1 for a model with labels, "
            f"got {settings.min_keep_probability}."
        )
    return HuggingFace(
        model=settings.model, keep=settings.keep
    ), f"{reads}; {_told(loaded.classes)}"


def prepare_fasttext(settings: ClassifierSettings) -> tuple[FastText, str]:
    """Read the model's labels; return the judge and a note about it.

    Raises:
        ValueError: If it is no fastText classifier, or does not give the labels to keep.
    """
    classes = fasttext_labels(settings.model)
    check_keep(settings.keep, classes, settings.model)
    note = f"L3 model {Path(settings.model).name} (fastText): {_told(classes)}"
    return FastText(model=settings.model, classes=classes, keep=settings.keep), note


def _told(classes: Sequence[str]) -> str:
    return f"tells {len(classes)} labels apart."


@lru_cache(maxsize=1)
def load_huggingface(model: str) -> Loaded:
    """Load tokenizer and model, in float32; `owner/name@revision` pins a revision of the hub.

    Raises:
        ValueError: If there is none, or it is no single-label sequence classifier.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    name, _, revision = (model, "", "") if Path(model).is_dir() else model.partition("@")
    where: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **where)
        network, found = AutoModelForSequenceClassification.from_pretrained(
            name, use_safetensors=True, dtype="float32", output_loading_info=True, **where
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"`data.classifier.model`={model}: no sequence classifier in safetensors could be "
            f"loaded: {error}"
        ) from error
    config = network.config
    if unfit := _why_unfit(tokenizer, config, sorted(found["missing_keys"])):
        raise ValueError(f"`data.classifier.model`={model} {unfit}.")
    named = [config.id2label[index] for index in range(config.num_labels)]
    _share_padding(tokenizer, config)
    return Loaded(
        tokenizer=tokenizer,
        model=network.eval(),
        classes=tuple(named) if config.num_labels > 1 else (),
        max_tokens=min(
            tokenizer.model_max_length,
            getattr(config, "max_position_embeddings", tokenizer.model_max_length),
        ),
    )


def _why_unfit(tokenizer: Any, config: Any, missing: Sequence[str]) -> str:
    """Return what is wrong with a model that could be loaded, "" if nothing is."""
    if missing:
        return f"is no trained classifier: it lacks {', '.join(missing[:3])}"
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        return "has no tokenizer: its vocabulary is empty"
    if config.problem_type == "multi_label_classification":
        return "gives several labels to one text; one is needed"
    return ""


def _share_padding(tokenizer: Any, config: Any) -> None:
    """Let tokenizer and model pad with the same token: decoders judge at the last other one."""
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id


def _judge(loaded: Loaded, keep: Sequence[str], documents: Sequence[Document]) -> list[Verdict]:
    texts = [encodable(document.text) for document in documents]
    found = loaded.tokenizer(texts, truncation=True, max_length=loaded.max_tokens)["input_ids"]
    tokens = [ids or [loaded.tokenizer.pad_token_id] for ids in found]  # a text may be empty
    logits_DC = np.zeros((len(documents), max(len(loaded.classes), 1)))
    for rows in _similar_lengths([len(ids) for ids in tokens]):
        logits_DC[rows] = _logits(loaded, [tokens[row] for row in rows])
    if not loaded.classes:
        return [Verdict(round(float(score), DECIMALS)) for score in logits_DC[:, 0]]
    return verdicts(softmax(logits_DC, axis=1), loaded.classes, keep)


def _logits(loaded: Loaded, tokens: list[list[int]]) -> NDArray[np.float64]:
    import torch

    batch = loaded.tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).logits
    return np.asarray(logits.numpy(), dtype=np.float64)


def _similar_lengths(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield places of texts to read at once, so that little of a batch is padding."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if rows and (len(rows) + 1) * lengths[row] > MAX_BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


@lru_cache(maxsize=1)
def _load_fasttext(model: str) -> Any:
    import fasttext  # type: ignore[import-untyped]

    return fasttext.load_model(model)


def _judge_fasttext(
    model: Any, classes: Sequence[str], keep: Sequence[str], documents: Sequence[Document]
) -> list[Verdict]:
    probabilities_DC = np.zeros((len(documents), len(classes)))
    for row, document in zip(probabilities_DC, documents, strict=True):
        text = encodable(document.text).replace("\n", " ")
        for label, probability in zip(*model.predict(text, k=-1), strict=True):
            # fastText adds 1e-5 before it takes a logarithm.
            row[classes.index(_without_prefix(label))] = min(probability, 1.0)
    return verdicts(probabilities_DC, classes, keep)


def fasttext_labels(model: str) -> tuple[str, ...]:
    """Return the labels of a fastText classifier, without their prefix, as its file lists them.

    Source: fastText, `Args::load` and `Dictionary::load`.

    Raises:
        ValueError: If the file is no fastText classifier.
    """
    with open(model, "rb") as file:
        head = file.read(_HEAD.size)
        fields = _HEAD.unpack(head) if len(head) == _HEAD.size else (0,)
        if fields[0] != _MAGIC or fields[9] != _SUPERVISED:
            raise ValueError(f"`data.classifier.model`={model} is no fastText classifier.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            words = _fasttext_words(data, num=fields[-4] + fields[-3])
            labels = list(islice(words, fields[-4], None))
    return tuple(_without_prefix(label.decode("utf-8")) for label in labels)


def _fasttext_words(data: mmap.mmap, num: int) -> Iterator[bytes]:
    """Yield what the dictionary of a fastText model lists: words, then labels."""
    place = _HEAD.size
    for _ in range(num):
        end = data.find(b"\0", place)
        if end < 0:
            raise ValueError("`data.classifier.model` is a fastText model that was cut off.")
        yield data[place:end]
        place = end + 1 + _ENTRY_BYTES


def _without_prefix(label: str) -> str:
    return label.removeprefix("__label__")
