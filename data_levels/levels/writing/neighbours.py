"""Finds, for every chunk of a corpus, the passages of other documents that it resembles most.

By BM25 (Robertson and Zaragoza 2009) over hashed words, in two stages over the parts of the corpus:
`index` counts the words of each part's passages, `search` compares each part's chunks with every
part's passages, one part in memory at a time. The time grows with the square of the corpus, so this
is for corpora of some hundred thousand passages. Files, in the folder given:

    index/<part>.npz      word counts of the part's passages, sparse
    found/<part>.jsonl    per document: its id, and the neighbours of each of its chunks
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

from davinci.data_levels.corpus import (
    parse_row,
    part_names,
    read_part,
    row_line,
    write_aside,
)
from davinci.data_levels.engine import Engine
from davinci.data_levels.settings import ContextSettings
from davinci.data_levels.teacher.chunks import chunks

NUM_FEATURES = 2**18
K1, B = 1.2, 0.75
"""Source: Robertson and Zaragoza 2009, Section 3.5, usual values."""
COMMON_FRAC, MIN_COMMON = 0.1, 50
"""Words in more than this share of all passages, and in so many of them, tell nothing."""
QUERIES_AT_ONCE = 128
SCORE_DIGITS = 4
"""Scores that agree so far are equal, and the passage that comes first in the corpus wins."""


class Neighbour(NamedTuple):
    """A passage of another document."""

    id: str
    text: str


class _Found(NamedTuple):
    score: float
    passage: int
    document: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """One part's passages; they and the documents count on through the whole corpus.

    Attributes:
        counts: How often each hashed word stands in each passage, shape (passages, NUM_FEATURES).
        owners: The document of each passage.
        first: The number of the part's first passage.
    """

    counts: csr_matrix
    owners: NDArray[np.int64]
    first: int


class _Totals(NamedTuple):
    """What the scores need to know of all passages; `first_*` are those of each part."""

    idf: NDArray[np.float64]
    mean_words: float
    first_passage: NDArray[np.int64]
    first_document: NDArray[np.int64]


def find_neighbours(parent: Path, out: Path, settings: ContextSettings, engine: Engine) -> None:
    """Find the neighbours of every chunk of a corpus; stages that have ended are not repeated."""
    for folder in ("index", "found"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    num_parts = len(part_names(parent))
    index = partial(_index_part, parent=parent, out=out, settings=settings)
    engine.run("neighbours_index", [index], num_parts, "counting words")
    search = partial(_search_part, parent=parent, out=out, settings=settings)
    engine.run("neighbours_search", [search], num_parts, "finding neighbours")


def read_neighbours(out: Path, part: str) -> Iterator[tuple[str, list[list[Neighbour]]]]:
    """Yield, for each document of a part: its id, and the neighbours of each of its chunks."""
    with (out / "found" / f"{part}.jsonl").open("rb") as file:
        for line in file:
            row = parse_row(line)
            yield row["id"], [[Neighbour(*n) for n in chunk] for chunk in row["chunks"]]


def _index_part(
    _: object, rank: int, world_size: int, *, parent: Path, out: Path, settings: ContextSettings
) -> None:
    """Count the words of one part's passages."""
    part = part_names(parent)[rank]
    passages = list(_passages(parent, part, settings.neighbour_chars))
    counts = _counted(passage for _, _, passage in passages)
    owners = np.array([number for number, _, _ in passages], dtype=np.int64)
    path = out / "index" / f"{part}.npz"
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        np.savez(
            file,
            data=counts.data.astype(np.float32),
            indices=counts.indices,
            indptr=counts.indptr,
            owners=owners,
            num_documents=np.array(owners.max(initial=-1) + 1),
            with_word=np.bincount(counts.indices, minlength=NUM_FEATURES),
            num_words=np.array(counts.sum()),
        )
    aside.replace(path)


def _search_part(
    _: object, rank: int, world_size: int, *, parent: Path, out: Path, settings: ContextSettings
) -> None:
    """Write the neighbours of one part's chunks."""
    parts = part_names(parent)
    totals = _totals(out, parts)
    first_document = int(totals.first_document[rank])
    owners: list[int] = []

    pieces: list[str] = []
    for number, document in enumerate(read_part(parent, parts[rank])):
        cut = chunks(document.text, settings.chunk_chars)
        owners += [first_document + number] * len(cut)
        pieces += cut
    asked = _weighted(_counted(pieces), totals.idf)
    best: list[list[_Found]] = [[] for _ in owners]
    for other in range(len(parts)):
        index = _load(out, parts, other, totals)
        _improve(best, asked, owners, index, totals.mean_words, settings.num_neighbours)
    texts = _texts(parent, parts, totals, best, settings.neighbour_chars)
    rows, place = [], 0
    for document in read_part(parent, parts[rank]):
        num_chunks = len(chunks(document.text, settings.chunk_chars))
        found = [[texts[f.passage] for f in row] for row in best[place : place + num_chunks]]
        rows.append(row_line({"id": document.id, "chunks": found}))
        place += num_chunks
    write_aside(out / "found" / f"{parts[rank]}.jsonl", b"".join(rows))


