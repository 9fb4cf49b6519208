"""Files that are there whole or not at all, whoever reads while they are written."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> Path:
    """Write a text as UTF-8, with escapes for what has none, and return its path.

    Raises:
        OSError: If the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.write_bytes(text.encode("utf-8", errors="backslashreplace"))
    draft.replace(path)
    return path
