"""What determines a level's work, and what does not."""

import pytest

from davinci.data_levels.identity import level_identity
from davinci.data_levels.settings import (
    ClassifierSettings,
    LevelSettings,
    RuleSettings,
    TeacherSettings,
)

SETTINGS = LevelSettings()


def test_a_level_is_identified_by_the_settings_that_it_uses() -> None:
    changed = LevelSettings(
        rules=RuleSettings(min_chars=7),
        classifier=ClassifierSettings(ngram_max=3),
        teacher=TeacherSettings(
            kind="endpoint", base_url="http://h/v1", model="m", api_key_env="SECRET"
        ),
    )
    assert level_identity("L1", changed) == level_identity("L1", SETTINGS)
    assert level_identity("L2", SETTINGS)["rules"] == {}
    assert level_identity("L2", changed)["rules"] == {"min_chars": 7}
    assert level_identity("L3", changed)["classifier"] == {"ngram_max": 3}
    assert level_identity("L4", SETTINGS)["teacher"] == {"kind": "source"}
    told = level_identity("L5", changed)
    assert told["teacher"] == {"kind": "endpoint", "model": "m"}
    assert told["prompts"] == ["complete_v1"]
    with pytest.raises(ValueError, match=r"L11.*data\.level.*L0, L1, L2, L3, L4, L5"):
        level_identity("L11", SETTINGS)


def test_where_and_how_a_teacher_is_asked_changes_no_identity() -> None:
    teacher = TeacherSettings(kind="endpoint", base_url="http://a/v1", model="m")
    elsewhere = TeacherSettings(
        kind="endpoint", base_url="http://b/v1", model="m", concurrency=2, max_usd=5.0
    )
    told = [level_identity("L4", LevelSettings(teacher=t)) for t in (teacher, elsewhere)]
    assert told[0] == told[1]
    other = LevelSettings(teacher=TeacherSettings(kind="endpoint", model="n"))
    assert level_identity("L4", other) != told[0]


def test_a_policy_for_violations_is_part_of_the_identity() -> None:
    fatal = LevelSettings(on_violation="fatal")
    assert level_identity("L4", fatal) != level_identity("L4", SETTINGS)
    assert level_identity("L2", fatal) == level_identity("L2", SETTINGS)
