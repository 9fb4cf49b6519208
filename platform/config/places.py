"""Files as database addresses and back, whatever characters their paths have."""

from pathlib import Path

from sqlalchemy import URL, make_url


def sqlite_url(path: Path) -> str:
    """Return the address of an SQLite database in a file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite address, None for any other."""
    if not url.startswith("sqlite:"):
        return None
    database = make_url(url).database
    return Path(database) if database else None
