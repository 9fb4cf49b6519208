"""Edits that break no rule, for `invariants.py`: documents before and after a faithful teacher.

Two bases. `microworld`: what its rule-based teacher makes of the crawl. `prose`: docstrings and
package descriptions of this Python installation; for L4 they are dirtied, and cleaning gives them
back, or their sentences put in another order; for L5 sentences that say nothing new are put in
between. Same installation, same pairs.
"""

import ast
import re
import sysconfig
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import DOMAINS, Document
from davinci.data_levels.levels.l1 import normalise
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.pylib.installation import OWN_DISTRIBUTION
from davinci.data_levels.sources.source import SourceSettings
from davinci.data_levels.tokens.pairs import format_pairs

MIN_PROSE_CHARS, MAX_PROSE_CHARS = 400, 8000
DOCSTRING_PACKAGES = ("sympy", "scipy", "networkx")
"""Beside the standard library: their docstrings hold formulas, tables and examples."""
MAX_DESCRIPTION_SHARE = 4
"""One prose text in so many is the description of a package, in Markdown."""
MISSPELT_FRAC = 0.2
"""Of the longer words of a paragraph that has such damage."""

SITE_LINES = (
    "Home | About us | Archive | Contact | Log in",
    "This site uses cookies. By going on you agree to our privacy policy.",
    "Share this page with your friends",
    "12 comments | Leave a reply",
    "Page 3 of 40",
    "\u00a9 2011 fieldbook.example, all rights reserved",
)
ASIDES = (
    "In other words, this is what was said just now.",
    "To see why, read it once more, slowly, and follow each step.",
    "This may look odd at first, but it follows from what was said.",
    "A beginner may ask why this is so; the reason is given next.",
)
_WORD = re.compile(r"\b[a-z]{8,14}\b")
_GROUPED = re.compile(r"\b\d{1,3}(?:,\d{3})+\b")
_SENTENCE_END = re.compile(r"(?<=[a-z]{2}\.)\s+(?=[A-Z])")


class Pair(NamedTuple):
    """A document as it enters a level, and as a faithful teacher leaves it."""

    before: Document
    after: Document


def microworld_pairs(num_documents: int, seed: int) -> dict[str, list[Pair]]:
    """Return the pairs of L4 and L5, from so many documents of each domain."""
    settings = SourceSettings(name="microworld", documents=num_documents, world_seed=seed)
    source = Microworld(settings)
    teacher, held_out = source.teacher(), source.held_out()
    pairs: dict[str, list[Pair]] = {"L4": [], "L5": []}
    for domain in DOMAINS:
        for raw in source.acquire(domain, 0, held_out):
            if not isinstance(raw, Document):
                continue
            before = normalise(raw)
            refined = replace(before, text=teacher.refine(before))
            if refined.text.strip():
                pairs["L4"].append(Pair(before, refined))
                pairs["L5"].append(Pair(refined, replace(refined, text=teacher.complete(refined))))
    return pairs


def prose_pairs(num_texts: int, seed: int) -> dict[str, list[Pair]]:
    """Return the pairs of L4 (cleaned or rewritten) and L5 (completed or asked about)."""
    pairs: dict[str, list[Pair]] = {"L4": [], "L4 rewrite": [], "L5": [], "L5 qa": []}
    for index, text in enumerate(islice(prose(seed), num_texts)):
        rng = Random(f"prose/{seed}/{index}")
        document = Document(id=f"prose-{index}", domain="general", text=text)
        pairs["L4"].append(Pair(replace(document, text=dirtied(text, rng)), document))
        pairs["L4 rewrite"].append(Pair(document, replace(document, text=reordered(text, rng))))
        pairs["L5"].append(Pair(document, replace(document, text=explained(text, rng))))
        asked = questions(text, rng)
        if asked:
            pairs["L5 qa"].append(Pair(document, replace(document, text=asked)))
    return pairs


def prose(seed: int) -> Iterator[str]:
    """Yield docstrings, and among them descriptions of packages, in an order of the seed's own."""
    descriptions = _fitting(_descriptions(seed))
    for index, docstring in enumerate(_fitting(_docstrings(seed))):
        if index % (MAX_DESCRIPTION_SHARE - 1) == 0:
            yield from islice(descriptions, 1)
        yield docstring


def dirtied(text: str, rng: Random) -> str:
    """Return the text as a scanner and a site leave it; undoing that is what L4 is for."""
    paragraphs = [_damaged(part, rng) if _is_prose(part) else part for part in text.split("\n\n")]
    for line in rng.sample(SITE_LINES, 3):
        paragraphs.insert(rng.randrange(len(paragraphs) + 1), line)
    if rng.random() < 0.3:
        place = rng.randrange(len(paragraphs))
        paragraphs.insert(place, paragraphs[place])
    return "\n\n".join(paragraphs)


