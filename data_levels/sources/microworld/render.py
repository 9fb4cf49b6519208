"""From a written page to a crawled one: a site's HTML around it, then bytes in some encoding."""

from html import escape
from random import Random
from typing import NamedTuple

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.sources.microworld.lexicon import COOKIES, LICENCES, MENUS, SIDEBARS
from davinci.data_levels.sources.microworld.pages import Page
from davinci.data_levels.sources.microworld.phrases import text_of
from davinci.data_levels.sources.microworld.plan import document_id

_HOSTS = "valleynotes oldmill learnhere towncrier openlessons askaround quietpages fieldbook"
_TLDS = ("example", "test", "invalid")


class Site(NamedTuple):
    """Who publishes a page. Tidy sites mark their menus as such; others use plain blocks."""

    host: str
    tidy: bool
    preformatted: bool
    licence: str


def draw_site(rng: Random, *, preformatted: bool = False) -> Site:
    """Return a random site."""
    host = f"{rng.choice(_HOSTS.split())}{rng.randint(1, 30)}.{rng.choice(_TLDS)}"
    return Site(host, rng.random() < 0.7, preformatted, rng.choice(LICENCES))


def render(page: Page, site: Site, rng: Random) -> str:
    """Return the page as the site's HTML."""
    head = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(page.title)} | {site.host}</title>"
        "<style>body{font-family:serif}.ad{color:red}</style>"
        "<script>window.stats=window.stats||[];stats.push('view');</script></head><body>"
    )
    menu = " ".join(f'<a href="/{name[:4].lower()}">{name}</a>' for name in rng.sample(MENUS, 5))
    body = _body(page, site)
    cookies, footer = rng.choice(COOKIES), f"\u00a9 {rng.randint(1998, 2024)} {site.host}"
    if site.tidy:
        side = "".join(f"<li>{name}</li>" for name in rng.sample(SIDEBARS, 3))
        return (
            f'{head}<div class="cookie-banner">{cookies}</div><nav>{menu}</nav>\n'
            f"<main><article><h1>{escape(page.title)}</h1>\n{body}</article></main>\n"
            f'<aside class="sidebar"><ul>{side}</ul></aside><footer>{footer}</footer></body></html>'
        )
    return (
        f"{head}<table><tr><td>{menu}</td></tr></table>\n<h2>{escape(page.title)}</h2>\n"
        f"<div>{body}</div>\n<div>{cookies}</div><center>{footer}</center></body></html>"
    )


def crawled(
    page: Page, site: Site, rng: Random, *, domain: Domain, index: int, path: str
) -> Document:
    """Return the raw document: the site's HTML as damaged bytes, with its provenance."""
    return Document(
        id=document_id(domain, index),
        domain=domain,
        text=_encode(render(page, site, rng), rng).decode("latin-1"),
        meta={
            "source": "microworld",
            "url": f"http://{site.host}/{domain}/{path}.html",
            "licence": site.licence,
            "format": "html",
            "encoding": "bytes",
        },
    )


def _body(page: Page, site: Site) -> str:
    if site.preformatted:
        return f"<pre>{escape(text_of(page.paragraphs))}</pre>"
    blocks = ("<br>".join(escape(line) for line in lines) for lines in page.paragraphs)
    return "\n".join(f"<p>{block}</p>" for block in blocks)


def _encode(html: str, rng: Random) -> bytes:
    """Return the bytes a server sends: sound UTF-8, mojibake, or another charset than declared."""
    fate = rng.random()
    if fate < 0.75:
        return html.encode("utf-8")
    if fate < 0.9:
        # UTF-8 bytes once read as cp1252 and saved again: the common mojibake.
        return html.encode("utf-8").decode("cp1252", "replace").encode("utf-8")
    return html.encode("cp1252", "replace")
