"""The microworld's own settings: how much of its crawl is worth what."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

DEFAULT_DOCUMENTS = 2000
"""Raw documents of each domain where `SourceSettings.documents` is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlOptions:
    """Shares of the crawl, each in [0, 1].

    Attributes:
        terse_frac: Paragraphs whose expert author skips the steps.
        wrong_frac: Pages that say what is false; most of them want to sell something.
        damaged_frac: Good pages that are cut off, or with unreadable letters and digits.
        noisy_frac: Good pages with lines of the site amid the content.
    """

    terse_frac: float = 0.65
    wrong_frac: float = 0.16
    damaged_frac: float = 0.35
    noisy_frac: float = 0.6


def read_options(options: Mapping[str, Any]) -> CrawlOptions:
    """Return the typed options.

    Raises:
        ValueError: If an option is unknown or outside [0, 1]. `wrong_frac` may not exceed 0.5.
    """
    known = [field.name for field in fields(CrawlOptions)]
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"No microworld option {name!r}; known: {', '.join(known)}.")
        high = 0.5 if name == "wrong_frac" else 1.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
            raise ValueError(f"`0 <= {name} <= {high:g}` must hold, but got {value!r}.")
    return CrawlOptions(**{name: float(value) for name, value in options.items()})
