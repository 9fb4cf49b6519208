"""Every corpus counts its documents that repeat held-out text or pose a benchmark's question."""

import json
from pathlib import Path

import pytest

from davinci.data_levels.build import build_corpus
from davinci.data_levels.document import DOMAINS, LEVELS, Document
from davinci.data_levels.held_out import build_held_out, load_held_out
from davinci.data_levels.overlap import Questions, held_out_overlap, questions_of
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.source import Benchmark, HeldOut, Item, SourceSettings


def benchmark(*items: Item) -> HeldOut:
    return HeldOut(
        texts={}, benchmarks=(Benchmark(name="b", domain="qa", items=items, chance=0.25),)
    )


def test_questions_are_what_ends_in_a_question_mark_and_signatures() -> None:
    held_out = benchmark(
        Item(id="1", prompt="Question: What is b?\nAnswer:"),
        Item(id="2", prompt="Let a=3. What is a?\n"),
        Item(id="3", prompt="def f(n):", check="execute"),
        Item(id="4", prompt="The tree of Dolton is"),
    )
    assert questions_of(held_out) == ("What is b?", "Let a=3. What is a?", "def f(n):")


def test_a_question_is_found_word_for_word_with_its_marks_in_any_spacing() -> None:
    questions = Questions(["Let a=3, b=a+4, c=b-2. What is c?", "What is b?"])
    assert questions.any_in(
        "Lesson 1\nlet a = 3, b = a + 4, c = b - 2.\nWhat is c?\nThe result is 5."
    )
    assert not questions.any_in("Let a=3, b=a+4, c=b*2. What is c?")
    assert not questions.any_in("Let a=3, b=a+4, c=b-2, d=c+1. What is d?")
    assert questions.any_in("So what is b?")
    assert not questions.any_in("")
    assert not Questions([]).any_in("What is b?")


def test_copies_of_texts_and_questions_are_counted_in_pages_too(tmp_path: Path) -> None:
    source = SourceSettings(name="microworld")
    held_out = build_held_out(source, tmp_path)
    text = held_out.texts["math"][1]
    question = next(b.items[0].prompt for b in held_out.benchmarks if b.domain == "math")
    page = text.replace("\n", "<br>")
    documents = [
        Document(id="1", domain="math", text=f"Before.\n\n{text}\n\nAfter."),
        Document(id="2", domain="math", text=f"<p>{page}</p>", meta={"format": "html"}),
        Document(id="3", domain="math", text=f"Week 1\n\n{question}The result is 1."),
        Document(id="4", domain="math", text="Let a=3. What is a?\nThe result is 3."),
    ]
    overlap = held_out_overlap(documents, tmp_path)
    assert (overlap.name, overlap.checked, overlap.violations) == ("held_out_overlap", 4, 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_document_of_the_microworld_overlaps_at_any_level(seed: int, tmp_path: Path) -> None:
    source = SourceSettings(name="microworld", world_seed=seed, documents=120)
    build_held_out(source, tmp_path / "held_out")
    for domain in DOMAINS:
        parent = None
        for level in LEVELS:
            out = tmp_path / domain / level
            manifest = build_corpus(
                source,
                domain,
                level,
                LevelSettings(),
                parent=parent,
                out=out,
                held_out=tmp_path / "held_out",
            )
            parent = out
            overlap = manifest.invariants[-1]
            assert (overlap.name, overlap.violations) == ("held_out_overlap", 0)
            assert overlap.checked == manifest.documents_out > 0


def test_held_out_data_comes_back_as_it_was_and_an_unknown_floor_is_null(tmp_path: Path) -> None:
    built = build_held_out(SourceSettings(name="microworld"), tmp_path)
    assert load_held_out(tmp_path) == built
    path = tmp_path / "benchmarks.json"
    rows = json.loads(path.read_text())
    assert rows[0]["floor"] == built.benchmarks[0].floor
    path.write_text(json.dumps([{**rows[0], "floor": None}]))
    floor = load_held_out(tmp_path).benchmarks[0].floor
    assert floor != floor
