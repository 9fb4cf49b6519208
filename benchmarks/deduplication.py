"""L2's deduplication: what it finds, and how fast, beside datatrove alone and datasketch.

    python benchmarks/deduplication.py [--documents N] [--pairs N] [--rounds N]

Near-duplicates are planted: copies in which a share of the words was replaced, so that the Jaccard
similarity of every pair is known. All that is timed reads the same files, hashes the same 5-word
runs into 14 buckets of 8, and runs in this process; processor seconds are compared, medians over
rounds taken in turn. datatrove's English tokenizer needs spaCy, so that it is given ours; its call
of xxhash fails with version 4, so that it is given one that does not.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, cycle
from pathlib import Path
from typing import NamedTuple

os.environ["TQDM_DISABLE"] = "1"

import xxhash
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from rich.console import Console
from rich.table import Table

from davinci.data_levels.corpus import (
    num_bytes,
    part_names,
    read_documents,
    read_part,
    writing_part,
)
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.engine import Engine, SerialExecutor
from davinci.data_levels.levels import l2
from davinci.data_levels.levels.operator import LevelContext
from davinci.data_levels.levels.selection import duplicates
from davinci.data_levels.levels.selection.near_duplicates import shingles
from davinci.data_levels.levels.selection.word_tokenizer import ENGLISH
from davinci.data_levels.settings import LevelSettings, RuleSettings

RULES = RuleSettings()
SIMILARITIES = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
RUN_WORDS = RULES.minhash_shingle_words
NUM_WORDS = 400
NUM_PARTS = 4
COPIED_FRAC = 0.2


class Stream:
    """The documents of one part, as the builder hands them to operators."""

    def __init__(self, part: str, documents: Iterable[Document]) -> None:
        self.part, self._documents = part, documents

    def __iter__(self) -> Iterator[Document]:
        """Iterate over the documents."""
        return iter(self._documents)


class Vocabulary:
    """Made-up words, some common and most rare: the n-th stands 1/n times as often as the first."""

    def __init__(self, seed: int, num_words: int = 20_000) -> None:
        """Make the words up."""
        self.rng = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgk"
        self._words = [
            "".join(self.rng.choices(letters, k=self.rng.randint(2, 9))) for _ in range(num_words)
        ]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(num_words)))

    def words(self, count: int) -> list[str]:
        """Return random words."""
        return self.rng.choices(self._words, cum_weights=self._weights, k=count)

    def changed(self, words: Sequence[str], frac: float) -> list[str]:
        """Return the words with about `frac` of them replaced."""
        return [self.words(1)[0] if self.rng.random() < frac else word for word in words]


def changed_frac(similarity: float) -> float:
    """Return which share of the words to replace for a Jaccard similarity of the 5-word runs.

    A run survives with probability q = (1 - frac)^5, and s = q / (2 - q).
    """
    survives = 2 * similarity / (1 + similarity)
    return float(1 - survives ** (1 / RUN_WORDS))


def jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the similarity of the sets of 5-word runs, from the words themselves."""
    sets = [
        {tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1)}
        for words in (one, other)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def expected_recall(similarity: float) -> float:
    """Return the probability that all hashes of any one bucket agree."""
    agree = similarity**RULES.minhash_hashes_per_bucket
    return float(1 - (1 - agree) ** RULES.minhash_buckets)


class Pair(NamedTuple):
    """A document, its copy, and how similar they are."""

    wanted: float
    similarity: float
    original: Document
    copy: Document


def plant(num_pairs: int, seed: int = 0) -> list[Pair]:
    """Return pairs at every similarity."""
    vocabulary = Vocabulary(seed)
    pairs: list[Pair] = []
    for wanted in SIMILARITIES:
        for number in range(num_pairs):
            words = vocabulary.words(NUM_WORDS)
            copy = vocabulary.changed(words, changed_frac(wanted))
            name = f"{wanted}-{number}"
            original = make(name, words), make(f"{name}-copy", copy)
            pairs.append(Pair(wanted, jaccard(words, copy), *original))
    return pairs


def make(name: str, words: Iterable[str]) -> Document:
    """Return a document of these words."""
    return Document(id=name, domain="general", text=" ".join(words), meta={"format": "text"})


def write_parts(documents: Sequence[Document], corpus: Path) -> None:
    """Write a corpus, its documents dealt out to a few parts."""
    for index in range(NUM_PARTS):
        with writing_part(corpus, f"{index:05d}") as writer:
            for document in documents[index::NUM_PARTS]:
                writer.write(document)


