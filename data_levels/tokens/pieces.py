"""One part of a corpus as token ids: a piece, which `shards` joins with the others.

    tokens.bin     ids of all documents, each ended by the end of text (uint16 or uint32)
    lengths.bin    tokens of each document, its end included (int64)
    questions.bin  start and end of each run of question tokens, within the piece (int64)
    counts.json    what the manifest sums up

We tokenize ourselves, not with datatrove's `DocumentTokenizer`: it keeps neither which tokens
belong to a question nor counts by source, it starts over after a kill, and a special token spelled
in a text ends the document.
"""

import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from davinci.data_levels.corpus import read_part, utf8
from davinci.data_levels.document import Document
from davinci.data_levels.tokens.pairs import pair_spans
from davinci.data_levels.tokens.tokenizer import encodable, end_of_text_id, load_tokenizer, num_ids

TOKENS_PIECE = "tokens.bin"
LENGTHS_PIECE = "lengths.bin"
QUESTIONS_PIECE = "questions.bin"
COUNTS_PIECE = "counts.json"
MAX_BATCH_STRETCHES = 256
MAX_CHARS = 2**20
"""A batch ends with the text that makes it so large; a longer document is cut into stretches.

The library takes 100 to 400 bytes of memory for a character, so a document of 100 MB would take
them all. Cut before a space, the ids are those of the whole text: byte-level tokenizers begin a
word there.
"""
CUT_CHARS = 1000
"""Where so many characters before the end of a stretch hold no space, it ends at the limit."""

Spans = Sequence[tuple[int, int]]
_SPACE = re.compile(r"(?<=\S) (?=\S)")


class Stretch(NamedTuple):
    """A document, or as much of a long one as is tokenized at a time.

    `asked` are the characters [start, end) of its questions, labels included, where a question
    reaches to where its answer begins (see `pairs.PairSpan`); they may reach out of the text.
    """

    document: Document
    text: str
    asked: Spans
    is_last: bool


class Opened(NamedTuple):
    """A tokenizer with what the shards must know of it; `num_ids` is one more than the largest."""

    tokenizer: Tokenizer
    end_id: int
    num_ids: int

    @property
    def typecode(self) -> str:
        """Two bytes an id where they suffice (`H`), else four (`I`), as `array` names them."""
        return "H" if self.num_ids <= 2**16 else "I"


class Counts(NamedTuple):
    """What a piece holds; `num_bytes` are UTF-8 bytes of the texts."""

    num_bytes: int
    num_question_tokens: int
    tokens_by_source: Mapping[str, int]
    documents_by_source: Mapping[str, int]


@lru_cache(maxsize=1)
def open_tokenizer(path: Path, digest: str) -> Opened:
    """Return the tokenizer of a folder, read once per process as long as its digest is the same."""
    tokenizer = load_tokenizer(path)
    return Opened(tokenizer, end_of_text_id(path), num_ids(tokenizer))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizePart:
    """The step of a stage whose ranks are the parts of a corpus.

    Attributes:
        parts: Names of all parts of the corpus, in order.
        digest: Of the tokenizer, see `open_tokenizer`.
        pieces: Folder for the pieces, each a folder with its part's name.
    """

    corpus: Path
    parts: tuple[str, ...]
    tokenizer: Path
    digest: str
    pieces: Path

    def __call__(self, data: object, rank: int, world_size: int) -> None:
        """Write the piece of the part with this rank, over whatever a kill left of it."""
        part = self.parts[rank]
        opened = open_tokenizer(self.tokenizer, self.digest)
        write_piece(read_part(self.corpus, part), opened, self.pieces / part)


