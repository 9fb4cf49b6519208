"""L9, world synthesis (experimental: the papers describe this level but did not build it).

A generator writes about a world of its own: one page for every document that comes in, of which
nothing but the id is used, as seed. Every page is checked against the world's own laws. Which
generators there are: `worlds`.
"""

from dataclasses import asdict, replace
from functools import partial

from davinci.data_levels.document import Document
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import Edit, LevelContext, Prepared, with_text
from davinci.data_levels.settings import WorldSettings
from davinci.data_levels.worlds import open_world

NOTE = (
    "Every text was written anew, about the world {name}; of the documents that came in, the ids "
    "alone were used."
)


def prepare(context: LevelContext) -> Prepared:
    """Return the one operator of L9, and the check of its pages.

    Raises:
        ValueError: If there is no such generator.
    """
    settings = world_of(context)
    name = open_world(settings).name
    operator = Edit(
        name="write_world",
        version=LEVEL_VERSIONS["L9"],
        edit=partial(write_page, settings),
        parameters=asdict(settings),
    )
    return Prepared(
        operators=(operator,),
        checks={"internal_consistency": partial(broken_laws, settings)},
        notes=lambda counts: (NOTE.format(name=name),),
    )


def world_of(context: LevelContext) -> WorldSettings:
    """Return which world is written about.

    Where the source is a crawl of the same kind of world, it is the source's own world: what its
    exam withholds is then withheld here, too.
    """
    settings = context.settings.world
    seed = getattr(context.source, "world_seed", None)
    if context.source.name == settings.generator and isinstance(seed, int):
        return replace(settings, seed=seed)
    return settings


def write_page(settings: WorldSettings, document: Document) -> Document:
    """Return the world's page for the document's id."""
    world = open_world(settings)
    text = world.write(document.domain, document.id)
    form = "code" if document.domain == "code" else "text"
    return with_text(document, text, world=world.name, format=form)


def broken_laws(settings: WorldSettings, before: Document, after: Document) -> str:
    """Return evidence that a page breaks the laws of its world, or ""."""
    return open_world(settings).violations(after)
