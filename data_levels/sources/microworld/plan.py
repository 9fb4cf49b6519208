"""What each raw document of the crawl is: decided before anything is written, so labels can ask.

A document's kind and its random numbers depend on the world's seed, the domain and its index
alone, so that a document can be written without writing those before it.
"""

from random import Random
from typing import Literal, NamedTuple

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.microworld.options import CrawlOptions

Kind = Literal["good", "wrong", "mirror", "near_copy", "foreign", "garbage", "stub"]

_FRACS: dict[Kind, float] = {
    "mirror": 0.06,
    "near_copy": 0.07,
    "foreign": 0.05,
    "garbage": 0.06,
    "stub": 0.05,
}


class Entry(NamedTuple):
    """One document to be written: its kind, and the document it copies (-1: none)."""

    number: int
    kind: Kind
    original: int = -1


def plan_crawl(seed: int, domain: Domain, documents: int, options: CrawlOptions) -> list[Entry]:
    """Return the entries of one domain in crawl order; copies point at earlier good pages."""
    rng = Random(f"plan/{seed}/{domain}")
    fracs = {**_FRACS, "wrong": options.wrong_frac}
    kinds: list[Kind] = ["good", *fracs]
    weights = [1 - sum(fracs.values()), *fracs.values()]
    entries: list[Entry] = []
    good: list[int] = []
    for index in range(documents):
        kind = rng.choices(kinds, weights)[0]
        original = -1
        if kind in ("mirror", "near_copy"):
            if good:
                original = rng.choice(good)
            else:
                kind = "good"
        if kind == "good":
            good.append(index)
        entries.append(Entry(index, kind, original))
    return entries


def document_id(domain: Domain, index: int) -> str:
    """Return the stable id of a document."""
    return f"microworld-{domain}-{index:05d}"


def is_worth_keeping(kind: Kind) -> bool:
    """Return an expert's verdict on a page of this kind: true and readable, whoever copied it."""
    return kind in ("good", "mirror", "near_copy")
