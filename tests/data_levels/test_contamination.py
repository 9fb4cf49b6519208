"""Planted copies of held-out items are found, counted by hand, and nothing else is."""

import json
import tracemalloc
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from davinci.data_levels.build import CorpusSettings, build_corpus
from davinci.data_levels.chain import LEVELS, name_of
from davinci.data_levels.contamination import known_runs, probes
from davinci.data_levels.contamination.measure import MAX_EXAMPLES, measure_contamination
from davinci.data_levels.contamination.probes import question_of
from davinci.data_levels.contamination.record import (
    Contamination,
    Overlap,
    read_contamination,
    write_contamination,
)
from davinci.data_levels.contamination.settings import (
    DATA_DARWINISM,
    DEFAULT_RULE,
    ContaminationRule,
)
from davinci.data_levels.corpus import write_documents
from davinci.data_levels.document import DOMAINS, Document
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.held_out import build_held_out, write_held_out
from davinci.data_levels.sources.source import Benchmark, HeldOut, Item, SourceSettings
from davinci.data_levels.words import run_hashes, runs_by_size, word_hashes


def words(name: str, first: int, last: int) -> str:
    """Return the words `name<first>` to `name<last>`."""
    return " ".join(f"{name}{number}" for number in range(first, last + 1))


SHORT = f"{words('s', 1, 19)}?"  # 20 words with its mark: 8 runs of 13
SHORT_ANSWER = words("r", 1, 10)  # together 30 words: 18 runs
LONG = f"{words('l', 1, 60)}?"  # 61 words: 49 runs
LONG_ANSWER = words("m", 1, 9)  # together 70 words: 58 runs
BRIEF = "Which tree is it, Ann?"  # 7 words: one run
TEXT = words("t", 1, 60)  # 48 runs
SMALL_TEXT = words("u", 1, 40)  # 28 runs, fewer than 50 words

ITEMS = (
    Item(id="short", prompt=f"Question: {SHORT}\nAnswer:", answer=f" {SHORT_ANSWER}"),
    Item(id="long", prompt=LONG, answer=LONG_ANSWER),
    Item(id="brief", prompt=BRIEF, answer="Fir."),
    Item(id="too short", prompt="Is it?", answer="No."),
    Item(id="asks nothing", prompt="The tree of Dolton is", answer=" pine."),
)
HELD_OUT = HeldOut(
    texts={"math": (TEXT, SMALL_TEXT, "")},
    benchmarks=(Benchmark(name="quiz", domain="qa", items=ITEMS, chance=0.25),),
)


def document(name: str, text: str, **meta: str) -> Document:
    return Document(id=name, domain="qa", text=text, meta={"source": "crawl"} | meta)


def measured(
    folder: Path,
    documents: Iterable[Document],
    held_out: HeldOut = HELD_OUT,
    rule: ContaminationRule = DEFAULT_RULE,
) -> Contamination:
    write_documents(documents, folder / "corpus")
    write_held_out(held_out, folder / "held_out")
    return measure_contamination(folder / "corpus", folder / "held_out", rule=rule)


def of(found: Contamination, benchmark: str) -> Overlap:
    return next(overlap for overlap in found.benchmarks if overlap.benchmark == benchmark)


def dirty(overlap: Overlap) -> list[str]:
    return [
        item for item, is_dirty in zip(overlap.item_ids, overlap.dirty, strict=True) if is_dirty
    ]


def values(overlap: Overlap, array: np.ndarray) -> Mapping[str, float]:
    return dict(zip(overlap.item_ids, array.tolist(), strict=True))


def test_questions_are_what_ends_in_a_question_mark_code_and_long_prompts() -> None:
    def question(prompt: str, check: str = "exact") -> str:
        return question_of(Item(id="1", prompt=prompt, check=check), 13)  # type: ignore[arg-type]

    assert question("Question: What is b?\nAnswer:") == "What is b?"
    assert question("Let a=3. What is a?\n") == "Let a=3. What is a?"
    assert question("def f(n):", "execute") == "def f(n):"
    assert question("The tree of Dolton is") == ""
    assert question(words("w", 1, 12)) == ""
    assert question(words("w", 1, 13)) == words("w", 1, 13)


def test_one_pass_gives_the_runs_of_every_size() -> None:
    hashes = word_hashes(words("w", 1, 9))
    found = runs_by_size(hashes, {1, 4, 9, 10})
    assert {size: len(runs) for size, runs in found.items()} == {1: 9, 4: 6, 9: 1, 10: 0}
    for size, runs in found.items():
        np.testing.assert_array_equal(runs, run_hashes(hashes, size))