def _improve(
    best: list[list[_Found]],
    asked: csr_matrix,
    owners: Sequence[int],
    index: _Index,
    mean_words: float,
    num_neighbours: int,
) -> None:
    """Put a part's passages among the best so far, where they belong there."""
    if not index.counts.shape[0]:
        return
    saturated = _saturated(index.counts, mean_words).T.tocsr()
    for start in range(0, len(owners), QUERIES_AT_ONCE):
        scores = (asked[start : start + QUERIES_AT_ONCE] @ saturated).tocsr()
        for row in range(scores.shape[0]):
            places = slice(scores.indptr[row], scores.indptr[row + 1])
            found = _first(
                scores.indices[places],
                scores.data[places],
                index,
                owners[start + row],
                num_neighbours,
            )
            merged = sorted([*best[start + row], *found], key=lambda f: (-f.score, f.passage))
            best[start + row] = merged[:num_neighbours]


def _first(
    rows: NDArray[np.int32],
    scores: NDArray[np.float64],
    index: _Index,
    asking: int,
    num_neighbours: int,
) -> list[_Found]:
    """Return the best passages of a part, one of each document, none of the asking one."""
    found: dict[int, _Found] = {}
    rounded = scores.round(SCORE_DIGITS)
    for place in np.lexsort((rows, -rounded)):
        owner = int(index.owners[rows[place]])
        if rounded[place] <= 0 or len(found) == num_neighbours:
            break
        if owner != asking:
            passage = index.first + int(rows[place])
            found.setdefault(owner, _Found(float(rounded[place]), passage, owner))
    return list(found.values())


def _saturated(counts: csr_matrix, mean_words: float) -> csr_matrix:
    """Return BM25's weight of each word in each passage, without its idf."""
    num_words = np.asarray(counts.sum(axis=1)).ravel()
    norm = K1 * (1 - B + B * num_words / mean_words)
    per_entry = np.repeat(norm, np.diff(counts.indptr))
    data = counts.data.astype(np.float64)
    weights = data * (K1 + 1) / (data + per_entry)
    return csr_matrix((weights, counts.indices, counts.indptr), shape=counts.shape)


def _weighted(counts: csr_matrix, idf: NDArray[np.float64]) -> csr_matrix:
    """Return the queries: the idf of every word that stands in them, once."""
    asked = csr_matrix((idf[counts.indices], counts.indices, counts.indptr), shape=counts.shape)
    asked.eliminate_zeros()
    return asked


def _totals(out: Path, parts: Sequence[str]) -> _Totals:
    with_word = np.zeros(NUM_FEATURES, dtype=np.int64)
    num_passages, num_documents, num_words = [0], [0], 0.0
    for part in parts:
        with np.load(out / "index" / f"{part}.npz", allow_pickle=False) as saved:
            with_word += saved["with_word"]
            num_passages.append(num_passages[-1] + len(saved["owners"]))
            num_documents.append(num_documents[-1] + int(saved["num_documents"]))
            num_words += float(saved["num_words"])
    total = num_passages[-1]
    idf = np.log1p((total - with_word + 0.5) / (with_word + 0.5))
    idf[(with_word == 0) | (with_word > max(MIN_COMMON, COMMON_FRAC * total))] = 0.0
    return _Totals(
        idf, max(1.0, num_words / max(1, total)), np.array(num_passages), np.array(num_documents)
    )


def _load(out: Path, parts: Sequence[str], place: int, totals: _Totals) -> _Index:
    with np.load(out / "index" / f"{parts[place]}.npz", allow_pickle=False) as saved:
        owners = saved["owners"]
        counts = csr_matrix(
            (saved["data"], saved["indices"], saved["indptr"]), shape=(len(owners), NUM_FEATURES)
        )
    first = int(totals.first_passage[place])
    return _Index(counts=counts, owners=owners + totals.first_document[place], first=first)


def _texts(
    parent: Path,
    parts: Sequence[str],
    totals: _Totals,
    best: Sequence[Sequence[_Found]],
    passage_chars: int,
) -> dict[int, Neighbour]:
    """Return the passages that were found, by their numbers."""
    wanted = {found.passage for row in best for found in row}
    texts: dict[int, Neighbour] = {}
    for place, part in enumerate(parts):
        first, end = totals.first_passage[place : place + 2]
        if not any(first <= passage < end for passage in wanted):
            continue
        for number, (_, name, passage) in enumerate(
            _passages(parent, part, passage_chars), start=int(first)
        ):
            if number in wanted:
                texts[number] = Neighbour(name, passage.strip())
    return texts


def _passages(parent: Path, part: str, max_chars: int) -> Iterator[tuple[int, str, str]]:
    """Yield the passages of a part: the place and the id of the document, and the text."""
    for number, document in enumerate(read_part(parent, part)):
        for passage in chunks(document.text, max_chars):
            yield number, document.id, passage


def _counted(texts: Iterable[str]) -> csr_matrix:
    """Return how often each hashed word stands in each text, shape (texts, NUM_FEATURES)."""
    vectorizer = HashingVectorizer(
        n_features=NUM_FEATURES, alternate_sign=False, norm=None, token_pattern=r"(?u)\b\w\w+\b"
    )
    texts = iter(texts)
    first = next(texts, None)
    if first is None:
        return csr_matrix((0, NUM_FEATURES))
    return vectorizer.transform(chain((first,), texts))
