"""What lies in this Python installation: files with their distribution and licence.

Files are found and read, never imported. Addresses are relative to the standard library or to
`site-packages`, so that they mean the same on another machine.
"""

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property, lru_cache
from pathlib import Path

OWN_DISTRIBUTION = "davinci"
"""Left out: its own text changes with every edit."""
STDLIB_LICENCE = "PSF-2.0"
MAX_FILE_BYTES = 100_000
"""Longer files are not fetched: nearly all are generated tables."""
SUFFIXES = (".py", ".md", ".rst", ".txt")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed distribution; `licence` is empty where its metadata does not tell."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of the installation; `path` is relative, `num_bytes` its size on disk."""

    path: str
    location: str
    num_bytes: int
    distribution: Distribution

    @property
    def top(self) -> str:
        """The first component of the path: the top-level package or module."""
        return self.path.split("/", 1)[0].removesuffix(".py")

    def read(self) -> bytes:
        """Return the file's bytes."""
        with open(self.location, "rb") as file:
            return file.read()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The folders of a Python installation. A missing folder counts as empty."""

    stdlib: Path
    site_packages: Path

    @cached_property
    def files(self) -> tuple[File, ...]:
        """All files that could be documents, sorted by path."""
        python = Distribution(name="python", version=sys.version.split()[0], licence=STDLIB_LICENCE)
        found = [
            File(path=f"stdlib/{path}", location=location, num_bytes=size, distribution=python)
            for path, location, size in _walk(self.stdlib)
        ]
        for path, location, size in _walk(self.site_packages):
            owner = self._owner(path)
            if owner.name != OWN_DISTRIBUTION:
                found.append(File(path=path, location=location, num_bytes=size, distribution=owner))
        return tuple(sorted(found, key=lambda file: file.path))

    @cached_property
    def metadata(self) -> tuple[File, ...]:
        """The `METADATA` file of every distribution, sorted by path."""
        return tuple(
            File(
                path=f"{folder.name}/METADATA",
                location=str(folder / "METADATA"),
                num_bytes=(folder / "METADATA").stat().st_size,
                distribution=distribution,
            )
            for folder, distribution in self._distributions.items()
            if distribution.name != OWN_DISTRIBUTION
        )

    @cached_property
    def _distributions(self) -> dict[Path, Distribution]:
        folders = sorted(self.site_packages.glob("*.dist-info"), key=lambda folder: folder.name)
        return {
            folder: _read_distribution(folder)
            for folder in folders
            if (folder / "METADATA").is_file()
        }

    @cached_property
    def _owners(self) -> dict[str, Distribution]:
        """Owner by first path component, and by the first two where several share the first."""
        owners: dict[str, Distribution] = {}
        for folder, distribution in self._distributions.items():
            owners[folder.name] = distribution
            record = folder / "RECORD"
            lines = record.read_text("utf-8", "replace").splitlines() if record.is_file() else []
            for line in lines:
                parts = line.split(",", 1)[0].split("/")
                owners.setdefault(parts[0], distribution)
                owners.setdefault("/".join(parts[:2]), distribution)
        return owners

    def _owner(self, path: str) -> Distribution:
        parts = path.split("/")
        unknown = Distribution(name=parts[0].removesuffix(".py"), version="", licence="")
        return self._owners.get("/".join(parts[:2])) or self._owners.get(parts[0]) or unknown


@lru_cache(maxsize=1)
def this_installation() -> Installation:
    """Return the installation that this process runs on."""
    paths = sysconfig.get_paths()
    return Installation(stdlib=Path(paths["stdlib"]), site_packages=Path(paths["purelib"]))


def installation_identity() -> dict[str, str]:
    """Return what determines the installation's text: Python's version, and a hash of the others.

    The hash is over the names and versions of all installed distributions but this project's own.
    """
    folder = this_installation().site_packages
    names = sorted(
        path.name
        for path in folder.glob("*.dist-info")
        if path.name.split("-", 1)[0] != OWN_DISTRIBUTION
    )
    listing = hashlib.sha256("\n".join(names).encode("utf-8")).hexdigest()
    return {"python": sys.version.split()[0], "distributions": listing}


def _walk(root: Path) -> Iterator[tuple[str, str, int]]:
    """Yield relative path, location and size of the files that could be documents."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        for name in names:
            location = os.path.join(folder, name)
            if not name.endswith(SUFFIXES) or not os.path.isfile(location):
                continue
            size = os.stat(location).st_size
            if size <= MAX_FILE_BYTES:
                yield os.path.relpath(location, root).replace(os.sep, "/"), location, size


def _read_distribution(folder: Path) -> Distribution:
    text = (folder / "METADATA").read_text("utf-8", "replace")
    headers = HeaderParser().parsestr(text, headersonly=True)
    licence = headers.get("License-Expression") or (headers.get("License") or "").strip()
    if not licence or "\n" in licence or len(licence) > 80:
        classifiers = headers.get_all("Classifier") or []
        names = [c.split(" :: ")[-1] for c in classifiers if c.startswith("License :: ")]
        licence = "; ".join(names)
    fallback, _, version = folder.name.removesuffix(".dist-info").partition("-")
    return Distribution(
        name=headers.get("Name") or fallback,
        version=headers.get("Version") or version,
        licence=licence,
    )
