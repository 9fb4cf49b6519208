"""The entries of the pool: what they are, and which of them an arm trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from davinci.data_levels.chain import LEVELS
from davinci.data_levels.document import DOMAINS, Domain

STAGES = ("1-1", "1-2", "2-1", "2-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One dataset of the pool; see `sources.yaml` for what the fields mean."""

    name: str
    title: str
    domain: Domain
    level: str
    tokens_B: float
    licence: str
    stages: tuple[str, ...] = ()
    address: str = ""
    config: str = ""
    split: str = "train"
    revision: str = ""
    text_field: str = "text"
    question_field: str = ""
    refines: str = ""
    qa_domain: str = ""


@lru_cache(maxsize=1)
def read_entries() -> tuple[Entry, ...]:
    """Return all entries of the pool, in the paper's order."""
    text = (resources.files(__package__) / "sources.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = yaml.safe_load(text)
    entries = tuple(Entry(**{**row, "stages": tuple(row["stages"])}) for row in rows)
    for entry in entries:
        assert entry.domain in DOMAINS, entry.name
        assert entry.level in LEVELS, entry.name
        assert set(entry.stages) <= set(STAGES), entry.name
    return entries


def choose_entries(
    domain: Domain, level: str, *, stage: str = "", only: Sequence[str] = ()
) -> tuple[Entry, ...]:
    """Return the entries of one domain that serve at a level.

    Those that were published deeper are left out, and so is whatever one that is chosen was made
    from: the paper trains on a corpus or on its refinement, never on both at once. Without names,
    only what the paper trains on in the stage (or in any) is chosen.

    Args:
        domain: Domain of the entries.
        level: How deep they may be.
        stage: `1-1` ... `2-2`; `1` or `2` for both substages; "" for any.
        only: Names of entries; none: all.
    """
    chosen = [
        entry
        for entry in read_entries()
        if entry.domain == domain
        and LEVELS.index(entry.level) <= LEVELS.index(level)
        and (entry.name in only if only else any(s.startswith(stage) for s in entry.stages))
    ]
    made_from = {entry.refines for entry in chosen}
    return tuple(entry for entry in chosen if entry.name not in made_from)


def entry_names(domain: Domain | None = None) -> tuple[str, ...]:
    """Return the names of all entries, or of those of one domain."""
    return tuple(e.name for e in read_entries() if domain in (None, e.domain))
