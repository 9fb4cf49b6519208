"""The user's own data: every form read in order, held-out text kept apart, all of it counted."""

import copy
import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from davinci.data_levels.document import DOMAINS, Document, Dropped, Outcome
from davinci.data_levels.readers import folder
from davinci.data_levels.sources.files import Files
from davinci.data_levels.sources.held_out import build_held_out, load_held_out
from davinci.data_levels.sources.registry import available_domains, check_source, source_identity
from davinci.data_levels.sources.separation import falls_in
from davinci.data_levels.sources.source import SourceSettings

WARC = (
    b"WARC/1.1\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:x>\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 9\r\n\r\nextracted\r\n\r\n"
)


def settings(path: Path, documents: int = 0, **options: Any) -> SourceSettings:
    return SourceSettings(name="files", documents=documents, options={"path": str(path), **options})


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def text(n: int) -> str:
    return f"Entry {n} tells of the house number {n} that stands at the end of the street {n * 3}."


def acquire(source: Files, domain: Any = "general") -> list[Outcome]:
    held_out = source.held_out()
    indices = range(source.num_inputs(domain))
    return [o for index in indices for o in source.acquire(domain, index, held_out)]


def documents(outcomes: list[Outcome]) -> list[Document]:
    return [outcome for outcome in outcomes if isinstance(outcome, Document)]


def reasons(outcomes: list[Outcome]) -> list[str]:
    return [outcome.reason for outcome in outcomes if isinstance(outcome, Dropped)]


def read_all(path: Path, domain: Any = "general") -> list[Outcome]:
    """Return all outcomes, with nothing held out to speak of."""
    return acquire(Files(settings(path, held_out_frac=1e-9)), domain)


@pytest.fixture
def every_form(tmp_path: Path) -> Path:
    """Return a folder with a file of every form, at every depth."""
    lines = jsonl([{"text": text(n)} for n in (1, 2)])
    (tmp_path / "math.jsonl").write_text(lines)
    with gzip.open(tmp_path / "math.jsonl.gz", "wt") as file:
        file.write(lines)
    deep = tmp_path / "math" / "b" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
    pq.write_table(pa.table({"text": [text(3)]}), deep / "b.parquet")
    (deep / "c.warc.gz").write_bytes(gzip.compress(WARC))
    (tmp_path / "math" / "a.py").write_bytes("x = 'é'\n".encode())
    (tmp_path / "math" / "b" / "page.HTML").write_text("<p>Hello</p>")
    (tmp_path / "math" / "b" / "notes.md").write_text("# Notes")
    (tmp_path / "math" / "c.pdf").write_bytes(b"%PDF-1.4 \xff")
    (tmp_path / "math" / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "math" / "folder.txt").mkdir()
    return tmp_path


def test_every_form_is_read_at_any_depth_in_the_order_of_the_names(every_form: Path) -> None:
    outcomes = read_all(every_form, "math")
    assert [d.id for d in documents(outcomes)] == [
        "math.jsonl:1", "math.jsonl:2", "math.jsonl.gz:1", "math.jsonl.gz:2",
        "math/b/deep/a.jsonl.zst:1", "math/b/deep/a.jsonl.zst:2", "math/b/deep/b.parquet:1",
        "<urn:x>", "math/a.py", "math/b/notes.md", "math/b/page.HTML", "math/c.pdf",
    ]  # fmt: skip
    assert reasons(outcomes) == []
    forms = {d.id: (d.meta["format"], d.meta.get("encoding")) for d in documents(outcomes)}
    assert forms["math.jsonl:1"] == ("text", None)
    assert forms["math/a.py"] == ("code", "bytes")
    assert forms["math/b/page.HTML"] == ("html", "bytes")
    assert forms["math/c.pdf"] == ("pdf", "bytes")
    assert all(d.meta["source"] == "files" and d.meta["path"] for d in documents(outcomes))
    assert available_domains(settings(every_form)) == ("math",)
    assert read_all(every_form, "qa") == []


def test_plain_files_are_kept_as_bytes_and_code_names_its_language(every_form: Path) -> None:
    [document] = [d for d in documents(read_all(every_form, "math")) if d.id == "math/a.py"]
    assert document.text.encode("latin-1") == "x = 'é'\n".encode()
    assert document.meta == {
        "source": "files",
        "path": "math/a.py",
        "format": "code",
        "encoding": "bytes",
        "language": "python",
    }


