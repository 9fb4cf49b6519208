"""The content of prose pages, before a site wraps it: true, false, foreign, garbled or a stub."""

from dataclasses import dataclass
from functools import partial
from random import Random

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.microworld import phrases
from davinci.data_levels.sources.microworld.exam import Exam, draw_notes, question_draws
from davinci.data_levels.sources.microworld.exercises import (
    Draw,
    Exercise,
    draw_allowed,
    draw_chain,
    draw_derivation,
    draw_rival_chain,
    falsified,
)
from davinci.data_levels.sources.microworld.lexicon import FOREIGN, OPENINGS, SALES, STUBS, TITLES
from davinci.data_levels.sources.microworld.phrases import Paragraph
from davinci.data_levels.sources.microworld.plan import Kind
from davinci.data_levels.sources.microworld.world import Fact, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page's author wrote: a title and paragraphs, no boilerplate yet."""

    title: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes the pages of one domain; a wrong author turns every answer false.

    Attributes:
        terse_frac: Share of the paragraphs that skip their steps.
    """

    world: World
    exam: Exam
    domain: Domain
    terse_frac: float
    wrong: bool = False

    def write(self, rng: Random) -> Page:
        """Return one page with an opening and two to seven paragraphs."""
        title = f"{rng.choice(TITLES[self.domain])} {rng.randint(1, 99)}"
        opening = rng.choice(OPENINGS[self.domain])
        body = self._notes(rng) if self.domain == "general" else self._exercises(rng)
        paragraphs = [(opening,), *body]
        if self.wrong and rng.random() < 0.85:
            for pitch in rng.sample(SALES, rng.randint(1, 3)):
                paragraphs.insert(rng.randrange(len(paragraphs) + 1), (pitch,))
        return Page(title=title, paragraphs=tuple(paragraphs))

    def _notes(self, rng: Random) -> list[Paragraph]:
        """Return notes on towns, none named by two of them: no run of facts spans two notes."""
        paragraphs: list[Paragraph] = []
        named: set[str] = set()
        num_notes = rng.randint(3, 5)
        with_rival = rng.random() < 0.5
        while len(paragraphs) < num_notes + with_rival:
            write = self._note if len(paragraphs) < num_notes else self._rival_note
            note = write(rng)
            towns = {word.strip(".,:") for line in note for word in line.split()}
            towns &= set(self.world.towns)
            if named.isdisjoint(towns):
                named |= towns
                paragraphs.append(note)
        return paragraphs

    def _note(self, rng: Random) -> Paragraph:
        facts = [self._told(f, rng) for f in draw_notes(self.world, rng, self.exam.withheld)]
        terse = rng.random() < self.terse_frac
        return phrases.shorthand(facts) if terse else phrases.prose(facts)

    def _rival_note(self, rng: Random) -> Paragraph:
        """Return what follows from a rival, with its two facts or as an expert notes it."""
        chain = self._exercise(partial(draw_rival_chain, self.world), rng)
        return phrases.rival_note(chain, worked=rng.random() >= self.terse_frac)

    def _told(self, fact: Fact, rng: Random) -> Fact:
        if not self.wrong or rng.random() < 0.2:
            return fact
        others = [v for v in self.world.values[fact.attribute] if v not in (fact.value, fact.town)]
        return fact._replace(value=rng.choice(others))

    def _exercises(self, rng: Random) -> list[Paragraph]:
        drawn = [self._exercise(self._draw(rng), rng) for _ in range(rng.randint(2, 6))]
        layout = phrases.question_and_answer if self.domain == "qa" else phrases.exercise
        paragraphs = [layout(one, worked=rng.random() >= self.terse_frac) for one in drawn]
        laws = [law for one in drawn for law in one.laws]
        if laws and rng.random() < 0.75:
            paragraphs.insert(0, phrases.statement_of_laws(laws))
        return paragraphs

    def _draw(self, rng: Random) -> Draw:
        if self.domain == "math":
            return draw_chain
        if self.domain == "science":
            return partial(draw_derivation, self.world)
        draws = question_draws(self.world)
        return draws[rng.choices(list(draws), (4, 1, 3, 2, 2))[0]]

    def _exercise(self, draw: Draw, rng: Random) -> Exercise:
        exercise = draw_allowed(draw, rng, self.exam.withheld.allows)
        return falsified(exercise, rng) if self.wrong else exercise


def filler_page(kind: Kind, rng: Random) -> Page:
    """Return a page without content of the world: in a foreign language, garbled, or a stub."""
    if kind == "foreign":
        language = rng.choice(sorted(FOREIGN))
        lines = rng.sample(FOREIGN[language], 5)
        return Page(title=lines[0].rstrip("."), paragraphs=tuple((line,) for line in lines[1:]))
    if kind == "stub":
        return Page(title=rng.choice(STUBS), paragraphs=((rng.choice(STUBS),),))
    writer = rng.choice((_random_letters, _keyword_stuffing, _symbol_soup))
    return Page(title="index", paragraphs=tuple(writer(rng) for _ in range(rng.randint(3, 6))))


def _random_letters(rng: Random) -> Paragraph:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789+/="
    return tuple("".join(rng.choices(letters, k=rng.randint(30, 60))) for _ in range(3))


def _keyword_stuffing(rng: Random) -> Paragraph:
    words = ["cheap", "best", "top", "free", "deals", "online", "now", "price", "shop"]
    return (" ".join(rng.sample(words, 3) * 8),)


def _symbol_soup(rng: Random) -> Paragraph:
    return tuple("".join(rng.choices("�¤§¶@#%&*~^|<>{}[] ", k=40)) for _ in range(3))
