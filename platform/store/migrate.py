"""Bringing an older store up to this version, with a copy of it beside where it is a file."""

import contextlib
import sqlite3
from pathlib import Path

from sqlalchemy import create_engine

from davinci.platform.config.places import sqlite_path
from davinci.platform.store.version import read_version

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate_store(url: str) -> tuple[str, Path | None]:
    """Run the migrations that a store lacks; return its version before, and the copy if any.

    On a file, they are one transaction, and a copy is made first; running it again changes nothing.
    """
    from alembic import command
    from alembic.config import Config

    engine = create_engine(url)
    with engine.connect() as connection:
        before = read_version(connection)
    copy = _copy(url, before)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver begins none for DDL
        config.attributes["connection"] = connection
        if before == "0001":
            command.stamp(config, before)
        command.upgrade(config, "head")
    engine.dispose()
    return before, copy


def _copy(url: str, version: str) -> Path | None:
    file = sqlite_path(url)
    if file is None:
        return None
    copy = file.with_name(f"{file.name}.{version}.bak")
    if not copy.exists():
        aside = copy.with_name(f"{copy.name}.unfinished")
        closing, connect = contextlib.closing, sqlite3.connect
        with closing(connect(file)) as source, closing(connect(aside)) as to:
            source.backup(to)
        aside.rename(copy)
    return copy
