"""The microworld as a source: five domains of raw documents, an exam, labels and a teacher."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from random import Random

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.sources.microworld import benchmarks, dirt
from davinci.data_levels.sources.microworld.code_files import write_code
from davinci.data_levels.sources.microworld.exam import Exam, set_exam
from davinci.data_levels.sources.microworld.labels import label_sample
from davinci.data_levels.sources.microworld.options import (
    DEFAULT_DOCUMENTS,
    CrawlOptions,
    read_options,
)
from davinci.data_levels.sources.microworld.pages import Author, Page, filler_page
from davinci.data_levels.sources.microworld.plan import Entry, document_id, plan_crawl
from davinci.data_levels.sources.microworld.render import crawled, draw_site
from davinci.data_levels.sources.microworld.teacher import OracleTeacher
from davinci.data_levels.sources.microworld.world import World, build_world
from davinci.data_levels.sources.source import HeldOut, SourceSettings, Teacher


class Microworld:
    """A procedural world published as a dirty crawl; see the package's modules, in this order.

    `world` (ground truth), `exam` (what is withheld), `pages` and `code_files` (what authors
    write), `dirt` and `render` (what the crawl makes of it), `teacher` (L4 and L5).
    """

    name = "microworld"

    def __init__(self, settings: SourceSettings) -> None:
        """Keep the settings; the world is built on first use.

        Raises:
            ValueError: If an option is unknown or out of range, or `documents` is negative.
        """
        if settings.documents < 0:
            raise ValueError(f"`documents >= 0` must hold, but got {settings.documents}.")
        self._seed = settings.world_seed
        self._documents = settings.documents or DEFAULT_DOCUMENTS
        self._options: CrawlOptions = read_options(settings.options)

    def num_inputs(self, domain: Domain) -> int:
        """Return 1: the crawl is planned as a whole."""
        return 1

    def acquire(self, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Document]:
        """Yield the raw documents of one domain: HTML as bytes, or code files."""
        entries = self._plan(domain)
        for entry in entries:
            if domain == "code":
                yield write_code(self._world, self._exam, entry, self._options)
            else:
                yield self._crawl_page(domain, entry)

    def held_out(self) -> HeldOut:
        """Return the exam: clean texts, and one benchmark for each domain."""
        return benchmarks.held_out(self._exam, self._seed)

    def labels(self, domain: Domain, documents: list[Document]) -> Mapping[str, bool]:
        """Return an expert's verdict on half of the documents, and on 400 at the most."""
        kinds = {document_id(domain, e.number): e.kind for e in self._plan(domain)}
        return label_sample(self._seed, documents, kinds)

    def teacher(self) -> Teacher:
        """Return the rule-based stand-in for a language model."""
        return OracleTeacher()

    @property
    def world_seed(self) -> int:
        """The seed of the world that is crawled."""
        return self._seed

    @cached_property
    def _world(self) -> World:
        return build_world(self._seed)

    @cached_property
    def _exam(self) -> Exam:
        return set_exam(self._world)

    def _plan(self, domain: Domain) -> list[Entry]:
        return plan_crawl(self._seed, domain, self._documents, self._options)

    def _crawl_page(self, domain: Domain, entry: Entry) -> Document:
        rng = Random(f"site/{self._seed}/{domain}/{entry.number}")
        written = entry.number if entry.original < 0 else entry.original
        page, preformatted = self._page(domain, entry, written)
        site = draw_site(rng, preformatted=preformatted)
        if entry.kind == "near_copy":
            page = dirt.litter(page, rng)
        return crawled(page, site, rng, domain=domain, index=entry.number, path=f"p{written}")

    def _page(self, domain: Domain, entry: Entry, written: int) -> tuple[Page, bool]:
        """Return the page that was written under an index, and whether its lines are broken."""
        rng = Random(f"page/{self._seed}/{domain}/{written}")
        if entry.kind in ("foreign", "garbage", "stub"):
            return filler_page(entry.kind, rng), False
        author = Author(
            world=self._world,
            exam=self._exam,
            domain=domain,
            terse_frac=self._options.terse_frac,
            wrong=entry.kind == "wrong",
        )
        page = dirt.respell(author.write(rng), rng)
        if rng.random() < self._options.damaged_frac:
            page = dirt.damage(page, rng)
        if rng.random() < self._options.noisy_frac:
            page = dirt.litter(page, rng)
        if rng.random() < 0.15:
            return dirt.break_lines(page, rng), True
        return page, False
