"""Files as database addresses and back, whatever characters their paths have; where they lie."""

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


NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "9p")


def on_network(path: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Return whether a file lies on a file system that several machines share (Linux only)."""
    try:
        rows = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    place = str(path.absolute())
    below = [
        (row[1], row[2])
        for row in rows
        if place == row[1] or place.startswith(row[1].rstrip("/") + "/")
    ]
    return max(below, key=lambda mount: len(mount[0]), default=("", ""))[1] in NETWORK_FILE_SYSTEMS