def reordered(text: str, rng: Random) -> str:
    """Return the text with its sentences and paragraphs in another order, said once each."""

    def turned(paragraph: str) -> str:
        sentences = _SENTENCE_END.split(paragraph)
        return (
            " ".join(rng.sample(sentences, len(sentences))) if _is_prose(paragraph) else paragraph
        )

    paragraphs = [turned(part) for part in text.split("\n\n")]
    prose_places = [place for place, part in enumerate(paragraphs) if _is_prose(part)]
    moved = iter(rng.sample(prose_places, len(prose_places)))
    return "\n\n".join(
        paragraphs[next(moved)] if place in prose_places else part
        for place, part in enumerate(paragraphs)
    )


def explained(text: str, rng: Random) -> str:
    """Return the text with sentences between its own that add no fact, and some true sums."""

    def aside(match: re.Match[str]) -> str:
        left, right = rng.randint(2, 99), rng.randint(2, 99)
        sum_ = f"As a check on such sums, {left} + {right} = {left + right}."
        return f" {rng.choice((*ASIDES, sum_))} " if rng.random() < 0.5 else " "

    *paragraphs, last = text.split("\n\n")
    paragraphs = [_SENTENCE_END.sub(aside, p) if _is_prose(p) else p for p in paragraphs]
    return "\n\n".join([*paragraphs, last])


def questions(text: str, rng: Random) -> str:
    """Return questions and answers made of sentences of the text, "" where none will do."""
    found = [
        " ".join(sentence.split())
        for part in text.split("\n\n")
        if _is_prose(part)
        for sentence in _SENTENCE_END.split(part)
        if 8 <= len(sentence.split()) <= 40 and sentence.strip()[:1].isupper()
    ]
    picked = rng.sample(found, min(3, len(found)))
    asked = [(f"What holds for {' '.join(one.split()[1:5]).strip('.,:;')}?", one) for one in picked]
    number = re.search(r"(?<![\w.,-])\d{1,4}(?![\w.,-])", text)
    if number and picked:
        left = int(number.group())
        worked = f"{left} + {left} = {left + left}, so the answer is {left + left}."
        asked.append((f"What is twice {left}?", worked))
    return format_pairs(asked)


def _damaged(paragraph: str, rng: Random) -> str:
    """Return a paragraph of prose with the damage of one kind."""
    damage: tuple[Callable[[str], str], ...] = (
        lambda text: _WORD.sub(_torn("-\n", rng), text),
        lambda text: _WORD.sub(_torn(" ", rng), text),
        lambda text: text.replace(" of the ", " ofthe ").replace(" in a ", " ina "),
        lambda text: text.replace("-", "\u2010").replace("'", "\u2019"),
        lambda text: textwrap.fill(" ".join(text.split()), rng.randint(25, 50)),
        lambda text: text.replace(" ", "  "),
        lambda text: "\n\n".join(text.split("\n")),
        lambda text: _WORD.sub(_misspelt(rng), text),
    )
    paragraph = _GROUPED.sub(lambda match: match.group().replace(",", " "), paragraph)
    return rng.choice(damage)(paragraph)


def _torn(gap: str, rng: Random) -> Callable[[re.Match[str]], str]:
    def tear(match: re.Match[str]) -> str:
        place = rng.randint(2, len(match.group()) - 2)
        return match.group()[:place] + (gap if rng.random() < 0.3 else "") + match.group()[place:]

    return tear


def _misspelt(rng: Random) -> Callable[[re.Match[str]], str]:
    def misspell(match: re.Match[str]) -> str:
        place = rng.randint(1, len(match.group()) - 3)
        word = match.group()
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        return swapped if rng.random() < MISSPELT_FRAC else word

    return misspell


def _is_prose(paragraph: str) -> bool:
    """Return whether a paragraph is running text: no code, list, table, heading or formula."""
    lines = paragraph.split("\n")
    return (
        len(paragraph.split()) >= 12
        and all(line[:1].isalnum() and "  " not in line for line in lines)
        and not re.search(r"[=|`$\\<>{}~]|::|://", paragraph)
    )


def _fitting(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        text = re.sub(r"\n\s*\n", "\n\n", text.strip())
        if len(text) >= MIN_PROSE_CHARS and any(map(_is_prose, text.split("\n\n"))):
            yield "\n\n".join(_first(text.split("\n\n")))


def _first(paragraphs: list[str]) -> Iterator[str]:
    """Yield the first paragraphs, up to the longest that a text may be."""
    num_chars = 0
    for paragraph in paragraphs:
        num_chars += len(paragraph)
        if num_chars > MAX_PROSE_CHARS:
            return
        yield paragraph


def _descriptions(seed: int) -> Iterator[str]:
    others = (one for one in distributions() if one.name != OWN_DISTRIBUTION)
    for distribution in sorted(
        others, key=lambda one: hash_order(f"descriptions/{seed}", one.name)
    ):
        yield (distribution.read_text("METADATA") or "").replace("\r\n", "\n").partition("\n\n")[2]


def _docstrings(seed: int) -> Iterator[str]:
    stdlib, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    paths = [*stdlib.glob("*.py")]
    for name in DOCSTRING_PACKAGES:
        paths += (packages / name).rglob("*.py")
    for path in sorted(
        paths, key=lambda path: hash_order(f"files/{seed}", "/".join(path.parts[-3:]))
    ):
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""
