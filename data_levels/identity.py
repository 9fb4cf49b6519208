"""What determines a level's work: plain data for the digest of every corpus."""

from typing import Any

from davinci.data_levels.chain import LEVELS
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.settings import LevelSettings, changed_fields

USED_BY: dict[str, tuple[str, ...]] = {
    "L2": ("rules",),
    "L3": ("classifier",),
    "L4": ("teacher", "refinement"),
    "L5": ("teacher", "completion"),
    "L6": ("teacher", "context"),
    "L7": ("teacher", "environment"),
    "L8": ("teacher", "ecosystem"),
    "L9": ("world",),
}
"""The settings that each level reads; L3 reads the teacher's too where a teacher labels."""


def level_identity(level: str, settings: LevelSettings) -> dict[str, Any]:
    """Return plain data that determines what a level does: its version and the settings it uses.

    Settings that equal their defaults are left out, so that adding one changes no digest; so are
    those that other levels use, and where and how the work is done. Files and templates are known
    by their content.

    Raises:
        ValueError: If the level is unknown, or a file that the settings name cannot be read.
    """
    if level not in LEVELS:
        raise ValueError(f"No data level {level!r} (`data.level`); known: {', '.join(LEVELS)}.")
    identity: dict[str, Any] = {"level": level, "version": LEVEL_VERSIONS[level]}
    used = USED_BY.get(level, ())
    identity |= {name: changed_fields(getattr(settings, name)) for name in used}
    asks = "teacher" in used
    if level == "L3":
        from davinci.data_levels.levels.classifiers.classifier import classifier_identity

        identity["classifier"] = classifier_identity(settings.classifier)
        asks = settings.classifier.kind == "trained" and settings.classifier.labels == "teacher"
    if level == "L7" and settings.environment.maker == "doctest":
        asks = False
    identity.pop("teacher", None)
    if asks:
        identity |= _teacher_identity(level, settings)
    if level >= "L4" and settings.on_violation != LevelSettings().on_violation:
        identity["on_violation"] = settings.on_violation
    return identity


def _teacher_identity(level: str, settings: LevelSettings) -> dict[str, Any]:
    teacher = settings.teacher
    if teacher.kind != "endpoint":
        return {"teacher": {"kind": teacher.kind}}
    from davinci.data_levels.teacher.prompts import prompts_of

    return {
        "teacher": changed_fields(teacher),
        "prompts": list(prompts_of(level, settings)),
    }
