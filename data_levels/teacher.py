"""Who writes at L4 and L5: the source's own teacher, or a language model behind an endpoint."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.source import Source, Teacher

TEACHER_KINDS = ("source", "endpoint")

PROMPTS: dict[str, str] = {"L4": "refine_v1", "L5": "complete_v1"}
"""Template of each level, in `levels/prompts`; a changed template gets a new name."""


@runtime_checkable
class HasNotes(Protocol):
    """A teacher with something to say in the manifest."""

    def notes(self) -> Sequence[str]:
        """Return sentences for the reader of the manifest."""


@runtime_checkable
class IsConcurrent(Protocol):
    """A teacher that may be asked from several threads at once."""

    concurrency: int


def check_teacher(settings: TeacherSettings) -> None:
    """Raise what is wrong with the settings, before any document is read.

    Raises:
        ValueError: If the kind is unknown, or an endpoint has no proper address or model.
    """
    if settings.kind not in TEACHER_KINDS:
        raise ValueError(
            f"No teacher {settings.kind!r} (`data.teacher.kind`); "
            f"known: {', '.join(TEACHER_KINDS)}."
        )
    if settings.kind != "endpoint":
        return
    address = urlsplit(settings.base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(
            "`data.teacher.base_url` must be the http(s) address of an OpenAI-compatible endpoint, "
            f"such as http://localhost:8000/v1, but got {settings.base_url!r}."
        )
    if not settings.model:
        raise ValueError("`data.teacher.model` must name the endpoint's model, but it is empty.")


def choose_teacher(source: Source, settings: TeacherSettings) -> Teacher:
    """Return the teacher that the settings ask for.

    Raises:
        ValueError: If the settings are wrong, or ask for a source's teacher where it has none.
    """
    check_teacher(settings)
    if settings.kind == "endpoint":
        from davinci.data_levels.endpoint import EndpointTeacher

        return EndpointTeacher(settings)
    teacher = source.teacher()
    if teacher is None:
        raise ValueError(
            f"`data.teacher.kind=source` needs a source with a teacher, but {source.name!r} has "
            "none; set `data.teacher.kind=endpoint`, `data.teacher.base_url` and "
            "`data.teacher.model`, or stay at level L3."
        )
    return teacher


def notes_of(teacher: Teacher) -> tuple[str, ...]:
    """Return the notes of a teacher, if it has any."""
    return tuple(teacher.notes()) if isinstance(teacher, HasNotes) else ()


def concurrency_of(teacher: Teacher) -> int:
    """Return how many documents the teacher may be asked about at once."""
    return teacher.concurrency if isinstance(teacher, IsConcurrent) else 1
