"""Published sets of rules for prose, as datatrove has them, with its limits.

    gopher_quality      length, word length, symbols, bullets, ellipses, letters, stop words
    gopher_repetition   repeated lines, paragraphs and runs of words
    c4                  lorem ipsum, curly brackets, too few sentences in proper lines
    fineweb             lines without punctuation, short lines, repeated lines, lists

C4 also removes lines, and citations within lines. L2 may not edit, so only the verdict on the whole
page is taken, which is that on the lines it would keep.

Source: Gopher: Rae et al. 2021, Section A.1.1 and Table A1. C4: Raffel et al. 2020, Section 2.2,
without its list of bad words. FineWeb: Penedo et al. 2024, with the limits of its released code.
"""

from functools import lru_cache

from datatrove.data import Document as TroveDocument
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter, get_filter_result

from davinci.data_levels.levels.selection.word_tokenizer import ENGLISH

_FILTERS: dict[str, type[BaseFilter]] = {
    "gopher_quality": GopherQualityFilter,
    "gopher_repetition": GopherRepetitionFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}
PUBLISHED = tuple(_FILTERS)

_RUNS = {f"top_{n}_gram": f"top_{n}_gram" for n in (2, 3, 4)} | {
    f"duplicated_{n}_n_grams": f"repeated_{n}_grams" for n in range(5, 11)
}
_REASONS: dict[str, dict[str, str]] = {
    "gopher_quality": {
        "gopher_short_doc": "too_few_words",
        "gopher_long_doc": "too_many_words",
        "gopher_below_avg_threshold": "words_too_short",
        "gopher_above_avg_threshold": "words_too_long",
        "gopher_too_many_hashes": "too_many_hashes",
        "gopher_too_many_ellipsis": "too_many_ellipses",
        "gopher_too_many_bullets": "too_many_bullet_lines",
        "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines",
        "gopher_below_alpha_threshold": "too_few_words_with_letters",
        "gopher_enough_stop_words": "too_few_stop_words",
    },
    "gopher_repetition": {
        "dup_para_frac": "repeated_paragraphs",
        "dup_para_char_frac": "repeated_paragraph_chars",
        "dup_line_frac": "repeated_lines",
        "dup_line_char_frac": "repeated_line_chars",
        **_RUNS,
    },
    "c4": {},
    "fineweb": {
        "line_punct_ratio": "too_few_lines_end_in_punctuation",
        "short_line_ratio": "too_many_short_lines",
        "char_dup_ratio": "repeated_line_chars",
        "list_ratio": "too_many_line_breaks",
    },
}
"""What datatrove's names mean; the others say it themselves."""


@lru_cache(maxsize=len(PUBLISHED))
def _filter(name: str) -> BaseFilter:
    return _FILTERS[name](language=ENGLISH)


def published_rule_broken(text: str, name: str) -> str:
    """Return why a published set of rules drops a text, as `<set>_<rule>`; "" if it keeps it."""
    copy = TroveDocument(text=text, id="")
    keeps, reason = get_filter_result(_filter(name).filter(copy))
    if keeps:
        return ""
    family = name.removesuffix("_quality").removesuffix("_repetition")
    return f"{family}_{_REASONS[name].get(reason, reason)}"
