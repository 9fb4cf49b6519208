"""The rules for the settings of the levels, asked before any document is read."""

import math
from typing import Any
from urllib.parse import SplitResult, urlsplit

from davinci.data_levels.settings import (
    ON_VIOLATION,
    CompletionSettings,
    LevelSettings,
    RefinementSettings,
    TeacherSettings,
    check_choice,
)

TEACHER_KINDS = ("source", "endpoint")
MODES = ("clean", "rewrite")
TASKS = ("complete", "reason", "explain", "bridge", "qa")
MAKERS = ("teacher", "doctest")
CASTS = ("teacher_student", "proposer_critic")
MIN_CHUNK_CHARS = 100
"""Below, there is nothing that could be read by itself."""

_AT_LEAST: dict[str, dict[str, float]] = {
    "teacher": {
        "temperature": 0,
        "max_tokens": 1,
        "concurrency": 1,
        "max_tries": 1,
        "first_wait_s": 0,
        "max_total_tokens": 0,
        "max_usd": 0,
        "usd_per_million_prompt_tokens": 0,
        "usd_per_million_answer_tokens": 0,
    },
    "refinement": {"chunk_chars": MIN_CHUNK_CHARS, "max_novel_frac": 0, "min_length_ratio": 0},
    "completion": {"chunk_chars": MIN_CHUNK_CHARS},
    "context": {
        "num_neighbours": 1,
        "neighbour_chars": MIN_CHUNK_CHARS,
        "chunk_chars": MIN_CHUNK_CHARS,
        "max_added_frac": 0,
    },
    "environment": {"max_source_chars": MIN_CHUNK_CHARS, "min_tests": 1},
    "ecosystem": {"rounds": 1, "max_source_chars": MIN_CHUNK_CHARS},
}
"""The least that each number may be."""


def check_teacher(settings: TeacherSettings) -> None:
    """Raise what is wrong with the teacher's settings.

    Raises:
        ValueError: It names the field, the value and what is allowed.
    """
    check_choice("data.teacher.kind", settings.kind, TEACHER_KINDS)
    _check_numbers("teacher", settings)
    if not settings.timeout_s > 0:
        raise ValueError(f"`data.teacher.timeout_s > 0` must hold, but got {settings.timeout_s}.")
    prices = settings.usd_per_million_prompt_tokens + settings.usd_per_million_answer_tokens
    if settings.max_usd > 0 and prices == 0:
        raise ValueError(
            f"`data.teacher.max_usd`={settings.max_usd} needs a price: set "
            "`data.teacher.usd_per_million_prompt_tokens` and "
            "`data.teacher.usd_per_million_answer_tokens`."
        )
    if settings.kind == "endpoint":
        _check_endpoint(settings)


def check_level_settings(settings: LevelSettings) -> None:
    """Raise what is wrong with the settings of any level: a choice, a number, a contradiction.

    Raises:
        ValueError: It names the field, the value and what is allowed.
    """
    from davinci.data_levels.levels.classifiers.classifier import check_classifier
    from davinci.data_levels.levels.selection.rules import check_rules
    from davinci.data_levels.worlds import WORLDS

    check_teacher(settings.teacher)
    check_rules(settings.rules)
    check_classifier(settings.classifier)
    _check_annotator(settings)
    check_refinement(settings.refinement, settings.teacher)
    check_completion(settings.completion, settings.teacher)
    for section in ("context", "environment", "ecosystem"):
        _check_numbers(section, getattr(settings, section))
    check_choice("data.environment.maker", settings.environment.maker, MAKERS)
    check_choice("data.ecosystem.cast", settings.ecosystem.cast, CASTS)
    check_choice("data.world.generator", settings.world.generator, tuple(WORLDS))
    check_choice("data.on_violation", settings.on_violation, ON_VIOLATION)


def check_refinement(settings: RefinementSettings, teacher: TeacherSettings) -> None:
    """Raise what is wrong with the settings of L4.

    Raises:
        ValueError: It names the field, the value and what is allowed.
    """
    check_choice("data.refinement.mode", settings.mode, MODES)
    _check_numbers("refinement", settings)
    if settings.max_novel_frac > 1:
        raise ValueError(
            "`data.refinement.max_novel_frac` is a share and must be at most 1, but got "
            f"{settings.max_novel_frac}."
        )
    if settings.min_length_ratio > settings.max_length_ratio:
        raise ValueError(
            "`data.refinement.min_length_ratio <= data.refinement.max_length_ratio` must hold, "
            f"but got {settings.min_length_ratio} and {settings.max_length_ratio}."
        )
    if teacher.kind == "source" and settings.mode != "clean":
        raise ValueError(_only("data.refinement.mode", settings.mode, "clean"))


def check_completion(settings: CompletionSettings, teacher: TeacherSettings) -> None:
    """Raise what is wrong with the settings of L5.

    Raises:
        ValueError: It names the field, the value and what is allowed.
    """
    check_choice("data.completion.task", settings.task, TASKS)
    _check_numbers("completion", settings)
    if teacher.kind == "source" and settings.task != "complete":
        raise ValueError(_only("data.completion.task", settings.task, "complete"))


def _check_annotator(settings: LevelSettings) -> None:
    learns = settings.classifier.kind == "trained" and settings.classifier.labels == "teacher"
    if learns and settings.teacher.kind != "endpoint":
        raise ValueError(
            "`data.classifier.labels`=teacher asks a model: `data.teacher.kind` must be "
            f"'endpoint', but got {settings.teacher.kind!r}."
        )


def _check_endpoint(settings: TeacherSettings) -> None:
    address = _split(settings.base_url)
    if address is None or address.scheme not in ("http", "https") or not address.hostname:
        # What holds an @ may hold a password, and is not repeated.
        shown = "one with an @" if "@" in settings.base_url else repr(settings.base_url)
        raise ValueError(
            "`data.teacher.base_url` must be the http(s) address of an OpenAI-compatible endpoint, "
            f"such as http://localhost:8000/v1, but got {shown}."
        )
    if "@" in address.netloc or address.query or address.fragment:
        raise ValueError(
            "`data.teacher.base_url` must hold no key, user, query or fragment; name the key's "
            "environment variable in `data.teacher.api_key_env`."
        )
    if not settings.model:
        raise ValueError("`data.teacher.model` must name the endpoint's model, but it is empty.")


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address, or None if it or its port is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _check_numbers(section: str, settings: Any) -> None:
    for name, least in _AT_LEAST[section].items():
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= least):
            raise ValueError(f"`data.{section}.{name} >= {least}` must hold, but got {value}.")


def _only(field: str, value: str, own: str) -> str:
    return (
        f"A source's own teacher knows `{field}`={own} only, but got {value!r}; the others need an "
        "endpoint: `data.teacher.kind=endpoint`, `data.teacher.base_url` and `data.teacher.model`."
    )
