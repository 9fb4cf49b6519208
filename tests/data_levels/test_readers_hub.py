"""Hub datasets by streaming: tried on folders, which `datasets` loads the same way."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.readers.hub import HubData, num_hub_shards, read_hub
from davinci.data_levels.readers.records import Origin

ORIGIN = Origin(source="davinci", domain="science", path="owner/name", meta={"licence": "CC0"})


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def test_every_shard_is_read_by_itself_with_provenance(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None], "score": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["c"], "score": [3]}), tmp_path / "b.parquet")
    data = HubData(address=str(tmp_path))
    assert num_hub_shards(data) == 2
    first, second = (list(read_hub(data, ORIGIN, shard, 2)) for shard in (0, 1))
    meta = {"source": "davinci", "licence": "CC0", "format": "text"}
    assert first[0] == Document(
        id="owner/name/train/00000:1", domain="science", text="a",
        meta={**meta, "path": "owner/name/train/00000", "score": "1"},
    )  # fmt: skip
    assert isinstance(first[1], Dropped)
    assert first[1].reason == "no_text"
    assert second == [Document(
        id="owner/name/train/00001:1", domain="science", text="c",
        meta={**meta, "path": "owner/name/train/00001", "score": "3"},
    )]  # fmt: skip


def test_lines_with_their_own_ids_and_another_field_are_read(tmp_path: Path) -> None:
    rows = [{"id": "x", "content": "one"}, {"id": "y", "content": "two"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    origin = Origin(source="davinci", domain="qa", path="p", text_field="content")
    outcomes = list(read_hub(HubData(address=str(tmp_path)), origin))
    assert [(o.id, o.text) for o in outcomes if isinstance(o, Document)] == [
        ("x", "one"), ("y", "two")
    ]  # fmt: skip


def test_what_cannot_be_opened_stops_with_its_name_and_the_cause(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n')
    for data, named in (
        (HubData(address=str(tmp_path), split="test"), "split 'test'.*Available splits"),
        (HubData(address=str(tmp_path), config="no"), "configuration 'no'.*Available"),
        (HubData(address=str(tmp_path / "nowhere")), "nowhere.*cannot be opened"),
    ):
        with pytest.raises(ValueError, match=f"(?s){named}"):
            num_hub_shards(data)


def test_what_fails_on_the_way_stops_with_the_place_and_the_cause(tmp_path: Path) -> None:
    good = "".join(json.dumps({"text": f"line {n}"}) + "\n" for n in range(3))
    (tmp_path / "a.jsonl").write_text(good)
    (tmp_path / "b.jsonl").write_text(good + "{broken\n")
    outcomes = read_hub(HubData(address=str(tmp_path)), ORIGIN)
    assert [next(outcomes).text for _ in range(3)] == ["line 0", "line 1", "line 2"]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="(?s)failed after row 3: JSON parse error"):
        list(outcomes)
