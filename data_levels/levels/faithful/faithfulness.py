"""Invariants of L4, L5 and L6: did a teacher stay with the document that it wrote anew?

Each check is given a document as it entered a level and as it leaves, and returns the evidence of
a violation, or "". They read no meaning: what they miss, such as a negation or two swapped numbers,
and how often, is measured by `benchmarks/invariants.py`.

Source: the rules are those of Data Darwinism I, Section 4; the limits that are not settings are
ours, set so that faithful edits pass in that benchmark.
"""

from functools import partial

from davinci.data_levels.document import Document
from davinci.data_levels.levels.faithful import completeness as whole
from davinci.data_levels.levels.faithful import evidence, grounding, notation, residue, wording
from davinci.data_levels.levels.faithful.completeness import (
    code_missing,
    code_of,
    formulas_missing,
    is_code,
    shortened,
    told,
)
from davinci.data_levels.levels.operator import Check
from davinci.data_levels.settings import CompletionSettings, ContextSettings, RefinementSettings

MAX_EXTRA_CHARS = 40
"""A short text may grow by so much beyond any ratio: a full stop, a line break."""
MAX_NOVEL_SENTENCE_FRAC = 0.5
MIN_NOVEL_SENTENCE_WORDS = 4
"""A sentence with at least so many novel content words, and a larger share, was added: the limit
for the whole text would let it pass in a long document."""
REWRITE_NOVEL_FACTOR = 3.0
"""Rewriting turns sentences around: so many times the novel words are allowed."""
REWRITE_LENGTH_RATIOS = (0.5, 1.5)
"""Rewriting aims at about equal length."""
MAX_PROTECTED_LOSS_FRAC = 0.5
"""Share of the formulas, lines of code, table rows, labels or citations that cleaning may delete
with the noise around them."""
MAX_PROTECTED_LOSS = 3
"""So many may go in any case."""
MIN_COMPLETED_RATIO = 0.8
"""Characters of a completed text over those of its source, at least."""


def refinement_checks(settings: RefinementSettings) -> dict[str, Check]:
    """Return what must hold of an L4 document, by name."""
    rewrites = settings.mode == "rewrite"
    factor = REWRITE_NOVEL_FACTOR if rewrites else 1.0
    lengths = (settings.min_length_ratio, settings.max_length_ratio)
    shortest, longest = REWRITE_LENGTH_RATIOS if rewrites else lengths
    verbatim: dict[str, Check] = {
        "adds_no_sentences": adds_no_sentences,
        "adds_no_negations": adds_no_negations,
    }
    return {
        "adds_no_numbers": partial(adds_no_numbers, repeats=rewrites),
        "adds_no_formulas": adds_no_formulas,
        "adds_no_code": adds_no_code,
        "adds_no_entities": adds_no_entities,
        "adds_no_words": partial(
            adds_no_words,
            max_frac=min(1.0, factor * settings.max_novel_frac),
            max_sentence_frac=min(0.9, factor * MAX_NOVEL_SENTENCE_FRAC),
        ),
        **({} if rewrites else verbatim),
        "length_within_bounds": partial(length_within_bounds, shortest=shortest, longest=longest),
        "no_chat_residue": no_chat_residue,
        "keeps_protected": keeps_protected,
    }


def completion_checks(settings: CompletionSettings) -> dict[str, Check]:
    """Return what must hold of an L5 document, by name; questions and answers have their own."""
    if settings.task == "qa":
        return {
            "has_pairs": grounding.has_pairs,
            "answers_grounded": grounding.answers_grounded,
            "questions_stand_alone": grounding.questions_stand_alone,
            "contradicts_no_equation": whole.contradicts_no_equation,
            "no_chat_residue": no_chat_residue,
        }
    return {
        "keeps_numbers": whole.keeps_numbers,
        "keeps_formulas": whole.keeps_formulas,
        "keeps_code": whole.keeps_code,
        "keeps_headings": whole.keeps_headings,
        "keeps_sentences": whole.keeps_sentences,
        "begins_where_source_begins": whole.begins_where_source_begins,
        "ends_where_source_ends": whole.ends_where_source_ends,
        "not_shortened": partial(length_within_bounds, shortest=MIN_COMPLETED_RATIO, longest=None),
        "contradicts_no_equation": whole.contradicts_no_equation,
        "self_contained": whole.self_contained,
        "no_chat_residue": no_chat_residue,
    }


