"""Opening the store: created on first use, refused when the database is something else."""

import contextlib
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.store.tables import SCHEMA_VERSION, davinci_schema, metadata

NUM_ATTEMPTS = 6


def open_store(url: str) -> Engine:
    """Return an engine on the store at `url`, with its tables.

    Raises:
        ConfigError: If the URL is no database, or the database is not a davinci store.
    """
    check_store(url)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    _create_tables(engine)
    return engine


def check_store(url: str) -> None:
    """Refuse what cannot be the store, without creating anything.

    Raises:
        ConfigError: As `open_store`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _refused(
            url, "is not a database address, such as sqlite:///runs/davinci.db."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        _check_server(parsed)
    elif parsed.database and Path(parsed.database).exists():
        names = sqlite_tables(Path(parsed.database), "store.url")
        _check_tables(parsed, names)
        _check_version(create_engine(parsed))


def sqlite_tables(path: Path, field: str) -> list[str]:
    """Return the names of the tables of an SQLite file.

    Raises:
        ConfigError: Naming `field`, if the file is not an SQLite database.
    """
    if path.is_dir():
        raise _refused(str(path), "is a folder, not a database.", field)
    with path.open("rb") as file:
        head = file.read(16)
    if head and head != b"SQLite format 3\x00":
        raise _refused(str(path), "is a file, but not an SQLite database.", field)
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT name FROM sqlite_master WHERE type='table'"
        return [name for (name,) in connection.execute(query)]


def _check_server(url: URL) -> None:
    shown = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url)
        names = inspect(engine).get_table_names()
    except (NoSuchModuleError, ModuleNotFoundError):
        raise _refused(shown, f"needs a driver for {url.drivername!r} installed.") from None
    except OperationalError as error:
        raise _refused(shown, f"does not answer: {str(error.orig).splitlines()[0]}.") from None
    _check_tables(url, names)
    _check_version(engine)


def _check_tables(url: URL, names: list[str]) -> None:
    if names and davinci_schema.name not in names:
        shown = url.render_as_string(hide_password=True)
        raise _refused(shown, f"is the database of something else (it has {_few(names)}).")


def _check_version(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            version = connection.scalar(select(davinci_schema.c.version))
    except (OperationalError, ProgrammingError):
        return  # it has no tables yet
    finally:
        engine.dispose()
    if version not in (None, SCHEMA_VERSION):
        shown = engine.url.render_as_string(hide_password=True)
        raise _refused(shown, f"has version {version}; this davinci has {SCHEMA_VERSION}.")


def _create_tables(engine: Engine) -> None:
    for attempt in range(NUM_ATTEMPTS):
        try:
            metadata.create_all(engine)
            with engine.begin() as connection:
                if connection.scalar(select(davinci_schema.c.version)) is None:
                    connection.execute(davinci_schema.insert().values(version=SCHEMA_VERSION))
            return
        except (IntegrityError, OperationalError, ProgrammingError):
            # another process creates them at this moment: look again
            if attempt == NUM_ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 2**attempt)


def _tune_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _refused(url: str, rule: str, field: str = "store.url") -> ConfigError:
    return ConfigError([Problem(field=field, value=url, rule=rule)])


def _few(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"tables {shown}, ..." if len(names) > 3 else f"tables {shown}"
