"""The paper's pool as a source: which datasets serve at which level, and how they are read."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from davinci.data_levels.build import CorpusSettings, build_corpus
from davinci.data_levels.corpus import read_documents
from davinci.data_levels.document import Document, Domain
from davinci.data_levels.manifest import read_manifest
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.pool.entries import choose_entries, entry_names, read_entries
from davinci.data_levels.sources.pool.source import Pool
from davinci.data_levels.sources.registry import (
    available_domains,
    check_source,
    narrowed,
    source_identity,
)
from davinci.data_levels.sources.source import HeldOut, SourceSettings

NOTHING = HeldOut(texts={})
MATH_L3, MATH_L4 = "megamath-web", "megamath-refined"


def write_mirror(folder: Path) -> SourceSettings:
    """Write a small mirror: two entries of math, one of code as Parquet, one of questions."""
    rows: dict[str, list[dict[str, Any]]] = {
        MATH_L3: [{"text": f"Web page {n} on sums: {n} plus {n} is {2 * n}."} for n in range(30)],
        MATH_L4: [{"text": f"{n} + {n} = {2 * n}.", "url": f"u/{n}"} for n in range(30)],
        "llama-nemotron-post-training-dataset-code": [
            {
                "input": [{"role": "user", "content": f"Write f{n}."}],
                "output": f"def f{n}(): return {n}",
            }
            for n in range(20)
        ],
    }
    for name, lines in rows.items():
        (folder / name).mkdir()
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / name / "part.jsonl").write_text(text)
    (folder / "self-crawled-github").mkdir()
    table = pa.table({"text": [f"def g{n}():\n    return {n}\n" for n in range(25)]})
    pq.write_table(table, folder / "self-crawled-github" / "0.parquet")
    names = [*rows, "self-crawled-github"]
    options = {"path": str(folder), "entries": names, "held_out_frac": 0.1}
    return SourceSettings(name="davinci", options=options)


def acquire(settings: SourceSettings, domain: Domain) -> list[Document]:
    pool = Pool(settings)
    outcomes = [o for i in range(pool.num_inputs(domain)) for o in pool.acquire(domain, i, NOTHING)]
    return [o for o in outcomes if isinstance(o, Document)]


def test_the_pool_is_the_papers() -> None:
    entries = read_entries()
    assert len(entries) == 28
    assert sum(entry.tokens_B for entry in entries) == pytest.approx(7555.4)
    by_name = {entry.name: entry for entry in entries}
    assert by_name["nemotron-cc-v1"].tokens_B == 4280
    assert by_name["darwin-science-paper-qwen"].refines == "darwin-science-paper"
    assert all(entry.refines in ("", *by_name) for entry in entries)
    math = sum(e.tokens_B for e in entries if e.domain in ("math", "science"))
    assert math == 1943


def test_a_level_chooses_what_was_published_up_to_it_and_the_refined_for_its_origin() -> None:
    def names(domain: Domain, level: str, stage: str = "") -> set[str]:
        return {e.name for e in choose_entries(domain, level, stage=stage)}

    assert names("math", "L3") == {"megamath-web"}
    assert names("math", "L4") == {
        "megamath-web-pro",
        "megamath-refined",
        "nemotron-cc-math-v1-3-refined",
        "nemotron-cc-math-v1-4plus-refined",
    }
    assert "megamath-web" in names("math", "L4", stage="1")
    assert "megamath-refined" not in names("math", "L4", stage="1")
    assert names("science", "L4") == {"darwin-science-book", "darwin-science-paper"}
    assert "darwin-science-paper" not in names("science", "L5")
    assert names("general", "L2") == set()
    assert "nemotron-cc-v1-synthetic-qa" not in names("qa", "L5")  # in the pool, in no stage


def test_documents_carry_entry_level_and_licence(tmp_path: Path) -> None:
    settings = narrowed(write_mirror(tmp_path), "L3")
    documents = acquire(settings, "math")
    assert {d.meta["entry"] for d in documents} == {MATH_L3}
    assert {(d.meta["level"], d.meta["published_level"]) for d in documents} == {("L3", "L3")}
    deeper = acquire(narrowed(settings, "L4"), "math")
    assert {d.meta["entry"] for d in deeper} == {MATH_L4}
    assert deeper[0].meta["licence"] == "not published"
    assert deeper[0].meta["url"].startswith("u/")


def test_what_lies_below_the_level_is_kept_or_processed(tmp_path: Path) -> None:
    settings = write_mirror(tmp_path)
    kept = acquire(narrowed(settings, "L5"), "code")
    assert {(d.meta["level"], d.meta["published_level"]) for d in kept} == {("L5", "L3")}
    options = {**settings.options, "below": "process"}
    processed = SourceSettings(name="davinci", options=options)
    assert {d.meta["level"] for d in acquire(narrowed(processed, "L5"), "code")} == {"L3"}


def test_a_question_is_joined_to_its_answer(tmp_path: Path) -> None:
    documents = acquire(narrowed(write_mirror(tmp_path), "L5"), "qa")
    assert documents[0].text.startswith("Question: Write f")
    assert "\nAnswer: def f" in documents[0].text


def test_documents_are_dealt_out_by_the_tokens_of_the_entries(tmp_path: Path) -> None:
    settings = write_mirror(tmp_path)
    options = {**settings.options, "entries": [MATH_L4, "megamath-web-pro"]}
    (tmp_path / "megamath-web-pro").mkdir()
    lines = "".join(json.dumps({"text": f"pro {n}"}) + "\n" for n in range(30))
    (tmp_path / "megamath-web-pro" / "a.jsonl").write_text(lines)
    settings = SourceSettings(name="davinci", documents=20, options=options)
    documents = acquire(narrowed(settings, "L4"), "math")
    counts = {name: sum(d.meta["entry"] == name for d in documents) for name in options["entries"]}
    assert counts == {MATH_L4: 19, "megamath-web-pro": 1}  # 176 and 13 billion tokens


def test_held_out_text_is_in_no_corpus_and_levels_leave_published_documents_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "mirror").mkdir()
    settings = narrowed(write_mirror(tmp_path / "mirror"), "L3")
    parent = None
    for level in ("L0", "L1", "L2", "L3"):
        corpus = CorpusSettings(source=settings, domain="math", chain=level, levels=LevelSettings())
        manifest = build_corpus(corpus, parent=parent, out=tmp_path / level)
        parent = tmp_path / level
    documents = list(read_documents(tmp_path / "L3"))
    assert manifest.documents_out == manifest.documents_in == len(documents) > 20
    assert manifest.notes[-1].startswith(f"{len(documents)} documents have this level")
    held_out = Pool(settings).held_out().texts["math"]
    first = read_manifest(tmp_path / "L0")
    assert first.documents_in == 30  # every line of the file is accounted for
    assert first.documents_out == 30 - sum(first.steps[0].dropped.values())
    assert set(first.steps[0].dropped) <= {"held_out", "near_copy_of_held_out"}
    assert not {d.text for d in documents} & set(held_out)


def test_the_identity_of_one_domain_does_not_hang_on_the_others(tmp_path: Path) -> None:
    settings = write_mirror(tmp_path)
    before = {d: source_identity(narrowed(settings, "L4"), d) for d in ("math", "code")}
    with (tmp_path / "self-crawled-github" / "1.parquet").open("wb") as file:
        file.write(b"more")
    after = {d: source_identity(narrowed(settings, "L4"), d) for d in ("math", "code")}
    assert before["math"] == after["math"]
    assert before["code"] != after["code"]
    assert str(tmp_path) not in json.dumps(after)


def test_entries_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"have not an address.*nemotron-cc-v1"):
        check_source(SourceSettings(name="davinci"))
    settings = write_mirror(tmp_path)
    check_source(settings)
    assert available_domains(settings) == ("code", "math", "qa")
    options = {**settings.options, "entries": ["megamath-webb"]}
    with pytest.raises(ValueError, match=r"'megamath-webb' \(`data\.entries`\).*Did you mean"):
        check_source(SourceSettings(name="davinci", options=options))
    options = {**settings.options, "entries": list(entry_names("general"))}
    with pytest.raises(ValueError, match="have not a folder of that name"):
        check_source(SourceSettings(name="davinci", options=options))


def test_files_of_one_name_in_several_folders_give_documents_of_their_own(tmp_path: Path) -> None:
    settings = write_mirror(tmp_path)
    for name in ("crawl-1", "crawl-2"):
        (tmp_path / MATH_L4 / name / "looks-like.jsonl").mkdir(parents=True)
        lines = "".join(json.dumps({"text": f"{name} says {n}."}) + "\n" for n in range(9))
        (tmp_path / MATH_L4 / name / "part.jsonl").write_text(lines)
    settings = narrowed(settings, "L4")
    ids = [document.id for document in acquire(settings, "math")]
    assert len(set(ids)) == len(ids) > 40
    before = source_identity(settings, "math")
    (tmp_path / MATH_L4 / "crawl-2").rename(tmp_path / MATH_L4 / "crawl-0")
    assert source_identity(settings, "math") != before  # the files come in another order


def test_a_turn_without_content_stops_nothing(tmp_path: Path) -> None:
    settings = write_mirror(tmp_path)
    row = {"input": [{"role": "user"}], "output": "I was not asked."}
    folder = tmp_path / "llama-nemotron-post-training-dataset-code"
    (folder / "part.jsonl").write_text(json.dumps(row) + "\n")
    documents = acquire(narrowed(settings, "L5"), "qa")
    assert [d.text for d in documents] == ["Question: \nAnswer: I was not asked."]


def test_the_papers_arms_need_no_teacher_and_no_rung_touches_them(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    settings = narrowed(write_mirror(tmp_path / "mirror"), "L5")
    parent = None
    for level in ("L0", "L1", "L2", "L3", "L4", "L5"):
        corpus = CorpusSettings(source=settings, domain="math", chain=level, levels=LevelSettings())
        manifest = build_corpus(corpus, parent=parent, out=tmp_path / level)
        parent = tmp_path / level
    assert manifest.documents_out > 20
    assert (manifest.teacher, manifest.steps[0].name) == ("", "as_published")
    assert manifest.digest == read_manifest(tmp_path / "L0").digest
