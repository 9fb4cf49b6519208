"""`davinci migrate` and `davinci merge`: stores of other versions, and of other machines."""

from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.config.errors import redact
from davinci.platform.config.places import sqlite_url
from davinci.platform.store.merge import merge_artifacts, merge_stores
from davinci.platform.store.migrate import migrate_store
from davinci.platform.store.open import check_store, engine_of
from davinci.platform.store.tables import SCHEMA_VERSION


def migrate(url: str, console: Console) -> None:
    """Bring a store up to this version, and say what was done."""
    before, copy = migrate_store(url)
    if before == SCHEMA_VERSION:
        console.print(f"{redact(url)} has version {before} already.", markup=False)
        return
    kept = f"; as it was: {copy}" if copy else ""
    console.print(f"{redact(url)}: {before} -> {SCHEMA_VERSION}{kept}", markup=False)


def merge(into: Engine, output_dir: Path, other: str, console: Console) -> None:
    """Bring the rows of another store here, and its artifacts where `other` is a folder.

    Raises:
        ConfigError: If there is no store, or one of another version.
        FileNotFoundError: If a folder has none.
    """
    folder = Path(other) if "://" not in other and Path(other).is_dir() else None
    if folder is not None and not (folder / "davinci.db").exists():
        raise FileNotFoundError(f"There is no davinci.db in {folder}.")
    url = sqlite_url((folder / "davinci.db").absolute()) if folder else other
    check_store(url)
    source = engine_of(url)
    with console.status("merging") as status:
        try:
            found = merge_stores(into, source, lambda name: status.update(f"rows: {name}"))
        finally:
            source.dispose()
        copied = 0
        if folder is not None:
            copied = merge_artifacts(
                output_dir, folder, lambda name: status.update(f"artifacts: {name}")
            )
    new = {name: number for name, number in found.items() if number}
    rows = ", ".join(f"{number} {name}" for name, number in new.items()) or "no rows"
    console.print(f"New here: {rows}; {copied} artifacts copied.", markup=False, highlight=False)