def test_an_input_is_a_file_of_many_documents_or_some_megabytes_of_plain_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "INPUT_BYTES", 20)
    (tmp_path / "qa").mkdir()
    for name, size in (("a.txt", 12), ("b.txt", 12), ("d.txt", 5), ("e.txt", 5)):
        (tmp_path / "qa" / name).write_text("x" * size)
    (tmp_path / "qa" / "c.jsonl").write_text(jsonl([{"text": text(1)}]))
    assert folder.inputs_of(tmp_path, "qa") == (
        ("qa/a.txt", "qa/b.txt"), ("qa/c.jsonl",), ("qa/d.txt", "qa/e.txt")
    )  # fmt: skip
    source = Files(settings(tmp_path, held_out_frac=1e-9))
    assert source.num_inputs("qa") == 3
    [document] = source.acquire("qa", 1, source.held_out())
    assert document.id == "qa/c.jsonl:1"  # type: ignore[union-attr]


def test_damaged_files_leave_traces_and_the_others_are_read(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": text(n)}) + "\n" for n in range(500)).encode()
    (tmp_path / "qa").mkdir()
    (tmp_path / "qa" / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:-100])
    (tmp_path / "qa" / "b.jsonl").write_text('{"text": 5}\n{broken\n')
    (tmp_path / "qa" / "c.parquet").write_bytes(b"no parquet")
    (tmp_path / "qa" / "d.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "qa" / "e.txt").write_text("still here")
    outcomes = read_all(tmp_path, "qa")
    assert reasons(outcomes) == [
        "truncated_file", "no_text", "invalid_json", "unreadable_file", "unreadable_file"
    ]  # fmt: skip
    assert len(documents(outcomes)) > 300
    assert documents(outcomes)[-1].text == "still here"
    assert all(o.detail.startswith("qa/") for o in outcomes if isinstance(o, Dropped))
    source_identity(settings(tmp_path))


def test_a_folder_that_cannot_be_listed_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qa" / "secret").mkdir(parents=True)
    (tmp_path / "qa" / "a.txt").write_text("x")
    listing = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr("os.scandir", scandir)  # whoever runs the tests may be allowed everything
    with pytest.raises(ValueError, match=r"`data\.path`.*secret"):
        check_source(settings(tmp_path))


def test_a_file_above_the_limit_is_dropped_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("davinci.data_levels.readers.records.MAX_DOCUMENT_BYTES", 10)
    (tmp_path / "qa").mkdir()
    (tmp_path / "qa" / "a.txt").write_text("x" * 10)
    (tmp_path / "qa" / "b.txt").write_text("x" * 11)
    first, second = read_all(tmp_path, "qa")
    assert isinstance(first, Document)
    assert isinstance(second, Dropped)
    assert (second.reason, second.detail) == (
        "larger_than_limit", "qa/b.txt: 11 bytes; the limit is 10"
    )  # fmt: skip


def test_wrong_options_are_found_before_any_document_is_read(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "qa.jsonl").write_text("{broken")
    check_source(settings(tmp_path / "full"))
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (tmp_path / "nowhere", {}, r"data\.path.*nowhere"),
        (tmp_path, {}, r"data\.path.*general\.jsonl"),
        (tmp_path / "full", {"held_out_frac": 0}, r"data\.held_out_frac"),
        (tmp_path / "full", {"held_out_frac": "much"}, r"data\.held_out_frac"),
        (tmp_path / "full", {"colour": "red"}, r"data\.colour"),
    ]
    for path, options, rule in cases:
        with pytest.raises(ValueError, match=rule):
            check_source(settings(path, **options))
    with pytest.raises(ValueError, match=r"data\.path"):
        check_source(SourceSettings(name="files"))


