"""Reads files that are one document each: HTML, PDF, text, Markdown and source code, as bytes."""

from pathlib import Path

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.readers import records
from davinci.data_levels.readers.records import Origin

FORMATS: dict[str, str] = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".rst": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
}
"""By suffix, what a file that is no code holds."""

LANGUAGES: dict[str, str] = {
    ".py": "python",
    ".js": "javascript",
    ".ts": "typescript",
    ".java": "java",
    ".c": "c",
    ".h": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".hpp": "c++",
    ".cs": "c#",
    ".go": "go",
    ".rs": "rust",
    ".rb": "ruby",
    ".php": "php",
    ".sh": "shell",
    ".sql": "sql",
    ".jl": "julia",
    ".r": "r",
    ".lua": "lua",
    ".pl": "perl",
    ".hs": "haskell",
    ".ml": "ocaml",
    ".scala": "scala",
    ".kt": "kotlin",
    ".swift": "swift",
    ".lean": "lean",
}
"""By suffix, the programming language of a file."""


def is_plain(name: str) -> bool:
    """Return whether a file of this name is read as one document."""
    suffix = Path(name).suffix.lower()
    return suffix in FORMATS or suffix in LANGUAGES


def read_file(path: Path, origin: Origin) -> Outcome:
    """Return the document that a file is; its text is the file's bytes as Latin-1."""
    suffix = path.suffix.lower()
    meta = {**origin.provenance, "format": FORMATS.get(suffix, "code"), "encoding": "bytes"}
    if suffix in LANGUAGES:
        meta["language"] = LANGUAGES[suffix]
    try:
        num_bytes = path.stat().st_size
        too_large = num_bytes > records.MAX_DOCUMENT_BYTES
        with path.open("rb") as file:
            data = file.read(records.MAX_SHOWN_CHARS if too_large else num_bytes)
    except OSError as error:
        return records.unreadable(origin, error)
    text = data.decode("latin-1")
    document = Document(id=origin.path, domain=origin.domain, text=text, meta=meta)
    if too_large:
        problem = f"{origin.path}: {records.larger_than_limit(num_bytes)}"
        return Dropped(document, "larger_than_limit", problem)
    return document
