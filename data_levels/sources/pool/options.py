"""The pool's own settings, checked before anything is read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from davinci.data_levels.chain import LEVELS
from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.settings import check_choice
from davinci.data_levels.sources.pool.entries import STAGES, choose_entries, entry_names

BELOW = ("keep", "process")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """See `source` for what they mean; `level` is the depth that a domain is asked for."""

    path: str = ""
    stage: str = ""
    entries: tuple[str, ...] = ()
    below: str = "keep"
    held_out_frac: float = 0.02
    level: str = "L5"


def read_options(options: Mapping[str, Any]) -> PoolOptions:
    """Return the typed options.

    Raises:
        ValueError: If one is unknown or wrong; it names the field, the value and what is allowed.
    """
    known = [field.name for field in fields(PoolOptions)]
    for name in options:
        check_choice(f"data.{name}", name, tuple(known))
    read = PoolOptions(**{**options, "entries": tuple(options.get("entries", ()))})
    check_choice("data.stage", read.stage, ("", "1", "2", *STAGES))
    check_choice("data.below", read.below, BELOW)
    check_choice("data.level", read.level, LEVELS)
    for name in read.entries:
        check_choice("data.entries", name, entry_names())
    if not 0 < read.held_out_frac <= 0.5:
        raise ValueError(
            f"`0 < data.held_out_frac <= 0.5` must hold, but got {read.held_out_frac}."
        )
    return read


def domains_of(options: Mapping[str, Any]) -> tuple[Domain, ...]:
    """Return the domains for which some entry is chosen."""
    read = read_options(options)
    return tuple(d for d in DOMAINS if _chosen(read, d))


def check_options(options: Mapping[str, Any]) -> None:
    """Raise what is wrong with the options, and which chosen entries cannot be had.

    Raises:
        ValueError: If an option is wrong, or an entry is neither on the hub nor in the mirror.
    """
    from davinci.data_levels.sources.pool.source import SUFFIXES, mirror_files

    read = read_options(options)
    chosen = [entry for domain in DOMAINS for entry in _chosen(read, domain)]
    if read.path and not Path(read.path).is_dir():
        raise ValueError(f"`data.path` must be a folder, but there is none at {read.path!r}.")
    if read.path:
        missing = [e.name for e in chosen if not mirror_files(Path(read.path), e)]
        how = f"a folder of that name with {', '.join(SUFFIXES)} files in {read.path!r}"
    else:
        missing = [e.name for e in chosen if not e.address]
        how = "an address on the hub; give them in a local mirror (`data.path`)"
    if missing:
        raise ValueError(
            f"`data.entries`: {len(missing)} of the {len(chosen)} entries chosen have not "
            f"{how}: {', '.join(missing)}. Or name those that you have, such as "
            f"data.entries=[{chosen[0].name}]."
        )


def content_identity(options: Mapping[str, Any], domain: Domain | None) -> list[list[str]]:
    """Return what determines the entries' documents: their place, or their files' names and sizes.

    A mirror's files are known by name and size, since hashing terabytes for every plan is no way;
    a hub dataset by its address and revision.
    """
    from davinci.data_levels.sources.pool.source import mirror_files

    read = read_options(options)
    chosen = [e for d in DOMAINS if domain in (None, d) for e in _chosen(read, d)]
    if not read.path:
        return [[e.name, e.address, e.config, e.split, e.revision, e.text_field] for e in chosen]
    rows = []
    for entry in chosen:
        sha = hashlib.sha256()
        for file in mirror_files(Path(read.path), entry):
            name = file.relative_to(Path(read.path, entry.name)).as_posix()
            row = f"{name}\x00{file.stat().st_size}\x00"
            sha.update(row.encode("utf-8", "surrogateescape"))
        rows.append([entry.name, sha.hexdigest()])
    return rows


def _chosen(options: PoolOptions, domain: Domain) -> Any:
    return choose_entries(domain, options.level, stage=options.stage, only=options.entries)
