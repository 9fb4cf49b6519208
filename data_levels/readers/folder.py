"""Which files of a folder hold the documents of a domain, and how they are read.

    <domain>.jsonl, .jsonl.gz, .jsonl.zst, .parquet, .warc, .warc.gz, .wet, .wet.gz
    <domain>/    any of these at any depth, and the plain files that `plain` knows

Files with other suffixes are not looked at, and links to folders are not followed. An input is one
file of many documents, or as many plain files, in the order of their names, as come to some
megabytes.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from davinci.data_levels.document import Domain, Outcome
from davinci.data_levels.readers.json_lines import read_json_lines
from davinci.data_levels.readers.parquet import read_parquet
from davinci.data_levels.readers.plain import is_plain, read_file
from davinci.data_levels.readers.records import Origin
from davinci.data_levels.readers.warc import read_warc

Input = tuple[str, ...]
"""Names of files relative to the folder, with `/`."""

INPUT_BYTES = 8 * 2**20
"""Plain files are grouped into inputs of about so many bytes."""

READERS: dict[str, Callable[[Path, Origin], Iterator[Outcome]]] = {
    ".jsonl": read_json_lines,
    ".jsonl.gz": read_json_lines,
    ".jsonl.zst": read_json_lines,
    ".parquet": read_parquet,
    ".warc": read_warc,
    ".warc.gz": read_warc,
    ".wet": read_warc,
    ".wet.gz": read_warc,
}
"""By how its name ends, who reads a file of many documents."""


def inputs_of(root: Path, domain: Domain) -> tuple[Input, ...]:
    """Return the inputs of a domain; reads no document."""
    inputs: list[Input] = []
    group: list[str] = []
    num_bytes = 0
    for name in files_of(root, domain):
        if _reader(name) is not None:
            inputs.append((name,))
            continue
        group.append(name)
        num_bytes += _size(root / name)
        if num_bytes >= INPUT_BYTES:
            inputs.append(tuple(group))
            group, num_bytes = [], 0
    if group:
        inputs.append(tuple(group))
    return tuple(inputs)


def files_of(root: Path, domain: Domain) -> list[str]:
    """Return the names of the files that hold a domain's documents, in order.

    A link that leads nowhere is one of them, for it once led to documents.

    Raises:
        ValueError: If a folder cannot be looked into.
    """
    beside = [path for suffix in READERS if _is_there(path := root / f"{domain}{suffix}")]
    folder = root / domain
    within = [
        path
        for place, _, names in os.walk(folder, onerror=_refuse if folder.is_dir() else None)
        for path in (Path(place, name) for name in names)
        if (is_plain(path.name) or _reader(path.name) is not None) and _is_there(path)
    ]
    names = [path.relative_to(root).as_posix() for path in within]
    return [*(path.name for path in beside), *sorted(names)]


def read_input(root: Path, files: Input, origin: Origin) -> Iterator[Outcome]:
    """Yield the outcomes of one input; the origin's path becomes the name of each file."""
    for name in files:
        reader = _reader(name)
        own = replace(origin, path=name)
        if reader is None:
            yield read_file(root / name, own)
        else:
            yield from reader(root / name, own)


def _reader(name: str) -> Callable[[Path, Origin], Iterator[Outcome]] | None:
    endings = (suffix for suffix in READERS if name.lower().endswith(suffix))
    return next((READERS[suffix] for suffix in endings), None)


def _refuse(error: OSError) -> NoReturn:
    raise ValueError(f"`data.path` holds a folder that cannot be read: {error}.") from error


def _is_there(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