def fit(document: Document) -> None:
    """Find no fault with any document: deduplication alone is measured."""


def deduplicate(corpus: Path, work: Path) -> list[Dropped]:
    """Return what our deduplication drops."""
    duplicates.decide(corpus, work, fit, RULES, Engine(work=work))
    return drops_of(corpus, work, ("exact_duplicates", "near_duplicates"))


def drops_of(corpus: Path, work: Path, steps: Sequence[str]) -> list[Dropped]:
    """Run the level's operators over a corpus; return what they drop."""
    drops: list[Dropped] = []
    for part in part_names(corpus):
        documents: Iterable[Document] = read_part(corpus, part)
        for step in steps:
            operator = l2.Decided(name=step, version=1, work=work)
            outcomes = list(operator.run(Stream(part, documents), {}))
            drops += [outcome for outcome in outcomes if isinstance(outcome, Dropped)]
            documents = [outcome for outcome in outcomes if isinstance(outcome, Document)]
    return drops


def whole_level(corpus: Path, work: Path) -> int:
    """Return how many documents L2 drops, rules included."""
    context = LevelContext(
        source=None,  # type: ignore[arg-type]  # L2 asks the source nothing
        domain="general",
        settings=LevelSettings(rules=RULES),
        parent=corpus,
        work=work,
        engine=Engine(work=work),
    )
    operators = l2.prepare(context).operators
    return len(drops_of(corpus, work, [operator.name for operator in operators]))


def xxh64(text: str) -> int:
    """Return the 64-bit hash that datatrove takes by default."""
    return xxhash.xxh64_intdigest(text.encode())


def datatrove_alone(corpus: Path, work: Path) -> int:
    """Return how many documents datatrove's own four stages drop."""
    config = MinhashConfig()
    signatures, pairs, removed = (str(work / name) for name in ("signatures", "pairs", "removed"))
    sign = MinhashDedupSignature(signatures, config, ENGLISH)
    sign._hash_func = xxh64
    reader = JsonlReader(str(corpus / "documents"), glob_pattern="*.jsonl.zst")
    kept: list[int] = []
    stages = (
        ([reader, sign], NUM_PARTS),
        ([MinhashDedupBuckets(signatures, pairs, config=config)], config.num_buckets),
        ([MinhashDedupCluster(pairs, removed, config)], 1),
        ([reader, MinhashDedupFilter(removed), lambda data, *_: kept.append(len(list(data)))],
         NUM_PARTS),
    )  # fmt: skip
    for number, (pipeline, tasks) in enumerate(stages):
        logs = str(work / f"logs{number}")
        SerialExecutor(pipeline, tasks=tasks, logging_dir=logs, on_rank=lambda done: None).run()
    return sum(1 for _ in read_documents(corpus)) - sum(kept)


def with_datasketch(corpus: Path, work: Path) -> int:
    """Return how many documents datasketch's MinHash and LSH find a similar earlier one for."""
    params = RULES.minhash_buckets, RULES.minhash_hashes_per_bucket
    num_perm = params[0] * params[1]
    index = MinHashLSH(num_perm=num_perm, params=params)
    empty = MinHash(num_perm=num_perm, seed=1, hashfunc=int)
    dropped = 0
    for document in read_documents(corpus):
        minhash = empty.copy()
        minhash.update_batch((shingles(document.text, RUN_WORDS) >> 32).tolist())
        if index.query(minhash):
            dropped += 1
        else:
            index.insert(document.id, minhash, check_duplication=False)
    return dropped


CONTESTANTS: dict[str, Callable[[Path, Path], int]] = {
    "davinci, duplicates": lambda corpus, work: len(deduplicate(corpus, work)),
    "davinci, rules + duplicates": whole_level,
    "datatrove alone": datatrove_alone,
    "datasketch": with_datasketch,
}


