"""The user's own data: every form read, every malformed line named."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.files import Files
from davinci.data_levels.held_out import build_held_out, load_held_out
from davinci.data_levels.separation import falls_in
from davinci.data_levels.source import SourceSettings
from davinci.data_levels.sources import available_domains, check_source, source_identity


def settings(path: Path, **options: Any) -> SourceSettings:
    return SourceSettings(name="files", options={"path": str(path), **options})


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def text(n: int) -> str:
    return f"Entry {n} tells of the house number {n} that stands at the end of the street {n * 3}."


def read_all(folder: Path, domain: Any = "general") -> list[Document]:
    """Return training documents, with nothing held out to speak of."""
    return list(Files(settings(folder, held_out_frac=1e-9)).acquire(domain))


def test_lines_keep_ids_and_provenance(tmp_path: Path) -> None:
    rows = [{"id": "one", "text": text(1), "licence": "CC0"}, {"text": text(2)}]
    (tmp_path / "general.jsonl").write_text(jsonl(rows) + "\n\n", encoding="utf-8")
    first, second = read_all(tmp_path)
    meta = {"source": "files", "path": "general.jsonl", "format": "text"}
    assert first == Document(
        id="one", domain="general", text=text(1), meta={**meta, "licence": "CC0"}
    )
    assert second == Document(id="general.jsonl:2", domain="general", text=text(2), meta=meta)


def test_compressed_lines_and_folders_of_files_are_read_too(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "math.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(jsonl([{"text": text(3)}]))
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "a.py").write_bytes("x = 'é'\n".encode())
    (tmp_path / "code" / "page.html").write_text("<p>Hello</p>")
    (tmp_path / "code" / "picture.png").write_bytes(b"\x89PNG")
    assert [document.text for document in read_all(tmp_path, "math")] == [text(3)]
    code = read_all(tmp_path, "code")
    assert [(d.id, d.meta["format"], d.meta["encoding"]) for d in code] == [
        ("code/deep/a.py", "code", "bytes"),
        ("code/page.html", "html", "bytes"),
    ]
    assert code[0].text.encode("latin-1") == "x = 'é'\n".encode()
    assert available_domains(settings(tmp_path)) == ("code", "math")
    assert read_all(tmp_path, "qa") == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("{broken", "one JSON object"),
        ('["a list"]', 'a string "text"'),
        ('{"id": "x"}', 'a string "text"'),
        ('{"text": 5}', 'a string "text"'),
        ('{"text": "a", "stars": 5}', "'stars' must be a string"),
        ('{"text": "a", "format": "pdf"}', "text, html or code"),
        ('{"text": "a", "encoding": "bytes"}', "leave out `encoding`"),
        ("\udcff", "one JSON object"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, rule: str) -> None:
    content = jsonl([{"text": text(1)}]) + line + "\n"
    (tmp_path / "qa.jsonl").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=rf"qa\.jsonl, line 2: .*{rule}"):
        read_all(tmp_path, "qa")


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(jsonl([{"text": text(n)} for n in range(500)]).encode())
    (tmp_path / "qa.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"qa\.jsonl\.gz, after line \d+: the file is damaged"):
        read_all(tmp_path, "qa")


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
    training = list(source.acquire("general"))
    assert len(held) > 10
    assert len(training) == len(rows) - len(held)
    assert {drop.reason for drop in source.left_out("general")} == {"near_copy_of_held_out"}
    assert len(source.left_out("general")) == len(copies)
    assert list(source.acquire("science")) == []
    assert set(source.held_out().texts["general"]) <= {row["text"] for row in held}


def test_held_out_text_is_written_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "general.jsonl").write_text(jsonl([{"text": text(n)} for n in range(200)]))
    built = build_held_out(settings(tmp_path, held_out_frac=0.2), tmp_path / "held_out")
    assert load_held_out(tmp_path / "held_out") == built
    assert len(built.texts["general"]) > 20
    with pytest.raises(ValueError, match="holds out none"):
        build_held_out(settings(tmp_path, held_out_frac=1e-9), tmp_path / "nothing")


def test_a_smaller_number_of_documents_is_a_fixed_sample(tmp_path: Path) -> None:
    (tmp_path / "general.jsonl").write_text(jsonl([{"text": text(n)} for n in range(100)]))
    few = SourceSettings(name="files", documents=10, options={"path": str(tmp_path)})
    first, second = (list(Files(few).acquire("general")) for _ in range(2))
    assert first == second
    assert len(first) == 10


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