def write_piece(documents: Iterable[Document], opened: Opened, piece: Path) -> None:
    """Tokenize documents into the folder `piece`; the ids of one batch are held at a time."""
    piece.mkdir(parents=True, exist_ok=True)
    lengths, questions = array("q"), array("q")
    tokens_by_source: Counter[str] = Counter()
    documents_by_source: Counter[str] = Counter()
    begin = position = num_bytes = 0
    with (piece / TOKENS_PIECE).open("wb") as file:
        for stretch, ids, runs in _encode(documents, opened):
            if stretch.is_last:
                ids.append(opened.end_id)
            array(opened.typecode, ids).tofile(file)
            for start, end in runs:
                _append(questions, position + start, position + end)
            position += len(ids)
            if stretch.is_last:
                lengths.append(position - begin)
                num_bytes += len(utf8(stretch.document.text))
                source = _source(stretch.document)
                tokens_by_source[source] += position - begin
                documents_by_source[source] += 1
                begin = position
    (piece / LENGTHS_PIECE).write_bytes(lengths.tobytes())
    (piece / QUESTIONS_PIECE).write_bytes(questions.tobytes())
    num_question_tokens = sum(questions[1::2]) - sum(questions[::2])
    counts = Counts(num_bytes, num_question_tokens, tokens_by_source, documents_by_source)
    (piece / COUNTS_PIECE).write_text(json.dumps(counts._asdict()), encoding="ascii")


def read_counts(piece: Path) -> Counts:
    """Return the counts of a piece."""
    return Counts(**json.loads((piece / COUNTS_PIECE).read_text(encoding="ascii")))


def question_tokens(asked: Spans, offsets: Spans) -> list[tuple[int, int]]:
    """Return the runs [start, end) of tokens that belong to questions.

    A token that also holds something of an answer belongs to the answer.

    Args:
        asked: Characters [start, end) of each question, in order.
        offsets: Characters [start, end) of each token, in order.
    """
    runs = []
    for start, end in asked:
        first = bisect_left(offsets, start, key=lambda span: span[0])
        last = bisect_right(offsets, end, key=lambda span: span[1])
        if first < last:
            runs.append((first, last))
    return runs


def _stretches(documents: Iterable[Document]) -> Iterator[Stretch]:
    for document in documents:
        text = document.text
        pairs = pair_spans(text) if _may_ask(document) else ()
        questions = [(pair.start, pair.answer_start) for pair in pairs]
        begin = 0
        for end in _ends(text):
            asked = [(a - begin, b - begin) for a, b in questions if a < end and begin < b]
            yield Stretch(document, encodable(text[begin:end]), asked, end == len(text))
            begin = end


def _ends(text: str) -> Iterator[int]:
    """Yield where the stretches of a text end: before a space between words if one is near."""
    end = 0
    while len(text) - end > MAX_CHARS:
        latest = end + MAX_CHARS
        spaces = _SPACE.finditer(text, latest - CUT_CHARS, latest)
        end = max((space.start() for space in spaces), default=latest)
        yield end
    yield len(text)


def _batches(documents: Iterable[Document]) -> Iterator[list[Stretch]]:
    batch: list[Stretch] = []
    num_chars = 0
    for stretch in _stretches(documents):
        batch.append(stretch)
        num_chars += len(stretch.text)
        if len(batch) == MAX_BATCH_STRETCHES or num_chars >= MAX_CHARS:
            yield batch
            batch, num_chars = [], 0
    if batch:
        yield batch


def _encode(
    documents: Iterable[Document], opened: Opened
) -> Iterator[tuple[Stretch, list[int], Spans]]:
    """Yield each stretch with its ids and its runs of question tokens."""
    tokenizer = opened.tokenizer
    for batch in _batches(documents):
        # Offsets cost a third of the speed, so only those who need them pay.
        asks = any(stretch.asked for stretch in batch)
        encode = tokenizer.encode_batch if asks else tokenizer.encode_batch_fast
        encodings: list[Encoding] = encode([s.text for s in batch], add_special_tokens=False)
        for stretch, encoding in zip(batch, encodings, strict=True):
            asked = stretch.asked
            yield stretch, encoding.ids, question_tokens(asked, encoding.offsets) if asked else ()


def _append(runs: "array[int]", start: int, end: int) -> None:
    """Append a run; one that goes on where the last ended is the same question, cut in two."""
    if runs and runs[-1] == start:
        runs[-1] = end
    else:
        runs.extend((start, end))


def _source(document: Document) -> str:
    return document.meta.get("entry") or document.meta.get("source", "unknown")


def _may_ask(document: Document) -> bool:
    return document.domain == "qa" or document.meta.get("task") == "qa"
