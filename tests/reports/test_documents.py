"""The life of a document on a terminal: shared stations once, and nothing that a terminal obeys."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import create_engine

from davinci.data_levels.corpus import Drop, write_documents
from davinci.data_levels.document import Document
from davinci.data_levels.life import Station
from davinci.data_levels.manifest import Manifest, write_manifest
from davinci.platform.store.records import Corpus
from davinci.reports.documents import _panels, print_life, show_document

HOSTILE = "plain [bold]text[/bold] \x1b[2J\x1b]0;title\x07 \u202eend"


def corpus(name: str, level: str, parent: str = "") -> Corpus:
    return Corpus(digest=name, domain="math", level=level, parent=parent, manifest={})


def station(chain: str, text: str | None, drop: Drop | None = None) -> Station:
    document = None
    if text is not None:
        document = Document(id="d", domain="math", text=text, meta={"url": "u\x1b[31m"})
    return Station(chain=chain, teacher="", document=document, drop=drop)


def shown(*chains: tuple[list[Corpus], list[Station]]) -> str:
    seen: set[str] = set()
    panels = [
        p for corpora, stations in chains for p in _panels(corpora, stations, seen, full=True)
    ]
    console = Console(file=io.StringIO(), width=100, color_system=None)
    print_life(panels, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_control_characters_of_a_document_do_not_reach_the_terminal(tmp_path: Path) -> None:
    text = shown(([corpus("a", "L0")], [station("L0", HOSTILE)]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold]text[/bold]" in text


def test_stations_that_chains_share_are_shown_once_and_a_drop_says_why() -> None:
    first, second = corpus("a", "L0"), corpus("b", "L1", "a")
    other = corpus("c", "L2", "b")
    drop = Drop("d", "rules", "too_short", "12 characters\x1b[2J")
    one = ([first, second], [station("L0", "<p>x</p>"), station("L1", "x")])
    two = ([first, second, other], [*one[1], station("L2", None, drop)])
    text = shown(one, two)
    assert text.count("math L0") == text.count("math L1") == 1
    assert "dropped by rules: too short (12 characters" in text
    assert "\x1b" not in text


def test_a_corpus_that_was_cleared_away_ends_the_life_and_ids_are_made_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artifacts" / "corpus" / "a"
    write_documents([Document(id="d\x1b[2J", domain="math", text="A text.")], folder)
    manifest = Manifest(
        source="files", domain="math", level="L0", chain="L0", parents=(), teacher="",
        documents_in=1, bytes_in=7, documents_out=1, bytes_out=7, digest="", seconds=0.0,
        counts={}, steps=(), invariants=(), samples=(), notes=(),
    )  # fmt: skip
    write_manifest(manifest, folder)
    chain = (corpus("a", "L0"), corpus("gone", "L1", "a"))
    monkeypatch.setattr("davinci.reports.documents.corpus_chains", lambda engine: [chain])
    engine = create_engine("sqlite://")
    panels, _ = show_document(engine, tmp_path, "d\x1b[2J", domain="", full=False)
    assert len(panels) == 1
    panels, near = show_document(engine, tmp_path, "d", domain="", full=False)
    assert panels == []
    assert near == ["d\N{REPLACEMENT CHARACTER}[2J"]
