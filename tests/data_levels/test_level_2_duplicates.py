"""L2: the whole level over corpora in parts, and what counts as a duplicate."""

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from davinci.data_levels.corpus import part_names, read_part, write_aside, writing_part
from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels import l2
from davinci.data_levels.levels.operator import LevelContext
from davinci.data_levels.levels.selection import duplicates
from davinci.data_levels.settings import LevelSettings, RuleSettings

RULES = RuleSettings()
Fate = tuple[str, str, str]
"""Step, reason and detail of a dropped document."""


class Stream:
    def __init__(self, part: str, documents: Iterator[Document]) -> None:
        self.part, self._documents = part, documents

    def __iter__(self) -> Iterator[Document]:
        return self._documents


def make(text: str, name: str) -> Document:
    return Document(id=name, domain="general", text=text, meta={"format": "text"})


def paragraph(seed: int, num_words: int = 120) -> str:
    rng = random.Random(seed)
    words = ["stone", "river", "cloud", "the", "is", "of", "and", "mill", "grain", "to", "with"]
    return " ".join(rng.choice(words) + str(rng.randrange(9)) for _ in range(num_words)) + (
        " and that is the end of it, which is as it should be."
    )


def framed(text: str) -> str:
    return f"Home | About | Contact\n{text}\nCopyright 2020"


def write_parts(documents: Sequence[Document], corpus: Path, num_parts: int) -> None:
    for index, places in enumerate(np.array_split(np.arange(len(documents)), num_parts)):
        with writing_part(corpus, f"{index:05d}") as writer:
            for place in places:
                writer.write(documents[place])


def context_of(corpus: Path, work: Path, rules: RuleSettings, workers: int = 1) -> LevelContext:
    return LevelContext(
        source=None,  # type: ignore[arg-type]  # L2 asks the source nothing
        domain="general",
        settings=LevelSettings(rules=rules),
        parent=corpus,
        work=work,
        engine=Engine(work=work, workers=workers),
    )


def run_level(context: LevelContext) -> tuple[list[Document], dict[str, Fate]]:
    """Return the kept documents and the fates of the others, by id."""
    operators = pickle.loads(pickle.dumps(l2.prepare(context).operators))
    kept: list[Document] = []
    fates: dict[str, Fate] = {}
    for part in part_names(context.parent):
        documents = read_part(context.parent, part)
        for operator in operators:
            outcomes: list[Outcome] = list(operator.run(Stream(part, documents), {}))
            drops = [outcome for outcome in outcomes if isinstance(outcome, Dropped)]
            fates.update({d.document.id: (operator.name, d.reason, d.detail) for d in drops})
            documents = iter([o for o in outcomes if isinstance(o, Document)])
        kept.extend(documents)
    return kept, fates


@pytest.fixture
def level(tmp_path: Path) -> Callable[..., tuple[list[Document], dict[str, Fate]]]:
    def run(
        documents: Sequence[Document],
        rules: RuleSettings = RULES,
        num_parts: int = 1,
        workers: int = 1,
    ) -> tuple[list[Document], dict[str, Fate]]:
        folder = tmp_path / f"{num_parts}_{workers}_{len(documents)}"
        write_parts(documents, folder / "corpus", num_parts)
        return run_level(context_of(folder / "corpus", folder / "work", rules, workers))

    return run


CORPUS = [
    make("no", "short"),
    make(framed(paragraph(1)), "one"),
    make(paragraph(2), "two"),
    make(paragraph(2), "two_again"),
    make("x" * 900, "garbled"),
    make(paragraph(1), "one_bare"),
    make(paragraph(3), "three"),
    make(paragraph(1), "one_bare_again"),
    make(framed(paragraph(2)), "two_framed"),
    make("no", "short_again"),
    make(paragraph(2) + " ", "two_with_a_space"),
]
FATES = {
    "short": ("rules", "too_short", "2 characters"),
    "short_again": ("rules", "too_short", "2 characters"),
    "garbled": ("rules", "garbled", "1.00"),
    "two_again": ("exact_duplicates", "exact_duplicate", "two"),
    "two_framed": ("near_duplicates", "near_duplicate", "two"),
    "two_with_a_space": ("near_duplicates", "near_duplicate", "two"),
    "one_bare": ("near_duplicates", "near_duplicate", "one"),
    "one_bare_again": ("exact_duplicates", "exact_duplicate", "one_bare"),
}