def test_a_clean_corpus_holds_nothing_and_says_what_could_be_checked(tmp_path: Path) -> None:
    found = measured(tmp_path, [document("1", words("x", 1, 90)), document("2", "é" * 10)])
    assert (found.num_documents, found.num_bytes) == (2, 90 * 2 + 81 + 89 + 20)
    assert found.sources == {}
    quiz, texts = of(found, "quiz"), of(found, "held_out_math")
    assert quiz.checkable.tolist() == [True, True, True, False, False]
    assert texts.item_ids == ("math/0", "math/1", "math/2")
    assert texts.checkable.tolist() == [True, True, False]
    assert dirty(quiz) == dirty(texts) == []
    assert quiz.question_overlap.tolist()[:4] == [0, 0, 0, 0]
    assert np.isnan(quiz.question_overlap[4])
    assert np.isnan(quiz.overlap[3:]).all()
    assert np.isnan(texts.question_overlap).all()


def test_a_short_question_is_dirty_where_it_stands_word_for_word(tmp_path: Path) -> None:
    shouted = SHORT.upper().replace(" ", "\n")
    found = measured(tmp_path, [document("1", f"Before. {shouted} After."), document("2", BRIEF)])
    quiz = of(found, "quiz")
    assert dirty(quiz) == ["short", "brief"]
    assert values(quiz, quiz.question_overlap)["short"] == 1
    assert values(quiz, quiz.overlap)["short"] == 8 / 18
    assert quiz.examples == {"short": ("1",), "brief": ("2",)}


def test_most_runs_of_a_short_question_or_all_of_them_in_pieces_do_not_make_it_dirty(
    tmp_path: Path,
) -> None:
    without_first_word = f"{words('s', 2, 19)}? {SHORT_ANSWER}"
    pieces = " and ".join(words("s", first, first + 12) for first in range(1, 8))
    other_mark = SHORT.replace("?", "!")
    documents = [
        document("answered", without_first_word),
        document("pieces", f"{pieces} and {words('s', 8, 19)}?"),
        document("other mark", other_mark),
    ]
    quiz = of(measured(tmp_path, documents), "quiz")
    assert dirty(quiz) == []
    assert values(quiz, quiz.overlap)["short"] == 17 / 18
    assert values(quiz, quiz.question_overlap)["short"] == 1


def test_a_long_item_is_dirty_from_half_of_its_runs_on(tmp_path: Path) -> None:
    half = document("half", words("l", 1, 41))  # 29 of 58 runs
    less = document("less", words("l", 2, 41))  # 28
    quiz = of(measured(tmp_path / "half", [half]), "quiz")
    assert dirty(quiz) == ["long"]
    assert values(quiz, quiz.overlap)["long"] == 29 / 58
    assert values(quiz, quiz.question_overlap)["long"] == 29 / 49
    assert dirty(of(measured(tmp_path / "less", [less]), "quiz")) == []


def test_what_documents_hold_between_them_is_covered_but_not_dirty(tmp_path: Path) -> None:
    parts = [document("1", words("t", 1, 35)), document("2", words("t", 26, 60))]
    texts = of(measured(tmp_path, parts), "held_out_math")
    assert dirty(texts) == []
    assert texts.overlap[0] == 23 / 48
    assert texts.coverage[0] == 46 / 48


def test_a_text_is_dirty_from_half_of_its_runs_on_and_a_small_one_if_all_are_there(
    tmp_path: Path,
) -> None:
    documents = [
        document("half", f"{words('t', 1, 24)} {words('t', 30, 53)}"),  # 12 + 12 of 48 runs
        document("most", words("u", 1, 39)),
    ]
    texts = of(measured(tmp_path / "half", documents), "held_out_math")
    assert dirty(texts) == ["math/0"]
    assert texts.overlap[:2].tolist() == [24 / 48, 27 / 28]
    texts = of(measured(tmp_path / "all", [document("all", SMALL_TEXT)]), "held_out_math")
    assert dirty(texts) == ["math/1"]


def test_too_short_a_question_is_found_only_as_a_whole_document(tmp_path: Path) -> None:
    among_others = document("1", "Well. Is it? Yes.")
    whole = document("2", "  is IT ?")
    quiz = of(measured(tmp_path, [among_others, whole]), "quiz")
    assert quiz.examples == {"too short": ("2",)}


def test_dirty_documents_are_counted_by_source_with_a_few_examples(tmp_path: Path) -> None:
    documents = [
        *(document(f"a{i}", f"{SHORT} {i}", source="forum") for i in range(4)),
        *(document(f"b{i}", f"{SHORT} {LONG}", source="forum", entry="dump") for i in range(2)),
        document("c", f"Said: {TEXT}", source="books"),
        *(document(f"clean{i}", words(f"x{i}", 1, 30), source="books") for i in range(20)),
    ]
    found = measured(tmp_path, documents)
    assert found.sources == {"books": 1, "dump": 2, "forum": 4}
    quiz = of(found, "quiz")
    assert quiz.sources == {"dump": 2, "forum": 4}
    assert of(found, "held_out_math").sources == {"books": 1}
    assert values(quiz, quiz.num_documents) == {
        "short": 6, "long": 2, "brief": 0, "too short": 0, "asks nothing": 0
    }  # fmt: skip
    assert quiz.examples["short"] == ("a0", "a1", "a2")
    assert len(quiz.examples["short"]) == MAX_EXAMPLES


