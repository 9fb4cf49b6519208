"""Parquet: rows in batches of bounded size, other columns as provenance, damage by name."""

import datetime
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.readers import records
from davinci.data_levels.readers.parquet import read_parquet
from davinci.data_levels.readers.records import Origin

META = {"source": "files", "path": "math.parquet", "format": "text"}


def read(path: Path, **fields: Any) -> list[Document | Dropped]:
    origin = {"source": "files", "domain": "math", "path": path.name, **fields}
    return list(read_parquet(path, Origin(**origin)))


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_rows_keep_ids_and_columns_as_provenance(tmp_path: Path) -> None:
    columns = {
        "text": ["one", "two"],
        "id": pa.array([7, None]),
        "score": [0.5, 2.0],
        "day": pa.array([datetime.date(2024, 5, 6), None]),
        "tags": pa.array([["a"], []]),
        "pixels": pa.array([b"\x00\xff", b""]),
    }
    assert read(write(tmp_path / "math.parquet", columns)) == [
        Document(id="7", domain="math", text="one",
                 meta={**META, "score": "0.5", "day": "2024-05-06", "tags": '["a"]'}),
        Document(id="math.parquet:2", domain="math", text="two",
                 meta={**META, "score": "2.0", "tags": "[]"}),
    ]  # fmt: skip


def test_rows_without_text_are_dropped_and_the_next_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "math.parquet", {"text": ["a", None, "", "b"]})
    outcomes = read(path)
    assert [type(outcome) for outcome in outcomes] == [Document, Dropped, Dropped, Document]
    for number, outcome in enumerate(outcomes[1:3], start=2):
        assert isinstance(outcome, Dropped)
        assert outcome.reason == "no_text"
        assert outcome.detail.startswith(f"math.parquet, row {number}: ")


def test_a_text_column_of_bytes_is_left_for_l1_to_decode(tmp_path: Path) -> None:
    data = pa.array(["é".encode(), b"caf\xe9"])
    first, second = read(write(tmp_path / "math.parquet", {"body": data}), text_field="body")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert first.text.encode("latin-1") == "é".encode()
    assert second.text.encode("latin-1") == b"caf\xe9"
    assert first.meta["encoding"] == "bytes"


@pytest.mark.parametrize("damage", ["truncated", "other", "empty", "no column"])
def test_a_file_that_cannot_be_read_is_one_drop_that_says_why(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "math.parquet", {"body": ["a"] * 100})
    whole = path.read_bytes()
    path.write_bytes(
        {"truncated": whole[:-20], "other": b"hello" * 100, "empty": b"", "no column": whole}[
            damage
        ]
    )
    [drop] = read(path)
    assert isinstance(drop, Dropped)
    assert (drop.document.id, drop.reason) == ("math.parquet", "unreadable_file")
    if damage == "no column":
        assert drop.detail == "math.parquet: there is no column `text`; its columns: body"


def test_what_stands_before_a_broken_page_stays(tmp_path: Path) -> None:
    texts = [f"row {n} of many, {n * 7919 % 104729}" for n in range(20_000)]
    path = write(tmp_path / "math.parquet", {"text": texts}, row_group_size=2000,
                 use_dictionary=False, data_page_size=4096)  # fmt: skip
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(bytes(data))
    outcomes = read(path)
    kept = [outcome.text for outcome in outcomes if isinstance(outcome, Document)]
    assert kept == texts[: len(kept)]
    assert len(kept) >= 4000
    last = outcomes[-1]
    assert isinstance(last, Dropped)
    assert len(outcomes) == len(kept) + 1
    assert last.reason == "truncated_file"
    assert last.detail.startswith(f"math.parquet, row {len(kept) + 1}: ")


def test_a_value_above_the_limit_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_DOCUMENT_BYTES", 100)
    path = write(tmp_path / "math.parquet", {"text": ["é" * 50, "é" * 51]})
    first, second = read(path)
    assert isinstance(first, Document)
    assert isinstance(second, Dropped)
    assert second.reason == "larger_than_limit"
    assert second.detail == "math.parquet, row 2: 102 bytes; the limit is 100"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for num_rows in (1000, 4000):
        texts = [f"{n} " + "x" * 20_000 for n in range(num_rows)]
        path = write(tmp_path / f"{num_rows}.parquet", {"text": texts}, row_group_size=500)
        del texts
        origin = Origin(source="files", domain="math", path="a")
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        most = 0
        for _ in read_parquet(path, origin):
            most = max(most, pa.total_allocated_bytes() - before)
        peaks.append(tracemalloc.get_traced_memory()[1] + most)
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 60_000_000
