"""The microworld as a generator of worlds' pages (L9): true, clean, with every step spelled out.

It writes as the crawl's own authors do, and asks the same exam what must not be told. What it
writes is checked line by line against the ground truth, from the text alone (`consistency`).
"""

from functools import cached_property
from random import Random

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.sources.microworld.consistency import find_falsehood
from davinci.data_levels.sources.microworld.exam import Exam, set_exam
from davinci.data_levels.sources.microworld.functions import draw_function
from davinci.data_levels.sources.microworld.pages import Author
from davinci.data_levels.sources.microworld.phrases import text_of
from davinci.data_levels.sources.microworld.world import World, build_world

FUNCTIONS = (3, 6)
"""Functions of one module, at least and at most, as in the crawl."""


class MicroworldGenerator:
    """Writes one page of a seeded microworld for every id."""

    def __init__(self, seed: int) -> None:
        """Take the world's seed; the world is built on first use."""
        self.name = f"microworld/{seed}"
        self._seed = seed

    def write(self, domain: Domain, seed_id: str) -> str:
        """Return a page, or a module of functions, in worked style."""
        rng = Random(f"generator/{self._seed}/{domain}/{seed_id}")
        if domain == "code":
            return self._module(rng)
        author = Author(world=self._world, exam=self._exam, domain=domain, terse_frac=0.0)
        page = author.write(rng)
        return text_of([(page.title,), *page.paragraphs])

    def _module(self, rng: Random) -> str:
        allows = self._exam.withheld.allows_function
        count = rng.randint(*FUNCTIONS)
        functions = [draw_function(self._world, rng, allows) for _ in range(count)]
        return "\n\n".join(dict.fromkeys(function.worked() for function in functions))

    def violations(self, document: Document) -> str:
        """Return the first line that is not what this world's truth and laws give, or ""."""
        return find_falsehood(self._world, document.domain, document.text)

    @cached_property
    def _world(self) -> World:
        return build_world(self._seed)

    @cached_property
    def _exam(self) -> Exam:
        return set_exam(self._world)
