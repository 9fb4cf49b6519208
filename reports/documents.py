"""`davinci document ID`: what became of one document, level by level."""

import textwrap
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.text import Text
from sqlalchemy import Engine

from davinci.data_levels.corpus import DOCUMENTS_DIR
from davinci.data_levels.life import Station, ids_like, life_of
from davinci.platform.store.lineage import corpus_chains
from davinci.platform.store.records import Corpus
from davinci.reports.filters import visible

SHOWN_CHARS = 700


def show_document(
    engine: Engine, output_dir: Path, document_id: str, *, domain: str, full: bool
) -> tuple[list[Panel], list[str]]:
    """Return the stations of a document to print, and some ids like it where there is none.

    Stations that several chains share are shown once. `domain` restricts the search, "" does not.
    """
    panels: list[Panel] = []
    near: list[str] = []
    shown: set[str] = set()
    for chain in corpus_chains(engine):
        folders = [output_dir / "artifacts" / "corpus" / corpus.digest for corpus in chain]
        # Folders may have been cleared away; what came before them can still be shown.
        folders = list(takewhile(lambda folder: (folder / DOCUMENTS_DIR).is_dir(), folders))
        if (domain and chain[0].domain != domain) or not folders:
            continue
        stations = life_of(document_id, folders)
        if stations[0].document is None and stations[0].drop is None:
            found = map(visible, ids_like(document_id, folders[0]))  # printed as they are
            near += [name for name in found if name not in near]
            continue
        panels += _panels(chain, stations, shown, full=full)
    return panels, near[:5]


def print_life(panels: Sequence[Panel], console: Console) -> None:
    """Print the stations, one below the other."""
    for panel in panels:
        console.print(panel)


def _panels(
    chain: Sequence[Corpus], stations: Sequence[Station], shown: set[str], *, full: bool
) -> list[Panel]:
    panels, before = [], ""
    for corpus, station in zip(chain, stations, strict=False):
        if corpus.digest not in shown:
            panels.append(_panel(corpus, station, before, full=full))
        shown.add(corpus.digest)
        before = visible(station.document.text) if station.document else ""
    return panels


def _panel(corpus: Corpus, station: Station, before: str, *, full: bool) -> Panel:
    title = f"{corpus.domain} {station.chain}"
    if station.document is None:
        return Panel(Text(_why(station), style="red"), title=title, title_align="left")
    text = visible(station.document.text)  # a terminal obeys what a document may hold
    body = Text("unchanged", style="dim") if text == before else Text(_shown(text, full=full))
    meta = ", ".join(f"{name}={value}" for name, value in sorted(station.document.meta.items()))
    footer = f"{len(station.document.text):,} characters; {_shorten(visible(meta), 300)}"
    if station.teacher:
        footer = f"written by {station.teacher}; {footer}"
    return Panel(
        body, title=title, title_align="left", subtitle=Text(footer), subtitle_align="left"
    )


def _why(station: Station) -> str:
    if station.drop is None:
        return "not in this corpus"
    detail = f" ({visible(station.drop.detail)})" if station.drop.detail else ""
    return f"dropped by {station.drop.step}: {station.drop.reason.replace('_', ' ')}{detail}"


def _shown(text: str, *, full: bool) -> str:
    return text if full or len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]} [...]"


def _shorten(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" ...")
