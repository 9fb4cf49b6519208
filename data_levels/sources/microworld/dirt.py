"""What happens to a good text on its way to a page: odd notation, damage, noise, broken lines."""

import re
from collections.abc import Callable
from random import Random

from davinci.data_levels.sources.microworld.lexicon import SITE_LINES
from davinci.data_levels.sources.microworld.pages import Page
from davinci.data_levels.sources.microworld.phrases import Paragraph

DAMAGE_MARKS = "\ufffd#_"
"""What stands where a letter or digit could not be read."""

_SIGN = re.compile(r"(?<=[\w)])[-+*=](?=[\w(])")
_WORDS = {"+": "plus", "-": "minus", "*": "times", "=": "equals"}
_TYPOGRAPHIC = {"-": "\u2212", "*": "\u00d7"}


def respell(page: Page, rng: Random) -> Page:
    """Return the page in its site's notation: `3+4`, `3 + 4`, `3 plus 4`, or typographic signs."""
    style = rng.choices(("plain", "spaced", "words", "typographic"), (40, 20, 20, 20))[0]

    def spell(match: re.Match[str]) -> str:
        sign = match.group()
        if style == "typographic":
            return _TYPOGRAPHIC.get(sign, sign)
        return f" {_WORDS[sign] if style == 'words' else sign} "

    return page if style == "plain" else _with_lines(page, lambda line: _SIGN.sub(spell, line))


def damage(page: Page, rng: Random) -> Page:
    """Return the page cut off in its last paragraph, or with unreadable characters, or both."""
    paragraphs = list(page.paragraphs)
    fate = rng.random()
    if fate < 0.6:
        paragraphs[-1] = _cut(paragraphs[-1], rng)
    if fate > 0.4:
        for index in rng.sample(range(1, len(paragraphs)), k=min(2, len(paragraphs) - 1)):
            paragraphs[index] = _smudge(paragraphs[index], rng)
    return Page(title=page.title, paragraphs=tuple(paragraphs))


def litter(page: Page, rng: Random) -> Page:
    """Return the page with one to four lines of the site amid its paragraphs."""
    paragraphs = list(page.paragraphs)
    for line in rng.sample(SITE_LINES, rng.randint(1, 4)):
        paragraphs.insert(rng.randrange(len(paragraphs) + 1), (line,))
    return Page(title=page.title, paragraphs=tuple(paragraphs))


def break_lines(page: Page, rng: Random) -> Page:
    """Return the page with its long lines broken at a column, as old mail programs do."""
    width = rng.randint(24, 40)
    paragraphs = [
        tuple(part for line in lines for part in _wrap(line, width)) for lines in page.paragraphs
    ]
    return Page(title=page.title, paragraphs=tuple(paragraphs))


def _with_lines(page: Page, change: Callable[[str], str]) -> Page:
    paragraphs = tuple(tuple(change(line) for line in lines) for lines in page.paragraphs)
    return Page(title=page.title, paragraphs=paragraphs)


def _cut(lines: Paragraph, rng: Random) -> Paragraph:
    text = "\n".join(lines)
    end = rng.choice(("", "...", " [more]"))
    return tuple((text[: rng.randint(len(text) // 4, len(text) - 2)] + end).split("\n"))


def _smudge(lines: Paragraph, rng: Random) -> Paragraph:
    """Return a paragraph with one character of a digit or, without digits, a letter unreadable."""
    text = "\n".join(lines)
    places = [m.start() for m in re.finditer(r"\d", text)]
    places = places or [m.start() for m in re.finditer(r"[a-z]", text)]
    if not places:
        return lines
    place = rng.choice(places)
    return tuple((text[:place] + rng.choice(DAMAGE_MARKS) + text[place + 1 :]).split("\n"))


def _wrap(line: str, width: int) -> list[str]:
    parts = [""]
    for word in line.split(" "):
        if parts[-1] and len(parts[-1]) + 1 + len(word) > width:
            parts.append(word)
        else:
            parts[-1] = f"{parts[-1]} {word}".lstrip()
    return parts
