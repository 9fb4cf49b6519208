"""The life of a document on a terminal: shared stations once, and nothing that a terminal obeys."""

import io
from pathlib import Path

from rich.console import Console

from davinci.data_levels.corpus import Drop
from davinci.data_levels.document import Document
from davinci.data_levels.life import Station
from davinci.platform.store.records import Corpus
from davinci.reports.documents import _panels, print_life

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
