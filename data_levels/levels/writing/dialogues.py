"""Dialogues about a document: who takes part and sees what, how they are written and traced.

A dialogue's text is one turn after another: `Teacher: ...`, an empty line, `Student: ...`. Its
trace says of every turn which agent spoke, in which role, at which step, and holds a digest of the
words.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from davinci.data_levels.corpus import utf8
from davinci.data_levels.document import Document


class Role(NamedTuple):
    """One part in a dialogue.

    Attributes:
        name: As in traces; capitalised, it labels the turns.
        prompt: Name of the template with the role's goals.
        sees_document: Others know of it only what is said.
    """

    name: str
    prompt: str
    sees_document: bool

    @property
    def label(self) -> str:
        """What stands before the role's turns."""
        return self.name.capitalize()


class Turn(NamedTuple):
    """What one agent said in a role."""

    agent: str
    role: Role
    text: str


Cast = tuple[Role, ...]
CASTS: dict[str, Cast] = {
    "teacher_student": (
        Role("teacher", "dialogue_teacher_v1", sees_document=True),
        Role("student", "dialogue_student_v1", sees_document=False),
    ),
    "proposer_critic": (
        Role("proposer", "dialogue_proposer_v1", sees_document=True),
        Role("critic", "dialogue_critic_v1", sees_document=True),
    ),
}
"""The casts by name; in every round each role speaks once, in this order."""

_LABEL = re.compile(
    rf"^({'|'.join(role.label for cast in CASTS.values() for role in cast)}):[ \t]*", re.MULTILINE
)


def flaw_of(text: str) -> str:
    """Return why a turn cannot be used, or ""."""
    if not text.strip():
        return "an empty turn"
    if match := _LABEL.search(text):
        return f"a turn that speaks as {match.group(1)}"
    return ""


def without_own_label(text: str, role: Role) -> str:
    """Return a turn without the label that models like to begin with."""
    return text.strip().removeprefix(f"{role.label}:").strip()


def written(turns: Iterable[Turn]) -> str:
    """Return the turns as text."""
    return "\n\n".join(f"{turn.role.label}: {turn.text}" for turn in turns)


def trace_of(turns: Iterable[Turn]) -> str:
    """Return the trace of the turns, as JSON; steps count from 1."""
    rows = [
        {"agent": t.agent, "role": t.role.name, "step": step, "digest": digest_of(t.text)}
        for step, t in enumerate(turns, start=1)
    ]
    return json.dumps(rows)


def digest_of(text: str) -> str:
    """Return 16 hexadecimal digits that tell one turn's words from others."""
    return hashlib.sha256(utf8(text.strip())).hexdigest()[:16]


def untraced(before: Document, after: Document) -> str:
    """Return evidence that a turn has not its agent, role and step in the trace, or ""."""
    turns, trace = spoken(after.text), _rows(after.meta.get("trace", ""))
    if turns is None or trace is None:
        return "it holds no dialogue" if turns is None else "it has no readable trace"
    if len(turns) != len(trace):
        return f"{len(turns)} turns, but {len(trace)} in the trace"
    for step, ((label, text), row) in enumerate(zip(turns, trace, strict=True), start=1):
        agent = row.get("agent")
        if not isinstance(agent, str) or not agent:
            return f"step {step} has no agent"
        told = (row.get("role"), row.get("step"), row.get("digest"))
        if told != (label.lower(), step, digest_of(text)):
            return f"turn {step} of the {label.lower()} is not the one in the trace"
    return ""


def empty_turn(before: Document, after: Document) -> str:
    """Return evidence of a turn without words, or ""."""
    for step, (label, text) in enumerate(spoken(after.text) or (), start=1):
        if not text.strip():
            return f"turn {step} of the {label.lower()} is empty"
    return ""


def spoken(text: str) -> Sequence[tuple[str, str]] | None:
    """Return the label and words of every turn; None where anything stands outside of turns."""
    before, *parts = _LABEL.split(text)
    if before.strip() or not parts:
        return None
    return list(zip(parts[::2], parts[1::2], strict=True))


def _rows(trace: str) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(trace)
    except ValueError:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows
