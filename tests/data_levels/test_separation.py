"""Held-out text stays out of training, copies of it too."""

from random import Random
from typing import Any

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.sources import separation
from davinci.data_levels.sources.separation import (
    HeldOutRuns,
    cut,
    falls_in,
    held_out_texts,
    separate,
)
from davinci.data_levels.words import word_hashes

HELD_OUT = " ".join(f"word{n}" for n in range(40))


def test_a_share_of_the_keys_falls_in_and_always_the_same() -> None:
    keys = [str(n) for n in range(10_000)]
    chosen = [key for key in keys if falls_in(key, 0.02)]
    assert 150 < len(chosen) < 250
    assert chosen == [key for key in keys if falls_in(key, 0.02)]
    assert not any(falls_in(key, 0.0) for key in keys)
    assert all(falls_in(key, 1.0) for key in keys)


def test_copies_with_text_around_them_other_case_or_spacing_are_found() -> None:
    runs = HeldOutRuns([HELD_OUT])
    assert runs.has_copy_in(HELD_OUT)
    assert runs.has_copy_in(HELD_OUT.upper().replace(" ", "\n"))
    assert runs.has_copy_in("other words " * 500 + HELD_OUT + " and more" * 500)


def test_a_part_of_held_out_text_is_a_copy() -> None:
    assert HeldOutRuns([HELD_OUT]).has_copy_in(" ".join(HELD_OUT.split()[:20]))


def test_half_of_the_runs_decides() -> None:
    runs = HeldOutRuns([HELD_OUT])
    words = HELD_OUT.split()
    # 40 words hold 28 runs of 13 words; 26 words hold 14 of them, 25 words 13.
    filler = [f"filler{n}" for n in range(400)]
    assert runs.has_copy_in(" ".join(filler + words[:26]))
    assert not runs.has_copy_in(" ".join(filler + words[:25]))


def test_short_held_out_text_is_copied_only_by_the_same_words() -> None:
    runs = HeldOutRuns(["What is two plus two? Four."])
    assert runs.has_copy_in("what is two plus two - FOUR")
    assert not runs.has_copy_in("What is two plus two? Four. And three plus three?")


def test_unrelated_and_empty_texts_are_no_copies() -> None:
    runs = HeldOutRuns([HELD_OUT])
    assert not runs.has_copy_in(" ".join(f"word{n}" for n in range(100, 140)))
    assert not runs.has_copy_in("")
    assert not HeldOutRuns([]).has_copy_in("anything")


def test_pieces_end_at_blank_lines_and_keep_the_limit() -> None:
    assert cut("aaa\n\nbbb\n\nccc", 8) == ["aaa\n\nbbb", "ccc"]
    assert cut("aaa\n\n" + "b" * 9 + "\n\nccc", 8) == ["aaa\n\nccc"]
    assert cut("ééé\n\nüüü", 12) == ["ééé", "üüü"]
    assert cut("", 8) == []


def document(name: str, text: str, **meta: str) -> Document:
    return Document(id=name, domain="general", text=text, meta=meta)


def test_copies_of_held_out_text_become_drops_in_place_and_drops_stay() -> None:
    before = Dropped(document("broken", ""), "invalid_json", "line 1")
    page = document("page", f"<p>{HELD_OUT}</p>", format="html", encoding="bytes")
    other = document("other", "nothing of it")
    outcomes = list(separate([before, page, other], HeldOutRuns([HELD_OUT])))
    assert outcomes == [before, Dropped(page, "near_copy_of_held_out"), other]


def test_a_long_text_is_hashed_in_pieces_without_a_difference(monkeypatch: Any) -> None:
    text = "One, two; three-four\n" * 50 + "x" * 40
    whole = word_hashes(text)
    monkeypatch.setattr(separation, "CHUNK_CHARS", 7)
    for start in range(10):
        assert (separation._words_of(text[start:])
                == word_hashes(text[start:])).all()  # fmt: skip
    assert (separation._words_of(text) == whole).all()
    assert len(separation._words_of("")) == 0


def essay(n: int) -> str:
    rng = Random(n)
    nouns = [
        f"{head}{tail}" for head in ("gar", "ston", "wat", "moun") for tail in ("den", "es", "er")
    ]
    words = [rng.choice((*nouns, "the", "of", "with", "and", "that", "are")) for _ in range(60)]
    return " ".join(words) + "."


def choose(documents: list[Document], max_texts: int = 10) -> tuple[str, ...]:
    return held_out_texts(documents, max_texts=max_texts, max_bytes=2000, max_per_document=2)


def test_held_out_texts_do_not_depend_on_the_order_and_memory_not_on_the_number() -> None:
    documents = [document(str(n), essay(n)) for n in range(100)]
    chosen = choose(documents)
    assert len(chosen) == 10
    assert set(chosen) <= {essay(n) for n in range(100)}
    assert choose(documents[::-1]) == chosen
    lowest = sorted(documents, key=lambda d: hash_order("held_out_documents", d.id))[:20]
    assert choose(lowest) == chosen


def test_held_out_texts_are_clean_and_no_copies_of_one_another() -> None:
    documents = [
        document("a", essay(1)),
        document("b", "Seen elsewhere: " + essay(1)),
        document("c", "<p>" + essay(2) + "</p>", format="html"),
        document("d", "zu kurz"),
    ]
    chosen = choose(documents)
    assert len(chosen) == 2
    assert essay(2) in chosen
    assert essay(1) in chosen[0] + chosen[1]
