"""Digests name things by what determines them, and by nothing else."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from davinci.data_levels.settings import LevelSettings, RuleSettings
from davinci.data_levels.sources.source import SourceSettings
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.identity import canonical, digest, flatten, restore


@dataclass(frozen=True)
class Old:
    tokens: int
    lr: float = 1e-3


@dataclass(frozen=True)
class New:
    tokens: int
    lr: float = 1e-3
    added_later: str = "off"


def test_a_field_at_its_default_is_left_out_so_that_adding_one_renames_nothing() -> None:
    assert canonical(New(tokens=5)) == {"tokens": 5}
    assert digest(Old(tokens=5)) == digest(New(tokens=5))
    assert digest(New(tokens=5)) != digest(New(tokens=5, added_later="on"))


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": 2.5}) == digest({"b": 2.5, "a": 1})


def test_a_digest_is_the_same_in_every_version_of_the_code() -> None:
    expected = "8754a23a31233b92ee6495332e228e025558fe03a5003ee05e363ba96cb82fcd"
    assert digest({"tokens": 5, "levels": {"math": "L5"}}) == expected


@pytest.mark.parametrize("value", [{1, 2}, Path("x"), float("nan"), float("inf"), object()])
def test_a_value_without_one_spelling_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no stable spelling"):
        digest({"value": value})


def test_settings_survive_a_round_trip_through_their_canonical_form() -> None:
    settings = LevelSettings(rules=RuleSettings(min_chars=7, max_garbled_frac=0.25))
    assert restore(LevelSettings, canonical(settings)) == settings
    source = SourceSettings(name="files", documents=3, options={"path": "x"})
    assert restore(SourceSettings, canonical(source)) == source


def test_every_field_of_the_settings_changes_the_digest() -> None:
    shape = {f.name: 8 for f in fields(ModelSettings) if f.type is int}
    base = ModelSettings(**shape)  # type: ignore[arg-type]
    for name in shape:
        assert digest(ModelSettings(**{**shape, name: 9})) != digest(base)  # type: ignore[arg-type]
    optimizer = OptimizerSettings(lr_peak=1.0)
    for field in fields(OptimizerSettings):
        changed = {"lr_peak": 1.0, field.name: 0.123}
        assert digest(OptimizerSettings(**changed)) != digest(optimizer)


def test_flatten_gives_dotted_names() -> None:
    plain = {"data": {"levels": {"math": "L5"}}, "stages": [{"tokens": 3}], "protocols": ["ppl"]}
    assert flatten(plain) == {
        "data.levels.math": "L5",
        "stages.0.tokens": 3,
        "protocols": ["ppl"],
    }
