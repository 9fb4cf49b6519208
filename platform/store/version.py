"""Which version the tables of a store have."""

from sqlalchemy import Connection, inspect, select, text

from davinci.platform.store.tables import SCHEMA_VERSION, davinci_version

FIRST = "davinci_schema"
"""The table that held the version before there were migrations."""


def is_store(names: list[str]) -> bool:
    """Return whether tables with these names are a davinci store, of whatever version."""
    return davinci_version.name in names or FIRST in names


def read_version(connection: Connection) -> str:
    """Return the version of a store's tables; "" where there are none yet."""
    names = inspect(connection).get_table_names()
    if davinci_version.name in names:
        return connection.scalar(select(davinci_version.c.version_num)) or ""
    if FIRST in names:
        found = connection.scalar(text(f"SELECT version FROM {FIRST}"))
        return f"{found:04d}" if found else ""
    return ""


def what_differs(version: str) -> str:
    """Return what to do about a store of another version; "" where it is this one."""
    if version in ("", SCHEMA_VERSION):
        return ""
    if version < SCHEMA_VERSION:
        return (
            f"has the tables of an older davinci (version {version}; this one has "
            f"{SCHEMA_VERSION}): `davinci migrate` brings them up to date, and keeps a copy."
        )
    return (
        f"has the tables of a newer davinci (version {version}; this one has {SCHEMA_VERSION}): "
        "update davinci."
    )
