"""Worlds that can be written about without end (L9, experimental), opened by name.

A world holds its own laws, so that every page about it can be checked. The microworld is the first;
another one is a class with these three members and a line in `WORLDS`.
"""

from collections.abc import Callable
from functools import cache
from typing import Protocol

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.settings import WorldSettings, check_choice


class World(Protocol):
    """A generator of documents about one world, each a pure function of the world and an id."""

    name: str

    def write(self, domain: Domain, seed_id: str) -> str:
        """Return the page that this world has for an id; it repeats no held-out text."""

    def violations(self, document: Document) -> str:
        """Return evidence that a page breaks the world's own laws, or "" if it breaks none."""


def _open_microworld(settings: WorldSettings) -> World:
    from davinci.data_levels.sources.microworld.generator import MicroworldGenerator

    return MicroworldGenerator(settings.seed)


WORLDS: dict[str, Callable[[WorldSettings], World]] = {"microworld": _open_microworld}


@cache
def open_world(settings: WorldSettings) -> World:
    """Return the world that the settings name, built once in each process.

    Raises:
        ValueError: If there is no such world.
    """
    check_choice("data.world.generator", settings.generator, tuple(WORLDS))
    return WORLDS[settings.generator](settings)
