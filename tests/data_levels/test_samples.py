"""The documents that a manifest shows: few, by hash, and with their first change in view."""

from davinci.data_levels.document import Document
from davinci.data_levels.samples import MAX_DROPPED, MAX_EDITED, MAX_SAMPLE_CHARS, Samples


def document(number: int, text: str) -> Document:
    return Document(id=f"d{number}", domain="math", text=text)


def test_a_change_far_from_the_beginning_is_seen() -> None:
    samples = Samples()
    start = "word " * 2000
    samples.add(document(1, f"{start}old end"), document(1, f"{start}new end"))
    [shown] = samples.chosen()
    assert shown.before.endswith("old end")
    assert shown.after.endswith("new end")
    assert shown.before.startswith("[...] ")
    assert len(shown.before) < MAX_SAMPLE_CHARS


def test_merging_parts_keeps_an_edited_document_an_edited_one() -> None:
    samples, merged = Samples(), Samples()
    start = "word " * 2000
    for number in range(30):
        samples.add(document(number, f"{start}old"), document(number, f"{start}new"))
    merged.merge(samples.all())
    assert len(merged.chosen()) == MAX_EDITED
    assert all(sample.before != sample.after for sample in merged.chosen())


def test_what_is_unchanged_or_short_is_shown_from_its_beginning() -> None:
    samples = Samples()
    long = "x" * (MAX_SAMPLE_CHARS + 1)
    samples.add(document(1, long), document(1, long))
    samples.add(document(2, "old"), document(2, "new"))
    shown = {sample.id: sample for sample in samples.chosen()}
    assert shown["d1"].before == shown["d1"].after == "x" * MAX_SAMPLE_CHARS + " [...]"
    assert (shown["d2"].before, shown["d2"].after) == ("old", "new")


def test_every_reason_is_seen_before_any_is_seen_twice() -> None:
    samples = Samples()
    for number in range(40):
        samples.add(document(number, "t"), None, "common" if number % 10 else "rare")
    reasons = [sample.reason for sample in samples.chosen()]
    assert len(reasons) == MAX_DROPPED
    assert reasons[:8:2] == ["common"] * 4
    assert reasons[1:8:2] == ["rare"] * 4
