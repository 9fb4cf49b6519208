"""Sources by name, and teachers by kind: wrong ones are found early, and cheaply."""

import subprocess
import sys

import pytest

from davinci.data_levels.chain import LEVELS
from davinci.data_levels.levels.writing.teaching import own_teacher
from davinci.data_levels.settings import EnvironmentSettings, LevelSettings, TeacherSettings
from davinci.data_levels.sources.registry import (
    available_domains,
    check_source,
    open_source,
    reachable_levels,
    source_identity,
)
from davinci.data_levels.sources.source import SourceSettings
from davinci.data_levels.teacher import check_teacher
from davinci.data_levels.teacher.endpoint import open_endpoint

ENDPOINT = TeacherSettings(kind="endpoint", base_url="http://localhost:8000/v1", model="m")


def test_an_unknown_source_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'crawl'.*microworld, pylib, files, davinci"):
        check_source(SourceSettings(name="crawl"))


def test_levels_reach_as_deep_as_there_is_somebody_to_write() -> None:
    def reached(name: str, **settings: object) -> tuple[str, ...]:
        return reachable_levels(SourceSettings(name=name), LevelSettings(**settings))  # type: ignore[arg-type]

    assert reached("microworld") == ("L0", "L1", "L2", "L3", "L4", "L5", "L9")
    for name in ("pylib", "files", "davinci"):
        assert reached(name) == ("L0", "L1", "L2", "L3", "L9")
        assert reached(name, teacher=ENDPOINT) == LEVELS
    by_example = reached("pylib", environment=EnvironmentSettings(maker="doctest"))
    assert by_example == ("L0", "L1", "L2", "L3", "L7", "L9")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.documents >= 0"):
        check_source(SourceSettings(name="pylib", documents=-1))
    with pytest.raises(ValueError, match="path"):
        check_source(SourceSettings(name="pylib", options={"path": "x"}))
    with pytest.raises(ValueError, match="wrong_frac"):
        check_source(SourceSettings(name="microworld", options={"wrong_frac": 2}))


def test_embedded_sources_have_all_domains() -> None:
    for name in ("microworld", "pylib"):
        assert len(available_domains(SourceSettings(name=name))) == 5


def test_a_world_is_part_of_the_microworlds_identity() -> None:
    first, second = (
        source_identity(SourceSettings(name="microworld", world_seed=seed)) for seed in (0, 1)
    )
    assert first != second


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (TeacherSettings(kind="oracle"), r"data\.teacher\.kind.*source, endpoint"),
        (TeacherSettings(kind="endpoint", model="m"), r"data\.teacher\.base_url"),
        (TeacherSettings(kind="endpoint", model="m", base_url="file:///etc"), r"base_url.*file:"),
        (TeacherSettings(kind="endpoint", base_url="http://h/v1"), r"data\.teacher\.model"),
    ],
)
def test_wrong_teachers_are_named_by_field(settings: TeacherSettings, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        check_teacher(settings)


def test_the_source_or_the_endpoint_teaches() -> None:
    microworld = open_source(SourceSettings(name="microworld"))
    pylib = open_source(SourceSettings(name="pylib"))
    assert "microworld" in own_teacher(microworld).label
    with open_endpoint(ENDPOINT) as endpoint:
        assert endpoint.label == "m at localhost:8000"
    with pytest.raises(ValueError, match=r"data\.teacher\.kind=source.*'pylib'"):
        own_teacher(pylib)


def test_checking_imports_nothing_heavy() -> None:
    code = (
        "import sys, davinci.data_levels.build\n"
        "from davinci.data_levels.sources.registry import check_source, source_identity\n"
        "from davinci.data_levels.sources.source import SourceSettings\n"
        "for name in ('microworld', 'pylib'): source_identity(SourceSettings(name=name))\n"
        "heavy = {'sklearn', 'numpy', 'tokenizers', 'datasketch', 'ftfy', 'torch', 'resiliparse'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
