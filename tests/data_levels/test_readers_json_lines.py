"""JSON lines: every line becomes a document or a named drop, whatever the file has suffered."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard

from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.readers import records
from davinci.data_levels.readers.json_lines import read_json_lines
from davinci.data_levels.readers.records import Origin

META = {"source": "files", "path": "qa.jsonl", "format": "text"}


def read(path: Path, **fields: Any) -> list[Document | Dropped]:
    origin = {"source": "files", "domain": "qa", "path": path.name, **fields}
    return list(read_json_lines(path, Origin(**origin)))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def documents(outcomes: list[Document | Dropped]) -> list[Document]:
    return [outcome for outcome in outcomes if isinstance(outcome, Document)]


def drops(outcomes: list[Document | Dropped]) -> list[Dropped]:
    return [outcome for outcome in outcomes if isinstance(outcome, Dropped)]


def test_ids_and_provenance_are_kept_and_blank_lines_are_no_lines(tmp_path: Path) -> None:
    content = jsonl([{"id": 7, "text": "one", "url": "u"}]) + b"\n  \n" + jsonl([{"text": "two"}])
    assert read(write(tmp_path / "qa.jsonl", content)) == [
        Document(id="7", domain="qa", text="one", meta={**META, "url": "u"}),
        Document(id="qa.jsonl:4", domain="qa", text="two", meta=META),
    ]


def test_values_that_are_no_strings_become_json_and_nulls_are_left_out(tmp_path: Path) -> None:
    row = {"text": "t", "stars": 5, "good": True, "tags": ["a", "ä"], "none": None, "at": {"x": 1}}
    [document] = documents(read(write(tmp_path / "qa.jsonl", jsonl([row]))))
    told = {"stars": "5", "good": "true", "tags": '["a", "ä"]', "at": '{"x": 1}'}
    assert document.meta == {**META, **told}


def test_names_that_mean_something_here_mean_it_only_where_they_can(tmp_path: Path) -> None:
    rows = [
        {"text": "t", "format": "html", "level": "L4", "license": "MIT", "date": "2024"},
        {"text": "t", "format": "docx", "level": 3, "encoding": "bytes", "license": "a",
         "licence": "b"},
    ]  # fmt: skip
    first, second = documents(read(write(tmp_path / "qa.jsonl", jsonl(rows))))
    told = {"format": "html", "level": "L4", "licence": "MIT", "time": "2024"}
    assert first.meta == {**META, **told}
    assert second.meta == {
        **META,
        "declared_format": "docx",
        "declared_level": "3",
        "declared_encoding": "bytes",
        "license": "a",
        "licence": "b",
    }


def test_the_text_may_be_in_another_field_and_provenance_may_be_added(tmp_path: Path) -> None:
    path = write(tmp_path / "qa.jsonl", jsonl([{"content": "t", "text": "summary"}]))
    [document] = documents(read(path, text_field="content", meta={"licence": "CC0"}))
    assert document.text == "t"
    assert document.meta == {**META, "text": "summary", "licence": "CC0"}


def test_code_is_code_where_nothing_else_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "code.jsonl", jsonl([{"text": "x = 1"}]))
    [document] = documents(read(path, domain="code"))
    assert document.meta["format"] == "code"


@pytest.mark.parametrize(
    ("line", "reason", "problem"),
    [
        (b"{broken", "invalid_json", "Expecting property name"),
        (b'{"text": "a"} {"text": "b"}', "invalid_json", "Extra data"),
        (b'{"text": "cut off', "invalid_json", "Unterminated string"),
        (b'["a list"]', "not_an_object", "got list"),
        (b'"text"', "not_an_object", "got str"),
        (b'{"id": "x"}', "no_text", "got none"),
        (b'{"text": 5}', "no_text", "got int"),
        (b'{"text": ""}', "no_text", "an empty one"),
        (b'{"text": "caf\xe9"}', "invalid_utf8", "at byte 14"),
        (b"[" * 100_000, "invalid_json", "recursion"),
    ],
)
def test_a_malformed_line_is_dropped_by_name_and_the_next_is_read(
    tmp_path: Path, line: bytes, reason: str, problem: str
) -> None:
    content = jsonl([{"text": "before"}]) + line + b"\n" + jsonl([{"text": "after"}])
    outcomes = read(write(tmp_path / "qa.jsonl", content))
    assert [document.text for document in documents(outcomes)] == ["before", "after"]
    [drop] = drops(outcomes)
    assert drop.reason == reason
    assert drop.detail.startswith("qa.jsonl, line 2: ")
    assert problem in drop.detail
    assert drop.document.id == ("x" if b'"id"' in line else "qa.jsonl:2")
    assert len(drop.document.text) <= records.MAX_SHOWN_CHARS


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'\xef\xbb\xbf{"text": "marked"}', "marked"),
        (b'{"text": "half a pair \\ud83d"}', "half a pair \ud83d"),
        (b'{"text": "zero \\u0000"}', "zero \x00"),
        (b'{"text": "t", "score": NaN}', "t"),
        (b'{"text": "dos"}\r', "dos"),
    ],
)
def test_what_is_odd_but_tells_its_text_is_read(tmp_path: Path, line: bytes, text: str) -> None:
    [document] = documents(read(write(tmp_path / "qa.jsonl", line + b"\n")))
    assert document.text == text


def compressed(name: str, content: bytes) -> bytes:
    return gzip.compress(content) if name.endswith(".gz") else zstandard.compress(content)


@pytest.mark.parametrize("name", ["qa.jsonl.gz", "qa.jsonl.zst"])
def test_compressed_lines_are_read_across_the_members_of_a_file(tmp_path: Path, name: str) -> None:
    first, second = jsonl([{"text": "one"}, {"text": "two"}]), jsonl([{"text": "three"}])
    content = compressed(name, first) + compressed(name, second)
    texts = [document.text for document in documents(read(write(tmp_path / name, content)))]
    assert texts == ["one", "two", "three"]


def test_zeros_with_which_a_tape_was_filled_up_are_no_damage(tmp_path: Path) -> None:
    content = gzip.compress(jsonl([{"text": "one"}])) + bytes(512)
    assert len(documents(read(write(tmp_path / "a.jsonl.gz", content)))) == 1
    assert drops(read(tmp_path / "a.jsonl.gz")) == []


@pytest.mark.parametrize("name", ["qa.jsonl.gz", "qa.jsonl.zst"])
def test_what_stands_before_the_end_of_a_truncated_archive_stays(tmp_path: Path, name: str) -> None:
    rows = [{"text": f"line {n} of many, {n * 7919 % 104729}"} for n in range(20_000)]
    whole = compressed(name, jsonl(rows))
    outcomes = read(write(tmp_path / name, whole[: len(whole) // 2]))
    kept, [drop] = documents(outcomes), drops(outcomes)
    assert [document.text for document in kept] == [row["text"] for row in rows[: len(kept)]]
    assert 0.3 * len(rows) < len(kept) < 0.7 * len(rows)
    assert outcomes[-1] is drop
    assert drop.reason == "truncated_file"
    assert drop.detail == f"{name}, line {len(kept) + 1}: the compressed data breaks off"


@pytest.mark.parametrize("name", ["qa.jsonl.gz", "qa.jsonl.zst"])
def test_every_cut_of_an_archive_leaves_a_trace(tmp_path: Path, name: str) -> None:
    whole = compressed(name, jsonl([{"text": f"line {n}"} for n in range(50)]))
    for end in range(len(whole)):
        outcomes = read(write(tmp_path / name, whole[:end]))
        assert isinstance(outcomes[-1], Dropped), end
        assert outcomes[-1].reason == ("truncated_file" if documents(outcomes) else
                                       "unreadable_file")  # fmt: skip


def test_an_archive_with_a_wrong_byte_is_read_up_to_it(tmp_path: Path) -> None:
    rows = [{"text": f"line {n} of many, {n * 7919 % 104729}"} for n in range(20_000)]
    data = bytearray(gzip.compress(jsonl(rows)))
    data[len(data) // 2] ^= 0xFF
    outcomes = read(write(tmp_path / "a.jsonl.gz", bytes(data)))
    assert len(documents(outcomes)) > 5000
    assert {drop.reason for drop in drops(outcomes)} <= {"truncated_file", "invalid_json",
                                                         "invalid_utf8"}  # fmt: skip
    assert drops(outcomes)[-1].reason == "truncated_file"


def test_what_is_no_archive_or_not_there_is_one_drop(tmp_path: Path) -> None:
    (tmp_path / "dangling.jsonl").symlink_to(tmp_path / "nowhere")
    write(tmp_path / "plain.jsonl.gz", jsonl([{"text": "not compressed"}]))
    for name, problem in (("dangling.jsonl", "No such file"), ("plain.jsonl.gz", "header")):
        [drop] = read(tmp_path / name)
        assert isinstance(drop, Dropped)
        assert (drop.document.id, drop.reason) == (name, "unreadable_file")
        assert drop.detail.startswith(f"{name}: ")
        assert problem in drop.detail


def test_a_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    assert len(documents(read(write(tmp_path / "qa.jsonl", b'{"text": "a"}\n{"text": "b"}')))) == 2


def test_a_line_of_100_MB_is_dropped_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "')
        file.seek(100_000_000, 1)  # a hole: zero bytes that take no room
        file.write(b'"}\n' + jsonl([{"text": "after"}]))
    tracemalloc.start()
    drop, document = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(drop, Dropped)
    assert drop.reason == "larger_than_limit"
    assert drop.detail == "qa.jsonl, line 1: 100,000,013 bytes; the limit is 50,000,000"
    assert drop.document.text == ""
    assert isinstance(document, Document)
    assert (document.id, document.text) == ("qa.jsonl:2", "after")
    assert peak < 2.1 * records.MAX_DOCUMENT_BYTES


def test_a_line_of_exactly_the_limit_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [b'{"text": "%s"}' % (b"x" * n) for n in (88, 89)]
    monkeypatch.setattr(records, "MAX_DOCUMENT_BYTES", 100)
    assert [len(line) for line in lines] == [100, 101]
    first, second = read(write(tmp_path / "qa.jsonl", b"\n".join(lines) + b"\n"))
    assert isinstance(first, Document)
    assert isinstance(second, Dropped)


def test_a_compressed_line_that_swells_is_not_held(tmp_path: Path) -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = compressor.compress(b'{"text": "')
    bomb += b"".join(compressor.compress(bytes(10_000_000)) for _ in range(30))
    bomb += compressor.compress(b'"}\n') + compressor.flush()
    assert len(bomb) < 50_000
    path = write(tmp_path / "qa.jsonl.zst", bomb)
    tracemalloc.start()
    [drop] = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(drop, Dropped)
    assert drop.reason == "larger_than_limit"
    assert peak < 3 * records.MAX_DOCUMENT_BYTES
