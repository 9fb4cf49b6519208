"""Prompt templates: which one each level uses, and how a passage is put into one.

A template is a file `levels/prompts/NAME.txt`, and never changes: another wording gets another name
(`..._v2`), for the name stands for the wording in every corpus's digest and every cached answer.

A passage is material, never part of the frame: placeholders in it are not filled, and tags of the
template in it (`</passage>`), a chat format's marks (`<|im_end|>`) and `<think>` are disarmed, the
`<` written as `&lt;`. `restored` undoes that in what the model made of the passage.
"""

import re
from functools import cache
from importlib import resources

from davinci.data_levels.settings import LevelSettings

_FIELD = re.compile(r"\{\{(\w+)\}\}")
_TAG = re.compile(r"</?([a-z_]+)[ >]")

REFINEMENT_PROMPTS = {"clean": "refine_v1", "rewrite": "rewrite_v1"}
"""L4's template of each mode."""
COMPLETION_PROMPTS = {
    "complete": "complete_v1",
    "reason": "reason_v1",
    "explain": "explain_v1",
    "bridge": "bridge_v1",
    "qa": "qa_v1",
}
"""L5's template of each task."""
CONTEXT_PROMPTS = ("context_v1", "context_source_v1")
"""L6's template, and that of each neighbour in it."""
ANNOTATION_PROMPTS = {
    "educational": "annotate_educational_v1",
    "domain": "annotate_domain_v1",
    "document_type": "annotate_document_type_v1",
}
"""L3's template of each target."""


class Filled(str):
    """A filled template; as a field of another one, the tags that only it has stay tags."""


def read_prompt(name: str) -> str:
    """Return a prompt template of this package."""
    return _read(name)


@cache
def _read(name: str) -> str:
    folder = resources.files("davinci.data_levels.levels") / "prompts"
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def fill(template: str, **fields: str) -> Filled:
    """Return a template with each `{{field}}` replaced; what is filled in is not looked at again.

    Raises:
        ValueError: If a field of the template is missing, or one is given that it has not.
    """
    known = set(_FIELD.findall(template))
    if known != fields.keys():
        raise ValueError(f"The template has the fields {sorted(known)}, but got {sorted(fields)}.")
    framed = [value for value in fields.values() if isinstance(value, Filled)]
    own, all_marks = _marks(_tags_of(template), "<"), _marks(_tags_of(template, *framed), "<")
    safe = {
        name: (own if isinstance(value, Filled) else all_marks).sub("&lt;", value)
        for name, value in fields.items()
    }
    return Filled(_FIELD.sub(lambda match: safe[match[1]], template))


def restored(text: str, template: str) -> str:
    """Return what a model wrote about a passage with the marks again that `fill` disarmed."""
    return _marks(_tags_of(template), "&lt;").sub("<", text)


def prompts_of(level: str, settings: LevelSettings) -> tuple[str, ...]:
    """Return the names of the templates that a level asks an endpoint with."""
    if settings.teacher.kind != "endpoint":
        return ()
    if level == "L3":
        asks = settings.classifier.kind == "trained" and settings.classifier.labels == "teacher"
        return (ANNOTATION_PROMPTS[settings.classifier.target],) if asks else ()
    if level == "L4":
        return (REFINEMENT_PROMPTS[settings.refinement.mode],)
    if level == "L5":
        return (COMPLETION_PROMPTS[settings.completion.task],)
    if level == "L6":
        return CONTEXT_PROMPTS
    if level == "L7":
        return ("environment_v1",) if settings.environment.maker == "teacher" else ()
    if level == "L8":
        return tuple(f"dialogue_{role}_v1" for role in settings.ecosystem.cast.split("_"))
    return ()


def _tags_of(*templates: str) -> frozenset[str]:
    return frozenset({"think"}.union(*(_TAG.findall(template) for template in templates)))


@cache
def _marks(tags: frozenset[str], opening: str) -> "re.Pattern[str]":
    """Return what finds the beginning of every mark that could break a frame with these tags."""
    return re.compile(rf"{opening}(?=\s*/?\s*(?:{'|'.join(sorted(tags))})\b|\|)", re.IGNORECASE)
