"""L8: roles with views of their own talk about a document, and every turn can be traced."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels.writing.dialogues import (
    CASTS,
    Turn,
    empty_turn,
    flaw_of,
    spoken,
    trace_of,
    untraced,
    without_own_label,
    written,
)

TEACHER, STUDENT = CASTS["teacher_student"]
TURNS = (
    Turn("m", TEACHER, "Oaks are trees.\n\nNote: some are old."),
    Turn("m", STUDENT, "Is an elm one, too?"),
    Turn("m", TEACHER, "It is."),
)


def dialogue(turns: tuple[Turn, ...] = TURNS) -> Document:
    meta = {"trace": trace_of(turns)}
    return Document(id="d", domain="general", text=written(turns), meta=meta)


def rows() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(dialogue().meta["trace"])
    return found


def test_a_dialogue_reads_turn_by_turn() -> None:
    assert dialogue().text == (
        "Teacher: Oaks are trees.\n\nNote: some are old.\n\nStudent: Is an elm one, too?\n\n"
        "Teacher: It is."
    )
    assert [(row["agent"], row["role"], row["step"]) for row in rows()] == [
        ("m", "teacher", 1), ("m", "student", 2), ("m", "teacher", 3),
    ]  # fmt: skip
    assert untraced(dialogue(), dialogue()) == empty_turn(dialogue(), dialogue()) == ""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Oaks are trees", "Oaks are birds", "turn 1 of the teacher is not the one"),
        ("Student:", "Teacher:", "turn 2 of the teacher is not the one"),
        ("Student: Is an elm one, too?\n\n", "", "2 turns, but 3 in the trace"),
        ("Note:", "Critic:", "4 turns, but 3 in the trace"),
        ("Teacher: Oaks", "Oaks", "it holds no dialogue"),
        ("Teacher: It is.", "Teacher: It is.\n\nStudent: Thanks.", "4 turns, but 3 in the trace"),
        ("It is.", "", "turn 3 of the teacher is not the one"),
    ],
)
def test_a_tampered_dialogue_is_not_traceable(old: str, new: str, says: str) -> None:
    tampered = replace(dialogue(), text=dialogue().text.replace(old, new, 1))
    assert says in untraced(dialogue(), tampered)


def _swapped(trace: list[dict[str, object]]) -> list[dict[str, object]]:
    return [trace[1], trace[0], trace[2]]


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_swapped, "turn 1 of the teacher"),
        (lambda trace: trace[:2], "3 turns, but 2"),
        (lambda trace: [*trace, trace[0]], "3 turns, but 4"),
        (lambda trace: [{**row, "agent": ""} for row in trace], "step 1 has no agent"),
        (lambda trace: [{**row, "agent": None} for row in trace], "step 1 has no agent"),
        (lambda trace: [*trace[:2], {"agent": "m"}], "turn 3"),
        (lambda trace: [{**row, "step": 1} for row in trace], "turn 2 of the student"),
        (lambda trace: [{**row, "role": "critic"} for row in trace], "turn 1 of the teacher"),
        (lambda trace: {}, "no readable trace"),
        (lambda trace: [1, 2, 3], "no readable trace"),
    ],
)
def test_a_tampered_trace_is_found(tamper: Callable[..., object], says: str) -> None:
    tampered = replace(dialogue(), meta={"trace": json.dumps(tamper(rows()))})
    assert says in untraced(dialogue(), tampered)


@pytest.mark.parametrize("trace", ["", "[", "null", "\x00"])
def test_a_broken_trace_is_found(trace: str) -> None:
    assert untraced(dialogue(), replace(dialogue(), meta={"trace": trace})) == (
        "it has no readable trace"
    )
    assert untraced(dialogue(), replace(dialogue(), meta={})) == "it has no readable trace"


@pytest.mark.parametrize("silence", ["", " ", "\n\n"])
def test_an_empty_turn_is_found(silence: str) -> None:
    turns = (TURNS[0], Turn("m", STUDENT, silence), TURNS[2])
    assert untraced(dialogue(), dialogue(turns)) == ""
    assert empty_turn(dialogue(), dialogue(turns)) == "turn 2 of the student is empty"


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", "an empty turn"),
        (" \n", "an empty turn"),
        ("Good.\nStudent: Thank you!", "a turn that speaks as Student"),
        ("Good.\n\nCritic:no", "a turn that speaks as Critic"),
        ("The teacher: a portrait. Teacher: the word", ""),
    ],
)
def test_a_turn_speaks_for_itself(text: str, flaw: str) -> None:
    assert flaw_of(text) == flaw


def test_a_turn_loses_its_own_label_and_no_other() -> None:
    assert without_own_label(" Teacher:  Hello.\n", TEACHER) == "Hello."
    assert without_own_label("Student: Hello.", TEACHER) == "Student: Hello."
    assert flaw_of(without_own_label("Student: Hello.", TEACHER))


def test_turns_come_apart_as_they_were_put_together() -> None:
    parts = spoken(dialogue().text)
    assert parts is not None
    assert [(label, text.strip()) for label, text in parts] == [
        (turn.role.label, turn.text) for turn in TURNS
    ]