def context_checks(settings: ContextSettings) -> dict[str, Check]:
    """Return what must hold of an L6 document, citations aside, by name."""
    return {
        "added_within_limit": partial(added_within_limit, max_frac=settings.max_added_frac),
        "keeps_numbers": whole.keeps_numbers,
        "no_chat_residue": no_chat_residue,
    }


def added_within_limit(before: Document, after: Document, *, max_frac: float) -> str:
    """Check that the document did not grow by more than its share."""
    added = len(after.text) - len(before.text)
    if added <= max_frac * len(before.text):
        return ""
    return f"{added} characters were added to {len(before.text)}"


def adds_no_numbers(before: Document, after: Document, *, repeats: bool) -> str:
    """Return a number that was added; unless `repeats`, no number may stand there more often."""
    new = evidence.new_numbers(before.text, after.text, repeats=repeats)
    return told("adds the number", next(iter(new), None))


def adds_no_formulas(before: Document, after: Document) -> str:
    """Return a formula that was added; code is not looked at."""
    new = [] if is_code(before) else formulas_missing(notation.formulas(after.text), before)
    return told("adds the formula", next(iter(new), None))


def adds_no_code(before: Document, after: Document) -> str:
    """Return a line of code that was added, spacing and needless brackets aside."""
    return told("adds the code", next(iter(code_missing(code_of(after), before)), None))


def adds_no_entities(before: Document, after: Document) -> str:
    """Return a name or an acronym that was added."""
    return told("adds the name", evidence.new_name(before.text, after.text))


def adds_no_words(
    before: Document, after: Document, *, max_frac: float, max_sentence_frac: float
) -> str:
    """Return the share of novel content words where it is too large, or a sentence of such."""
    frac = evidence.novel_frac(before.text, after.text)
    if frac > max_frac:
        words = sorted(evidence.novel_words(before.text, after.text), key=lambda w: (-len(w), w))
        return f"{frac:.0%} of the content words are new, such as {', '.join(words[:3])}"
    sentence = evidence.new_sentence(
        before.text, after.text, max_frac=max_sentence_frac, min_words=MIN_NOVEL_SENTENCE_WORDS
    )
    return told("adds the sentence", sentence)


def adds_no_sentences(before: Document, after: Document) -> str:
    """Return a sentence that was added, though it may be made of the source's own words."""
    return told("adds the sentence", wording.added_sentence(before.text, after.text))


def adds_no_negations(before: Document, after: Document) -> str:
    """Return a negation that was added."""
    return told("adds the negation", wording.added_negation(before.text, after.text))


def length_within_bounds(
    before: Document, after: Document, *, shortest: float | None, longest: float | None
) -> str:
    """Return both lengths where the ratio is out of bounds.

    White space in a row counts as one character; a short text has some slack to grow.
    """
    old, new = (len(" ".join(document.text.split())) for document in (before, after))
    too_short = shortest is not None and new < shortest * old
    too_long = longest is not None and new > longest * old + MAX_EXTRA_CHARS
    return f"{old} characters became {new}" if too_short or too_long else ""


def no_chat_residue(before: Document, after: Document) -> str:
    """Return talk of a task, or a tag or a sentence of a prompt, that was left in the text."""
    return told("talks of its task:", residue.new_chat(before.text, after.text))


def keeps_protected(before: Document, after: Document) -> str:
    """Return how many of what cleaning should leave are gone, if too many are.

    Protected are formulas in LaTeX, lines of code in prose, rows of tables, labels such as
    `Exercise 3`, and citations within sentences. Few may go, and repetitions.
    """
    if is_code(before):
        return ""
    rest, letters = "".join(after.text.split()), notation.letters(after.text)
    formulas, code = notation.latex_formulas(before.text), dict.fromkeys(code_of(before))
    rows, labels, citations = (
        dict.fromkeys(find(before.text))
        for find in (notation.table_rows, notation.labels, notation.citations)
    )
    labels_left = set(notation.labels(after.text))
    losses = {
        "formulas": (len(formulas), formulas_missing(formulas, after)),
        "lines of code": (len(code), code_missing(code, after)),
        "table rows": (len(rows), [row for row in rows if notation.letters(row) not in letters]),
        "labels": (len(labels), [label for label in labels if label not in labels_left]),
        "citations": (len(citations), [c for c in citations if "".join(c.split()) not in rest]),
    }
    for kind, (total, lost) in losses.items():
        if len(lost) > max(MAX_PROTECTED_LOSS, MAX_PROTECTED_LOSS_FRAC * total):
            return f"loses {len(lost)} of {total} {kind}, such as {shortened(lost[0])}"
    return ""
