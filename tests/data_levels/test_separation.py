"""Held-out text stays out of training, copies of it too."""

from davinci.data_levels.separation import HeldOutRuns, cut, falls_in

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
