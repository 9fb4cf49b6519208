"""The sources by name: opened lazily, checked cheaply before any work."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from davinci.data_levels.chain import LEVELS, depth_of
from davinci.data_levels.document import DOMAINS, Domain
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.source import Source, SourceSettings


def _open_microworld(settings: SourceSettings) -> Source:
    from davinci.data_levels.sources.microworld.source import Microworld

    return Microworld(settings)


def _open_pylib(settings: SourceSettings) -> Source:
    from davinci.data_levels.sources.pylib.source import Pylib

    return Pylib(settings)


def _open_files(settings: SourceSettings) -> Source:
    from davinci.data_levels.sources.files import Files

    return Files(settings)


def _open_pool(settings: SourceSettings) -> Source:
    from davinci.data_levels.sources.pool.source import Pool

    return Pool(settings)


SOURCES: dict[str, Callable[[SourceSettings], Source]] = {
    "microworld": _open_microworld,
    "pylib": _open_pylib,
    "files": _open_files,
    "davinci": _open_pool,
}

WITH_TEACHER = ("microworld",)
"""The sources with a teacher of their own for L4 and L5."""

SOURCE_VERSIONS: dict[str, int] = {"microworld": 2, "pylib": 2, "files": 2, "davinci": 1}
"""Raised whenever a source would give other documents or held-out items for the same settings."""

WITH_ITEMS = ("microworld",)
"""The sources that hold out items for the protocols `ppl` and `generative`, beside text."""

WITH_WORLDS = ("microworld",)
"""The sources of which another world seed makes another corpus."""


def open_source(settings: SourceSettings) -> Source:
    """Return the source that the settings name.

    Raises:
        ValueError: If the name is unknown, or the source's own settings are wrong.
    """
    check_source(settings)
    return SOURCES[settings.name](settings)


def reachable_levels(settings: SourceSettings, levels: LevelSettings) -> tuple[str, ...]:
    """Return the levels that the source's documents can be brought to with these settings.

    L4 to L8 need somebody to write: an endpoint, or for L4 and L5 the source's own teacher; L7 can
    also make do with a document's own examples.

    Raises:
        ValueError: If the source's name is unknown.
    """
    _check_name(settings)
    if levels.teacher.kind == "endpoint":
        return LEVELS
    written = ("L4", "L5") if settings.name in WITH_TEACHER else ()
    by_example = ("L7",) if levels.environment.maker == "doctest" else ()
    return (*LEVELS[:4], *written, *by_example, "L9")


def check_source(settings: SourceSettings) -> None:
    """Raise what is wrong with the settings, before any document is read; imports nothing heavy.

    Raises:
        ValueError: If the name is unknown, an option is unknown or wrong, or a file is missing.
    """
    _check_name(settings)
    if settings.documents < 0:
        raise ValueError(f"`data.documents >= 0` must hold, but got {settings.documents}.")
    if settings.name == "files":
        from davinci.data_levels.sources.files import check_options

        check_options(settings.options)
    elif settings.name == "davinci":
        from davinci.data_levels.sources.pool.options import check_options as check_pool

        check_pool(settings.options)
    elif settings.name == "microworld":
        from davinci.data_levels.sources.microworld.options import read_options

        read_options(settings.options)
    elif settings.options:
        raise ValueError(f"{settings.name!r} has no options, but got {sorted(settings.options)}.")


def available_domains(settings: SourceSettings) -> tuple[Domain, ...]:
    """Return the domains that the source can have documents of; reads no document.

    Raises:
        ValueError: As `check_source`.
    """
    check_source(settings)
    if settings.name == "files":
        from davinci.data_levels.sources.files import domains_of

        return domains_of(settings.options)
    if settings.name == "davinci":
        from davinci.data_levels.sources.pool.options import domains_of as pool_domains

        return pool_domains(settings.options)
    return DOMAINS


def narrowed(settings: SourceSettings, level: str) -> SourceSettings:
    """Return the source as a corpus needs it that is to reach a level.

    The paper's pool has datasets of all levels: which of them serve depends on the level.
    """
    if settings.name != "davinci":
        return settings
    return replace(settings, options={**settings.options, "level": depth_of(level)})


def keeps_published(settings: SourceSettings) -> bool:
    """Return whether every document has the level already that its domain is asked for.

    So it is with the paper's pool, unless what lies below is to be processed: no rung of the ladder
    has anything to do then, and nobody needs to write.
    """
    return settings.name == "davinci" and settings.options.get("below", "keep") == "keep"


def source_identity(settings: SourceSettings, domain: Domain | None = None) -> dict[str, Any]:
    """Return plain data that determines the source's documents, for the digest of what it gives.

    With a domain, only what determines that domain's documents need be in it.

    Beyond the settings it holds the source's version, and what the settings point to: the content
    of the user's files, or the distributions of this Python installation with their versions. A
    user's files are known by their content, so that the same files in another folder are the same
    source. The world's seed counts for the microworld alone: all worlds share the other sources'
    documents.

    Raises:
        ValueError: As `check_source`.
    """
    check_source(settings)
    identity: dict[str, Any] = {
        "name": settings.name,
        "version": SOURCE_VERSIONS[settings.name],
        "documents": settings.documents,
        "options": dict(settings.options),
    }
    if settings.name == "microworld":
        identity["world_seed"] = settings.world_seed
    if settings.name == "files":
        from davinci.data_levels.sources.files import content_identity

        identity["options"].pop("path", None)
        identity["content"] = content_identity(settings.options)
    if settings.name == "davinci":
        from davinci.data_levels.sources.pool.options import content_identity as pool_identity

        identity["options"].pop("path", None)
        identity["content"] = pool_identity(settings.options, domain)
    if settings.name == "pylib":
        from davinci.data_levels.sources.pylib.installation import installation_identity

        identity["content"] = installation_identity()
    return identity


def _check_name(settings: SourceSettings) -> None:
    if settings.name not in SOURCES:
        known = ", ".join(SOURCES)
        raise ValueError(f"No data source {settings.name!r} (`data.source.name`); known: {known}.")