def test_held_out_text_and_its_near_copies_are_not_trained_on(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": text(n)} for n in range(300)]
    held = [row for row in rows if falls_in(row["text"], 0.1)]
    copies = [{"id": f"copy {n}", "text": f"Seen online: {row['text']} Share!"}
              for n, row in enumerate(held)]  # fmt: skip
    copies = [row for row in copies if not falls_in(row["text"], 0.1)]
    (tmp_path / "general.jsonl").write_text(jsonl(rows + copies))
    (tmp_path / "science.jsonl").write_text(jsonl([{"id": "other", "text": held[0]["text"] + "!"}]))
    source = Files(settings(tmp_path, held_out_frac=0.1))
    outcomes = acquire(source)
    assert len(held) > 10
    assert len(outcomes) == len(rows) + len(copies)
    assert len(documents(outcomes)) == len(rows) - len(held)
    assert reasons(outcomes).count("held_out") == len(held)
    assert reasons(outcomes).count("near_copy_of_held_out") == len(copies)
    texts = [o.document.text for o in outcomes if isinstance(o, Dropped) and o.reason == "held_out"]
    assert set(texts) == {""}
    assert reasons(acquire(source, "science")) == ["near_copy_of_held_out"]
    assert set(source.held_out().texts["general"]) <= {row["text"] for row in held}


def test_what_is_held_out_does_not_depend_on_how_it_is_cut_into_files(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": text(n)} for n in range(300)]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "general.jsonl").write_text(jsonl(rows))
    (tmp_path / "two" / "general").mkdir(parents=True)
    for name, part in (("a.jsonl", rows[150:]), ("b.jsonl", rows[:150])):
        (tmp_path / "two" / "general" / name).write_text(jsonl(part))
    one, two = (Files(settings(tmp_path / name, held_out_frac=0.3)) for name in ("one", "two"))
    assert one.held_out() == two.held_out()
    assert len(one.held_out().texts["general"]) > 50


def test_held_out_text_is_written_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "general.jsonl").write_text(jsonl([{"text": text(n)} for n in range(200)]))
    built = build_held_out(settings(tmp_path, held_out_frac=0.2), tmp_path / "held_out")
    assert load_held_out(tmp_path / "held_out") == built
    assert len(built.texts["general"]) > 20
    with pytest.raises(ValueError, match="holds out none"):
        build_held_out(settings(tmp_path, held_out_frac=1e-9), tmp_path / "nothing")


def test_a_smaller_number_of_documents_is_a_fixed_sample_over_all_inputs(tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": text(n)} for n in range(200)]
    (tmp_path / "general").mkdir()
    for part in range(4):
        path = tmp_path / "general" / f"{part}.jsonl"
        path.write_text(jsonl(rows[part * 50 : part * 50 + 50]))
    few, more = (settings(tmp_path, n, held_out_frac=1e-9) for n in (10, 20))
    first, second = (documents(acquire(Files(few))) for _ in range(2))
    assert first == second
    assert len(first) == 10
    assert len({document.meta["path"] for document in first}) > 1
    larger = documents(acquire(Files(more)))
    assert len(larger) == 20
    assert {d.id for d in first} < {d.id for d in larger}
    assert len(documents(acquire(Files(settings(tmp_path, 1000, held_out_frac=1e-9))))) == 200


def test_the_sample_follows_the_files_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "general.jsonl"
    for number in (100, 300):
        path.write_text(jsonl([{"id": str(n), "text": text(n)} for n in range(number)]))
        assert len(documents(acquire(Files(settings(tmp_path, 50, held_out_frac=1e-9))))) == 50


def test_a_source_can_be_sent_to_another_process(every_form: Path) -> None:
    source = Files(settings(every_form, held_out_frac=1e-9))
    source.num_inputs("math")
    for other in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert acquire(other, "math") == acquire(source, "math")
    assert all(source.num_inputs(domain) == 0 for domain in DOMAINS if domain != "math")


def test_the_same_files_elsewhere_are_the_same_source_and_changed_ones_are_not(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "qa.jsonl").write_text(jsonl([{"text": text(1)}]))
    first = source_identity(settings(tmp_path / "a"))
    assert first == source_identity(settings(tmp_path / "b"))
    assert str(tmp_path) not in json.dumps(first)
    (tmp_path / "b" / "qa.jsonl").write_text(jsonl([{"text": text(2) + " changed"}]))
    assert first != source_identity(settings(tmp_path / "b"))
