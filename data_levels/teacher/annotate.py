"""Labels by a teacher, for L3's classifier to learn from: a verdict on each document."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from davinci.data_levels.document import Document
from davinci.data_levels.settings import TeacherSettings, check_choice
from davinci.data_levels.teacher.answers import Answer, parse_json_answer
from davinci.data_levels.teacher.concurrency import in_order
from davinci.data_levels.teacher.endpoint import Endpoint
from davinci.data_levels.teacher.prompts import ANNOTATION_PROMPTS, fill, read_prompt

MAX_CHARS_READ = 6_000
"""The teacher reads the beginning of a document only, as the classifier does."""
MIN_KEEP_SCORE = 3
"""Documents with this educational score or more are worth keeping.

Source: FineWeb-Edu (Penedo et al. 2024, Section 4.1): scores from 0 to 5, kept from 3 on.
"""
MAX_SCORE = 5

LABELS: dict[str, tuple[str, ...]] = {
    "educational": ("keep", "drop"),
    "domain": (
        "computer_science",
        "code",
        "mathematics",
        "physics",
        "chemistry",
        "biology",
        "medicine",
        "engineering",
        "humanities_social",
        "other_stem",
        "general",
    ),
    "document_type": (
        "article",
        "textbook",
        "reference",
        "forum",
        "news",
        "advertising",
        "navigation",
        "legal",
        "other",
    ),
}
"""The labels of each target. Domains: Data Darwinism I's nine disciplines, code, and the rest."""


def annotate(
    documents: Iterable[Document], settings: TeacherSettings, target: str, endpoint: Endpoint
) -> Iterator[tuple[str, str]]:
    """Yield id and label of each document, in order; those without a usable verdict are left out.

    Args:
        documents: What to judge.
        settings: The teacher's.
        target: What to judge, one of `LABELS`.
        endpoint: Who judges, opened by the caller.

    Raises:
        ValueError: If the target is unknown.
    """
    check_choice("data.classifier.target", target, tuple(LABELS))
    ask = partial(_ask, endpoint=endpoint, target=target, max_tokens=settings.max_tokens)
    return _labelled(in_order(ask, documents, endpoint.concurrency), target)


def verdict(answer: Answer, target: str) -> str | None:
    """Return the label that an answer gives; None where it gives none that is known."""
    told = parse_json_answer(answer.text)
    label = told.get("label") if isinstance(told, dict) else None
    if target != "educational":
        return label if label in LABELS[target] else None
    score = _score(label)
    if score is None or not 0 <= score <= MAX_SCORE:
        return None
    return "keep" if score >= MIN_KEEP_SCORE else "drop"


def _score(label: Any) -> float | None:
    try:
        return None if isinstance(label, bool) else float(label)
    except (TypeError, ValueError, OverflowError):
        return None


def _ask(
    document: Document, *, endpoint: Endpoint, target: str, max_tokens: int
) -> tuple[str, Answer]:
    template = read_prompt(ANNOTATION_PROMPTS[target])
    prompt = fill(template, passage=document.text[:MAX_CHARS_READ].strip())
    return document.id, endpoint.ask([{"role": "user", "content": prompt}], max_tokens=max_tokens)


def _labelled(answers: Iterator[tuple[str, Answer]], target: str) -> Iterator[tuple[str, str]]:
    for name, answer in answers:
        label = verdict(answer, target)
        if label is not None:
            yield name, label
