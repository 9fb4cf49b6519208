"""Opening the store: created on first use, refused when the database is something else."""

import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, OperationalError

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.store.tables import SCHEMA_VERSION, davinci_schema, metadata


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
        _check_file(parsed, Path(parsed.database))


def _check_file(url: URL, path: Path) -> None:
    shown = url.render_as_string(hide_password=True)
    if path.is_dir():
        raise _refused(shown, "is a folder, not a database.")
    if path.stat().st_size and path.read_bytes()[:16] != b"SQLite format 3\x00":
        raise _refused(shown, "is a file, but not an SQLite database.")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        names = [
            r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        version = None
        if davinci_schema.name in names:
            version = connection.execute(f"SELECT version FROM {davinci_schema.name}").fetchone()
    connection.close()
    if names and davinci_schema.name not in names:
        raise _refused(shown, f"is the database of something else (it has {_few(names)}).")
    if version and version[0] != SCHEMA_VERSION:
        raise _refused(shown, f"has version {version[0]}; this davinci has {SCHEMA_VERSION}.")


def _check_server(url: URL) -> None:
    shown = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url)
        names = inspect(engine).get_table_names()
        engine.dispose()
    except (NoSuchModuleError, ModuleNotFoundError):
        raise _refused(shown, f"needs a driver for {url.drivername!r} installed.") from None
    except OperationalError as error:
        raise _refused(shown, f"does not answer: {str(error.orig).splitlines()[0]}.") from None
    if names and davinci_schema.name not in names:
        raise _refused(shown, f"is the database of something else (it has {_few(names)}).")


def _create_tables(engine: Engine) -> None:
    metadata.create_all(engine)
    try:
        with engine.begin() as connection:
            if connection.scalar(select(davinci_schema.c.version)) is None:
                connection.execute(davinci_schema.insert().values(version=SCHEMA_VERSION))
    except IntegrityError:
        pass  # another process was first


def _tune_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA foreign_keys=ON")


def _refused(url: str, rule: str) -> ConfigError:
    return ConfigError([Problem(field="store.url", value=url, rule=rule)])


def _few(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"tables {shown}, ..." if len(names) > 3 else f"tables {shown}"