def found_table(num_pairs: int, folder: Path) -> Table:
    """Return recall by similarity beside the theory; the caption tells precision."""
    pairs = plant(num_pairs)
    documents = [document for pair in pairs for document in (pair.original, pair.copy)]
    write_parts(documents, folder / "corpus")
    drops = deduplicate(folder / "corpus", folder / "work")
    partners = {drop.document.id: drop.detail for drop in drops}
    table = Table(title=f"Planted near-duplicates, {num_pairs} pairs each, {NUM_WORDS} words")
    for column in ("Jaccard, wanted", "true mean", "recall", "theory", "standard error"):
        table.add_column(column, justify="right")
    for wanted in SIMILARITIES:
        own = [pair for pair in pairs if pair.wanted == wanted]
        theory = statistics.mean(expected_recall(pair.similarity) for pair in own)
        recall = statistics.mean(is_found(pair, partners) for pair in own)
        error = (theory * (1 - theory) / len(own)) ** 0.5
        mean = statistics.mean(pair.similarity for pair in own)
        table.add_row(f"{wanted:.2f}", *(f"{value:.3f}" for value in (mean, recall, theory, error)))
    table.caption = precision(pairs, partners)
    return table


def is_found(pair: Pair, partners: dict[str, str]) -> bool:
    """Return whether one of the pair was dropped for the other."""
    names = pair.original.id, pair.copy.id
    return partners.get(names[1]) == names[0] or partners.get(names[0]) == names[1]


def precision(pairs: Sequence[Pair], partners: dict[str, str]) -> str:
    """Return what share of the drops were right, under three notions of a near-duplicate."""
    found = [pair for pair in pairs if is_found(pair, partners)]
    lines = [
        f"{len(partners)} dropped, {len(found)} of them copies of the one they were dropped for"
    ]
    for limit in (0.5, 0.7):
        alike = [pair for pair in pairs if pair.similarity >= limit]
        hits = sum(pair.similarity >= limit for pair in found)
        lines.append(
            f"near-duplicate if Jaccard >= {limit}: precision {hits / len(found):.3f}, "
            f"recall {hits / len(alike):.3f}"
        )
    return "\n".join(lines)


def crawl(num_documents: int, seed: int = 1) -> list[Document]:
    """Return prose of various lengths, a fifth of it copies with a few words changed."""
    vocabulary = Vocabulary(seed)
    rng, texts = vocabulary.rng, [vocabulary.words(NUM_WORDS)]
    for changes in cycle((0.0, 0.01, 0.02, 0.05)):
        if len(texts) >= num_documents:
            break
        copies = rng.random() < COPIED_FRAC
        original = rng.choice(texts) if copies else vocabulary.words(rng.randint(50, 750))
        texts.append(vocabulary.changed(original, changes) if copies else original)
    frame = (
        "This is the page that is of {}.\n\n{}.\n\nIt is to be read with the others, and for them."
    )
    return [
        make(f"d{number}", [frame.format(number, ".\n".join(lines_of(text)))])
        for number, text in enumerate(texts)
    ]


def lines_of(words: Sequence[str]) -> list[str]:
    """Return the words in lines of twelve."""
    return [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]


def speed_table(num_documents: int, rounds: int, folder: Path) -> Table:
    """Return the speed of all contestants, as a ratio to datatrove alone."""
    documents = crawl(num_documents)
    write_parts(documents, folder / "corpus")
    megabytes = num_bytes(documents) / 1e6
    taken: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    dropped: dict[str, int] = {}
    for number in range(rounds):
        for place, (name, run) in enumerate(CONTESTANTS.items()):
            started = time.process_time()
            dropped[name] = run(folder / "corpus", folder / f"{number}_{place}")
            taken[name].append(time.process_time() - started)
    table = Table(title=f"{num_documents} documents, {megabytes:.1f} MB, {rounds} rounds")
    table.add_column("", no_wrap=True)
    for column in ("dropped", "seconds", "docs/s", "MB/s", "ratio"):
        table.add_column(column, justify="right")
    peer = statistics.median(taken["datatrove alone"])
    for name, values in taken.items():
        seconds = statistics.median(values)
        rates = f"{num_documents / seconds:.0f}", f"{megabytes / seconds:.2f}"
        ratio = f"{peer / seconds:.2f}"
        table.add_row(name, str(dropped[name]), f"{seconds:.2f}", *rates, ratio)
    return table


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=3000, help="of the corpus that is timed")
    parser.add_argument("--pairs", type=int, default=200, help="planted at every similarity")
    parser.add_argument("--rounds", type=int, default=3, help="of the timing")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        console.print(found_table(options.pairs, Path(folder) / "found"))
        console.print(speed_table(options.documents, options.rounds, Path(folder) / "speed"))


if __name__ == "__main__":
    main()
