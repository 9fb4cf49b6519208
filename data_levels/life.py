"""The life of one document: what every level made of it, from its source to where it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from davinci.data_levels.corpus import Drop, read_documents, read_drops
from davinci.data_levels.document import Document
from davinci.data_levels.manifest import read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One corpus on a document's way: the document as it stands there, or why it does not.

    `document` and `drop` are both None where the corpus has never seen it.
    """

    chain: str
    teacher: str
    document: Document | None
    drop: Drop | None


def life_of(document_id: str, corpora: Sequence[Path]) -> list[Station]:
    """Return what became of a document, up to the level that dropped it.

    Args:
        document_id: The document's id.
        corpora: Folders of a chain's corpora, L0 first.
    """
    stations = []
    for corpus in corpora:
        manifest = read_manifest(corpus)
        found = next((d for d in read_documents(corpus) if d.id == document_id), None)
        drop = None
        if found is None:
            drop = next((d for d in read_drops(corpus) if d.id == document_id), None)
        stations.append(
            Station(chain=manifest.chain, teacher=manifest.teacher, document=found, drop=drop)
        )
        if found is None:
            break
    return stations


def ids_like(text: str, corpus: Path, limit: int = 5) -> list[str]:
    """Return some ids that hold a text, for whoever mistyped one."""
    found = (d.id for d in read_documents(corpus) if text.lower() in d.id.lower())
    return [name for name, _ in zip(found, range(limit), strict=False)]
