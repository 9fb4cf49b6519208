"""How often the checks of L4 to L6 miss and cry wolf: a small run of `benchmarks/invariants.py`."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.levels.faithful.faithfulness import (
    completion_checks,
    context_checks,
    refinement_checks,
)
from davinci.data_levels.levels.operator import Check
from davinci.data_levels.settings import CompletionSettings, ContextSettings, RefinementSettings

ROOT = Path(__file__).parents[2]
CLEANED = refinement_checks(RefinementSettings())
REWRITTEN = refinement_checks(RefinementSettings(mode="rewrite"))
COMPLETED = completion_checks(CompletionSettings())
ASKED = completion_checks(CompletionSettings(task="qa"))
ENRICHED = context_checks(ContextSettings())

PARTLY = {
    ("L4", "repeats a number"): 0.6,
    ("L4", "puts a minus before a number"): 0.6,
    ("L4", "alters a sign in a formula"): 0.7,
    ("L4", "says everything twice"): 0.6,
    ("L4", "deletes all LaTeX"): 0.5,
    ("L4 rewrite", "deletes all LaTeX"): 0.5,
    ("L5", "goes on for five sentences"): 0.85,
    ("L5", "leaves out a number"): 0.85,
    ("L6", "leaves out a number"): 0.85,
    ("L5", "leaves out the first sentence"): 0.5,
    ("L5", "leaves out the last sentence"): 0.4,
    ("L5", "leaves out a sentence between"): 0.1,
}
"""Kinds that are caught less than 95 times in 100, and how often at least."""
NUM_PLANTED = 40


@pytest.fixture(scope="module")
def invariants() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield import_module("invariants")
    for name in ("invariants", "faithful_pairs", "planted_violations", "planted_phrases"):
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def pairs(invariants: Any) -> Any:
    return invariants.bases(30, 250)


def test_planted_violations_are_caught_as_often_as_the_documentation_says(
    invariants: Any, pairs: Any
) -> None:
    caught: dict[tuple[str, str], float] = {}
    for one in invariants.catches(pairs, NUM_PLANTED):
        if not one.check:
            continue
        assert one.planted > 0, one
        share = one.caught / one.planted
        caught[one.level, one.check] = max(share, caught.get((one.level, one.check), 0.0))
        assert share >= PARTLY.get((one.level, one.kind), 0.95), one
    planted_for = {name for level, name in caught if level == "L4"}
    assert planted_for == set(CLEANED)
    assert {name for level, name in caught if level == "L5"} == set(COMPLETED)
    assert {name for level, name in caught if level == "L5 qa"} | {"no_chat_residue"} == set(ASKED)
    assert {name for level, name in caught if level == "L6"} == set(ENRICHED)


def test_faithful_edits_raise_no_alarm(invariants: Any, pairs: Any) -> None:
    for base, by_level in pairs.items():
        for level, edits in by_level.items():
            for name, rate in invariants.false_alarms(level, edits).items():
                assert rate.total >= 100
                allowed = 0.0 if base == "microworld" else 0.01
                assert rate.hits <= allowed * rate.total, (base, level, name, rate)


def evidence(checks: Mapping[str, Check], before: str, after: str) -> list[str]:
    old, new = (Document(id="a", domain="general", text=text) for text in (before, after))
    return [told for check in checks.values() if (told := check(old, new))]


def _as_it_is(text: str) -> str:
    return text


def _spaced(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.splitlines()))


def _without_links(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(
        one for one in lines if not re.search(r"https?:|copyright|licen[cs]e", one, re.I)
    )


@pytest.mark.parametrize(
    ("edit", "checked"),
    [
        (_as_it_is, (CLEANED, REWRITTEN, COMPLETED, ENRICHED)),
        (_spaced, (CLEANED, REWRITTEN, COMPLETED, ENRICHED)),
        (_without_links, (CLEANED,)),
    ],
)
def test_hardly_an_alarm_is_raised_where_hardly_anything_happened(
    edit: Callable[[str], str], checked: Sequence[Mapping[str, Check]], pairs: Any
) -> None:
    texts = [pair.before.text for pair in pairs["prose"]["L5"]]
    edited = [(text, edit(text)) for text in texts if edit(text).strip()]
    for checks in checked:
        alarms = [
            (text[:40], told) for text, new in edited if (told := evidence(checks, text, new))
        ]
        assert len(alarms) <= 0.02 * len(edited), alarms


def test_intervals_are_wilsons(invariants: Any) -> None:
    assert invariants.wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert invariants.wilson(0, 400) == pytest.approx((0.0, 3.8416 / 403.8416), abs=1e-9)


def test_the_table_in_the_documentation_names_every_kind_and_every_check(invariants: Any) -> None:
    documentation = (ROOT / "data_levels" / "README.md").read_text(encoding="utf-8")
    for level, rows in invariants.VIOLATIONS.items():
        for kind, check, _ in rows:
            told = f"`{check}`" if check else "no check claims to"
            assert f"| {level} | {kind} | {told} |" in documentation
    for level, checks in invariants.CHECKS.items():
        for name in checks:
            assert f"| {level} | `{name}` |" in documentation
