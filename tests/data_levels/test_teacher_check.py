"""The settings of the levels are refused before any work, by the name of the field."""

from dataclasses import replace
from typing import Any

import pytest

from davinci.data_levels.settings import ClassifierSettings, LevelSettings, TeacherSettings
from davinci.data_levels.teacher import check_teacher
from davinci.data_levels.teacher.check import check_level_settings

ENDPOINT = TeacherSettings(kind="endpoint", base_url="https://h:8000/v1", model="m")


def test_the_defaults_and_an_endpoint_are_fine() -> None:
    check_level_settings(LevelSettings())
    check_level_settings(LevelSettings(teacher=ENDPOINT))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "oracle"}, r"`data\.teacher\.kind`.*source, endpoint"),
        ({"base_url": ""}, r"`data\.teacher\.base_url`"),
        ({"base_url": "file:///etc"}, r"`data\.teacher\.base_url`.*'file:///etc'"),
        ({"base_url": "http://h:port/v1"}, r"`data\.teacher\.base_url`"),
        ({"base_url": "https://h/v1?key=1"}, r"`data\.teacher\.base_url`.*query"),
        ({"model": ""}, r"`data\.teacher\.model`"),
        ({"temperature": -0.1}, r"`data\.teacher\.temperature >= 0` must hold, but got -0\.1"),
        ({"temperature": float("nan")}, r"`data\.teacher\.temperature >= 0`"),
        ({"temperature": float("inf")}, r"`data\.teacher\.temperature >= 0`"),
        ({"max_tokens": 0}, r"`data\.teacher\.max_tokens >= 1`"),
        ({"concurrency": 0}, r"`data\.teacher\.concurrency >= 1`"),
        ({"timeout_s": 0.0}, r"`data\.teacher\.timeout_s > 0`"),
        ({"max_total_tokens": -1}, r"`data\.teacher\.max_total_tokens >= 0`"),
        ({"usd_per_million_answer_tokens": -1.0}, r"`data\.teacher\.usd_per_million_answer_tokens"),
        ({"max_usd": 5.0}, r"`data\.teacher\.max_usd`=5\.0 needs a price"),
    ],
)
def test_a_wrong_teacher_is_named_by_field(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_teacher(replace(ENDPOINT, **options))


def test_an_address_with_a_key_is_refused_and_not_repeated() -> None:
    for address in ("https://user:secret@h/v1", "ftp://user:secret@h/v1"):
        with pytest.raises(ValueError, match=r"`data\.teacher\.base_url`") as caught:
            check_teacher(replace(ENDPOINT, base_url=address))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "options", "says"),
    [
        ("refinement", {"mode": "rewrit"}, r"`data\.refinement\.mode`.*Did you mean 'rewrite'"),
        ("refinement", {"chunk_chars": 0}, r"`data\.refinement\.chunk_chars >= 100`"),
        ("refinement", {"max_novel_frac": 1.5}, r"`data\.refinement\.max_novel_frac`.*1\.5"),
        ("refinement", {"min_length_ratio": 2.0}, r"`data\.refinement\.min_length_ratio <="),
        ("completion", {"task": "chat"}, r"`data\.completion\.task`.*complete, reason"),
        ("context", {"num_neighbours": 0}, r"`data\.context\.num_neighbours >= 1`"),
        ("context", {"max_added_frac": -1.0}, r"`data\.context\.max_added_frac >= 0`"),
        ("environment", {"maker": "me"}, r"`data\.environment\.maker`.*teacher, doctest"),
        ("ecosystem", {"cast": "solo"}, r"`data\.ecosystem\.cast`.*teacher_student"),
        ("ecosystem", {"rounds": 0}, r"`data\.ecosystem\.rounds >= 1`"),
        ("world", {"generator": "mars"}, r"`data\.world\.generator`.*microworld"),
        ("classifier", {"kind": "llm"}, r"`data\.classifier\.kind`"),
        ("rules", {"published": ("c5",)}, r"`data\.rules\.published`.*c4"),
    ],
)
def test_a_wrong_choice_of_a_level_is_named_by_field(
    section: str, options: dict[str, Any], says: str
) -> None:
    settings = LevelSettings(teacher=ENDPOINT)
    changed = replace(getattr(settings, section), **options)
    with pytest.raises(ValueError, match=says):
        check_level_settings(replace(settings, **{section: changed}))


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match=r"`data\.on_violation`.*drop, keep_original, fatal"):
        check_level_settings(LevelSettings(on_violation="ignore"))


def test_labels_by_a_teacher_need_an_endpoint() -> None:
    settings = LevelSettings(classifier=ClassifierSettings(labels="teacher"))
    with pytest.raises(ValueError, match=r"`data\.classifier\.labels`.*'endpoint'.*'source'"):
        check_level_settings(settings)
    check_level_settings(replace(settings, teacher=ENDPOINT))


@pytest.mark.parametrize(("section", "field"), [("completion", "task"), ("refinement", "mode")])
def test_what_a_sources_own_teacher_cannot_do_needs_an_endpoint(section: str, field: str) -> None:
    settings = LevelSettings()
    value = {"task": "qa", "mode": "rewrite"}[field]
    changed = replace(getattr(settings, section), **{field: value})
    with pytest.raises(ValueError, match=rf"`data\.{section}\.{field}`.*data\.teacher\.kind=end"):
        check_level_settings(replace(settings, **{section: changed}))
    check_level_settings(replace(settings, teacher=ENDPOINT, **{section: changed}))