def test_pages_and_typography_hide_nothing(tmp_path: Path) -> None:
    item = Item(id="1", prompt='Why did Ann\'s café say "no - not now" to the two old friends?')
    held_out = HeldOut(
        texts={}, benchmarks=(Benchmark(name="quiz", domain="qa", items=(item,), chance=0.25),)
    )
    typeset = (
        "Why did Ann\u2019s cafe\u0301 say \u201cno \u2013 not now\u201d to the two old friends?"
    )
    page = f"<p>{typeset.replace(' ', '<br>')}</p>".replace("&", "&amp;")
    raw = page.encode().decode("latin-1")
    plain = document("text", typeset)
    html = document("page", raw, format="html", encoding="bytes")
    quiz = of(measured(tmp_path, [plain, html], held_out), "quiz")
    assert quiz.examples == {"1": ("text", "page")}


@pytest.mark.parametrize("distance", range(0, 40, 3))
def test_a_question_is_found_wherever_it_stands_in_a_long_document(
    distance: int, tmp_path: Path
) -> None:
    before = known_runs.WINDOW_WORDS - distance
    across_windows = document("1", f"{'x ' * before}{SHORT}{' x' * 50}")
    filling = probes.MAX_PIECE_CHARS - 5 * distance
    across_pieces = document("2", f"{'y' * filling} {SHORT} {'z' * 50}")
    quiz = of(measured(tmp_path, [across_windows, across_pieces]), "quiz")
    assert quiz.examples == {"short": ("1", "2")}


def test_documents_of_a_batch_do_not_run_into_each_other(tmp_path: Path) -> None:
    parts = [document("1", words("s", 1, 13)), document("2", f"{words('s', 14, 19)}?")]
    quiz = of(measured(tmp_path, parts), "quiz")
    assert values(quiz, quiz.coverage)["short"] == 1 / 18


def test_the_published_stricter_rule_takes_one_run_of_20_words(tmp_path: Path) -> None:
    shared = [document("1", f"{words('s', 6, 19)}? {words('r', 1, 5)}")]  # 20 words
    fewer = [document("1", f"{words('s', 7, 19)}? {words('r', 1, 5)}")]
    assert dirty(of(measured(tmp_path / "a", shared, rule=DATA_DARWINISM), "quiz")) == ["short"]
    assert dirty(of(measured(tmp_path / "b", fewer, rule=DATA_DARWINISM), "quiz")) == []
    assert dirty(of(measured(tmp_path / "c", shared), "quiz")) == []


def test_the_record_comes_back_as_it_was(tmp_path: Path) -> None:
    found = measured(tmp_path, [document("1", SHORT), document("2", TEXT)])
    write_contamination(found, tmp_path)
    back = read_contamination(tmp_path)
    assert (back.rule, back.sources, back.num_bytes) == (found.rule, found.sources, found.num_bytes)
    for one, other in zip(back.benchmarks, found.benchmarks, strict=True):
        assert (one.item_ids, one.examples, one.sources) == (
            other.item_ids,
            other.examples,
            other.sources,
        )
        for name in ("checkable", "question_overlap", "overlap", "coverage", "num_documents"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
    row = json.loads((tmp_path / "contamination.json").read_text())
    assert row["benchmarks"][0]["question_overlap"] == [None, None, None]


def test_folders_that_hold_something_else_and_impossible_rules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="corpus folder holds documents/"):
        measure_contamination(tmp_path, tmp_path)
    with pytest.raises(ValueError, match=r"contamination\.json is needed"):
        read_contamination(tmp_path)
    with pytest.raises(ValueError, match="1 <= min_words <= words"):
        ContaminationRule(words=4)
    with pytest.raises(ValueError, match="0 <= min_shared_frac <= 1"):
        ContaminationRule(min_shared_frac=1.1)


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    def peak(times: int) -> int:
        folder = tmp_path / str(times)
        texts = (words(f"x{number}y", 1, 2000) for number in range(20 * times))
        write_documents((document(str(i), f"{t} {SHORT}") for i, t in enumerate(texts)), folder)
        tracemalloc.start()
        found = measure_contamination(folder, tmp_path / "held_out")
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.num_documents == 20 * times
        return size

    write_held_out(HELD_OUT, tmp_path / "held_out")
    peak(1)
    assert peak(10) < 1.1 * peak(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_item_of_the_microworld_is_dirty_at_any_level(seed: int, tmp_path: Path) -> None:
    source = SourceSettings(name="microworld", world_seed=seed, documents=80)
    build_held_out(source, tmp_path / "held_out")
    for domain in DOMAINS:
        parent = None
        for depth, level in enumerate(LEVELS[:6], start=1):
            out = tmp_path / domain / level
            chain = name_of(LEVELS[:depth])
            build_corpus(
                CorpusSettings(source=source, domain=domain, chain=chain, levels=LevelSettings()),
                parent=parent,
                out=out,
                held_out=tmp_path / "held_out" if parent is None else None,
            )
            parent = out
            found = measure_contamination(out, tmp_path / "held_out")
            assert found.num_documents > 0
            assert {o.benchmark: dirty(o) for o in found.benchmarks if o.dirty.any()} == {}