@pytest.mark.parametrize("num_parts", [1, 3, 7])
def test_the_first_of_each_stays_however_the_corpus_is_cut(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]], num_parts: int
) -> None:
    kept, fates = level(CORPUS, num_parts=num_parts)
    assert kept == [CORPUS[1], CORPUS[2], CORPUS[6]]
    assert fates == FATES
    assert l2.survivors(CORPUS, RULES) == kept


def test_groups_of_several_parts_change_nothing(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MAX_GROUPS", 3)
    kept, fates = level(CORPUS, num_parts=7)
    assert kept == [CORPUS[1], CORPUS[2], CORPUS[6]]
    assert fates == FATES


def test_two_workers_decide_what_one_does(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    assert level(CORPUS, num_parts=3, workers=2) == level(CORPUS, num_parts=3)


def test_groups_hold_parts_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts([], tmp_path, 10)
    assert duplicates.groups_of(tmp_path) == [[f"{n:05d}"] for n in range(10)]
    monkeypatch.setattr(duplicates, "MAX_GROUPS", 4)
    groups = [[int(part) for part in group] for group in duplicates.groups_of(tmp_path)]
    assert groups == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def random_corpus(num_documents: int, seed: int) -> list[Document]:
    """Return documents of which many copy earlier ones, with some words replaced."""
    rng = random.Random(seed)
    texts: list[str] = []
    for number in range(num_documents):
        if texts and rng.random() < 0.6:
            words = rng.choice(texts).split(" ")
            for _ in range(rng.choice((0, 0, 1, 2, 5))):
                words[rng.randrange(len(words))] = "the"
            texts.append(" ".join(words))
        else:
            texts.append(paragraph(1000 + number, rng.choice((12, 60, 200))))
    return [make(text, f"d{number}") for number, text in enumerate(texts)]


def test_the_staged_passes_keep_what_the_in_memory_comparison_keeps(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    documents = random_corpus(150, seed=0)
    kept, fates = level(documents, num_parts=4)
    assert kept == l2.survivors(documents, RULES)
    assert 20 < len(kept) < 100
    assert len(kept) + len(fates) == len(documents)
    assert {"exact_duplicate", "near_duplicate"} == {reason for _, reason, _ in fates.values()}


def test_exact_duplicates_are_all_texts_that_stood_before(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    documents = random_corpus(150, seed=1)
    _, fates = level(documents, num_parts=4)
    first = {document.text: document.id for document in reversed(documents)}
    expected = {d.id: first[d.text] for d in documents if first[d.text] != d.id}
    exact = {name: fate[2] for name, fate in fates.items() if fate[1] == "exact_duplicate"}
    assert exact == expected


def test_every_near_duplicate_names_a_document_that_stays(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    kept, fates = level(random_corpus(150, seed=2))
    stays = {document.id for document in kept}
    assert all(detail in stays for step, _, detail in fates.values() if step == "near_duplicates")


def test_texts_without_words_are_compared_exactly(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    documents = [make("", "a"), make(" \n", "b"), make("", "c"), make(" \n", "d"), make("  ", "e")]
    kept, fates = level(documents, RuleSettings(min_chars=0))
    assert [document.id for document in kept] == ["a", "b", "e"]
    assert fates == {
        "c": ("exact_duplicates", "exact_duplicate", "a"),
        "d": ("exact_duplicates", "exact_duplicate", "b"),
    }


def test_ids_and_texts_may_hold_lone_surrogates(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]],
) -> None:
    text = paragraph(5) + " \ud800"
    kept, fates = level([make(text, "a\udfff"), make(text, "b")])
    assert [document.id for document in kept] == ["a\udfff"]
    assert fates == {"b": ("exact_duplicates", "exact_duplicate", "a\udfff")}


@pytest.mark.parametrize("documents", [[], [make("no", "a"), make("", "b")]])
def test_a_corpus_may_be_empty_or_lose_all(
    level: Callable[..., tuple[list[Document], dict[str, Fate]]], documents: list[Document]
) -> None:
    kept, fates = level(documents)
    assert not kept
    assert len(fates) == len(documents)


def test_a_corpus_without_parts_is_prepared(tmp_path: Path) -> None:
    (tmp_path / "corpus/documents").mkdir(parents=True)
    assert run_level(context_of(tmp_path / "corpus", tmp_path / "work", RULES)) == ([], {})


class Killed(BaseException):
    """What a test raises in the middle of a stage."""


def count_and_kill(document: Document, *, log: Path, kill_at: str) -> None:
    with log.open("a") as file:
        file.write(document.id + "\n")
    if document.id == kill_at:
        raise Killed


def test_a_killed_pass_goes_on_where_it_was(tmp_path: Path) -> None:
    corpus, work, log = tmp_path / "corpus", tmp_path / "work", tmp_path / "log"
    documents = random_corpus(12, seed=3)
    write_parts(documents, corpus, 3)
    engine = Engine(work=work)
    for kill_at in ("d5", "d9", ""):
        judge = partial(count_and_kill, log=log, kill_at=kill_at)
        try:
            duplicates.decide(corpus, work, judge, RULES, engine)
        except Killed:
            assert kill_at
    judged = log.read_text().split()
    assert judged.count("d0") == 1  # the first part was never done again
    assert judged.count("d4") == 2
    assert judged.count("d9") == 2
    killed = {part: duplicates.read_decisions(work, part) for part in part_names(corpus)}
    whole = tmp_path / "whole"
    judge = partial(count_and_kill, log=log, kill_at="")
    duplicates.decide(corpus, whole, judge, RULES, Engine(work=whole))
    assert killed == {part: duplicates.read_decisions(whole, part) for part in part_names(corpus)}


def test_a_killed_clustering_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus"
    write_parts(CORPUS, corpus, 3)
    context = context_of(corpus, tmp_path / "work", RULES)
    publish = write_aside

    def die_at_the_second_part(path: Path, data: bytes) -> None:
        if path == tmp_path / "work/decisions/00001.json":
            raise Killed
        publish(path, data)

    target = "davinci.data_levels.levels.selection.duplicates.write_aside"
    monkeypatch.setattr(target, die_at_the_second_part)
    with pytest.raises(Killed):
        l2.prepare(context)
    assert (tmp_path / "work/decisions/00000.json").exists()
    monkeypatch.undo()
    assert run_level(context)[1] == FATES


def test_the_level_is_strict_and_tells_its_parameters(tmp_path: Path) -> None:
    write_parts([], tmp_path / "corpus", 1)
    rules = RuleSettings(minhash_buckets=9, languages=("en",), min_stars=3)
    prepared = l2.prepare(context_of(tmp_path / "corpus", tmp_path / "work", rules))
    assert prepared.strict
    steps = {operator.name: operator.parameters for operator in prepared.operators}
    assert list(steps) == ["rules", "exact_duplicates", "near_duplicates"]
    assert (steps["rules"]["languages"], steps["rules"]["min_stars"]) == (("en",), 3)
    assert "minhash_buckets" not in steps["rules"]
    assert steps["exact_duplicates"] == {"digest": "blake2b", "digest_bits": 128}
    assert steps["near_duplicates"] == {
        "minhash_buckets": 9,
        "minhash_hashes_per_bucket": 8,
        "minhash_shingle_words": 5,
    }


def test_a_wrong_setting_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    context = context_of(tmp_path / "none", tmp_path / "work", RuleSettings(published=("c5",)))
    with pytest.raises(ValueError, match="`data.rules.published`"):
        l2.prepare(context)
