"""Opening the store: created on first use, refused when the database is something else."""

import contextlib
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.places import on_network, sqlite_path
from davinci.platform.store.tables import SCHEMA_VERSION, davinci_version, metadata
from davinci.platform.store.version import is_store, read_version, what_differs

NUM_ATTEMPTS = 8
CREATION_LOCK = 0x64617631
"""Of PostgreSQL's advisory locks, the one under which davinci creates its tables."""


def open_store(url: str) -> Engine:
    """Return an engine on the store at `url`, with its tables.

    Raises:
        ConfigError: If the URL is no database, or the database is not a davinci store.
    """
    check_store(url)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = engine_of(url)
    _create_tables(engine)
    return engine


def open_existing(url: str) -> Engine | None:
    """Return an engine on a store that is there with its tables, None where none is."""
    file = sqlite_path(url)
    if file is not None and not file.exists():
        return None
    engine = engine_of(url)
    with engine.connect() as connection:
        if read_version(connection) == SCHEMA_VERSION:
            return engine
    engine.dispose()
    return None


def engine_of(url: str) -> Engine:
    """Return an engine on a database as it is; nothing is checked or created."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed)
    shared = bool(parsed.database) and on_network(Path(parsed.database or ""))
    event.listen(engine, "connect", _tune_shared if shared else _tune_sqlite)
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
        engine = create_engine(url, pool_pre_ping=True)
        names = inspect(engine).get_table_names()
    except (NoSuchModuleError, ModuleNotFoundError):
        raise _refused(shown, f"needs a driver for {url.drivername!r} installed.") from None
    except OperationalError as error:
        raise _refused(shown, f"does not answer: {str(error.orig).splitlines()[0]}.") from None
    _check_tables(url, names)
    _check_version(engine)


def _check_tables(url: URL, names: list[str]) -> None:
    if names and not is_store(names):
        shown = url.render_as_string(hide_password=True)
        raise _refused(shown, f"is the database of something else (it has {_few(names)}).")


def _check_version(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            version = read_version(connection)
    finally:
        engine.dispose()
    if rule := what_differs(version):
        raise _refused(engine.url.render_as_string(hide_password=True), rule)


def _create_tables(engine: Engine) -> None:
    """Create what is not there yet; many processes may do so at once."""
    for attempt in range(NUM_ATTEMPTS):
        try:
            with engine.begin() as connection:
                _create(connection)
            return
        except (IntegrityError, OperationalError, ProgrammingError):
            # another process creates them at this moment: look again
            if attempt == NUM_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({CREATION_LOCK})"))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # alone, and all of it or nothing
    if read_version(connection) == SCHEMA_VERSION:
        return
    metadata.create_all(connection)
    connection.execute(insert(davinci_version).values(version_num=SCHEMA_VERSION))


def _tune_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _tune_shared(connection: sqlite3.Connection, _: object) -> None:
    """Tune for a file system of several machines, over which a write-ahead log does not work."""
    connection.execute("PRAGMA busy_timeout=60000")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _refused(url: str, rule: str, field: str = "store.url") -> ConfigError:
    return ConfigError([Problem(field=field, value=url, rule=rule)])


def _few(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"tables {shown}, ..." if len(names) > 3 else f"tables {shown}"
