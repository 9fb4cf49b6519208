"""Documents through operators: counted, checked, sampled, and none lost whatever operators do."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from davinci.data_levels.accounts import Report, Totals, add_up
from davinci.data_levels.corpus import (
    PartWriter,
    content_digest,
    digest_of_parts,
    part_names,
    read_documents,
    read_drops,
)
from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.engine import Engine
from davinci.data_levels.flow import (
    InvariantViolated,
    LostDocuments,
    Operate,
    ReadParts,
    Rules,
    Settle,
    same_id,
    same_text,
)
from davinci.data_levels.levels.operator import Edit, Operator, Select

DOCUMENTS = [Document(id=f"d{n:02d}", domain="math", text=f"text {n}") for n in range(20)]


@dataclass(frozen=True, kw_only=True)
class InBatches:
    """Reads three documents ahead and shouts all whose number is not a multiple of four."""

    name: str = "shout"
    version: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        rest = iter(documents)
        while batch := list(islice(rest, 3)):
            for document in batch:
                counts["seen"] = counts.get("seen", 0) + 1
                if int(document.id[1:]) % 4:
                    yield replace(document, text=document.text.upper())
                else:
                    yield Dropped(document, "quiet", "a multiple of four")


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """Loses documents, or makes some up: `times` outcomes for each of the first `until`."""

    times: int
    until: int = 100
    name: str = "faulty"
    version: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        for document in islice(iter(documents), self.until):
            yield from [document] * self.times


def is_odd(document: Document) -> str | None:
    return "odd" if int(document.id[1:]) % 2 else None


def exclaim(document: Document) -> Document:
    return replace(document, text=document.text + "!")


def write(folder: Path, documents: list[Document], num_parts: int) -> Path:
    size = -(-len(documents) // num_parts)
    for index in range(num_parts):
        writer = PartWriter(folder, f"{index:05d}")
        for document in documents[index * size : (index + 1) * size]:
            writer.write(document)
        writer.publish()
    return folder


def run(
    parent: Path,
    out: Path,
    *operators: Operator,
    policy: str = "drop",
    checks: Mapping[str, Any] | None = None,
    level: str = "L4",
) -> Totals:
    report, reports = Report(), out / "work" / "reports"
    rules = Rules(
        level=level, checks=checks or {"subset": same_id}, policy=policy, may_drop=level != "L1"
    )
    pipeline = [
        ReadParts(parent, report, level=level, climbs=True),
        *(Operate(operator, report) for operator in operators),
        Settle(out, report, reports, rules),
    ]
    Engine(work=out / "work").run("level", pipeline, len(part_names(parent)))
    return add_up(reports, part_names(parent), {o.name: (o.version, {}) for o in operators})


def test_every_document_is_kept_or_dropped_by_reason(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 3)
    select = Select(name="even", version=1, reason=is_odd)
    totals = run(parent, tmp_path / "b", InBatches(), select)
    shout, even = totals.steps
    assert (shout.documents_in, shout.documents_out) == (20, 15)
    assert (shout.dropped, shout.edited) == ({"quiet": 5}, 15)
    assert (even.documents_in, even.documents_out, even.dropped) == (15, 5, {"odd": 10})
    assert even.bytes_in == sum(len(f"TEXT {n}") for n in range(20) if n % 4)
    kept = list(read_documents(tmp_path / "b"))
    assert [d.text for d in kept] == ["TEXT 2", "TEXT 6", "TEXT 10", "TEXT 14", "TEXT 18"]
    drops = {drop.id: drop for drop in read_drops(tmp_path / "b")}
    assert len(drops) == 15
    assert drops["d04"][1:] == ("shout", "quiet", "a multiple of four")
    assert drops["d05"][1:] == ("even", "odd", "")
    assert totals.counts == {"seen": 20}


def test_the_split_into_parts_changes_nothing(tmp_path: Path) -> None:
    totals = []
    for num_parts in (1, 3, 7):
        parent = write(tmp_path / f"a{num_parts}", DOCUMENTS, num_parts)
        out = tmp_path / f"b{num_parts}"
        found = run(parent, out, InBatches(), Edit(name="exclaim", version=1, edit=exclaim))
        steps = tuple(replace(step, seconds=0) for step in found.steps)
        totals.append((found._replace(steps=steps), digest_of_parts(out)))
    assert totals[0] == totals[1] == totals[2]
    assert totals[0][1] == content_digest(read_documents(tmp_path / "b1"))


def test_an_operator_that_loses_or_invents_documents_is_found_out(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 1)
    with pytest.raises(LostDocuments, match="faulty lost 20 documents"):
        run(parent, tmp_path / "none", Faulty(times=0))
    with pytest.raises(LostDocuments, match="faulty lost 12 documents"):
        run(parent, tmp_path / "few", Faulty(times=1, until=8))
    with pytest.raises(LostDocuments, match="out of nothing"):
        run(parent, tmp_path / "many", Faulty(times=2))
    assert part_names(tmp_path / "none") == part_names(tmp_path / "many") == []


def test_a_violation_is_counted_sampled_and_dropped(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 2)
    checks = {"subset": same_id, "text_unchanged": same_text}
    totals = run(parent, tmp_path / "b", InBatches(), checks=checks)
    unchanged = totals.invariants[1]
    assert (unchanged.checked, unchanged.violations) == (15, 15)
    assert unchanged.samples[0] == ("d01", "its text was changed")
    assert totals.steps[0].dropped == {"quiet": 5, "violates_text_unchanged": 15}
    assert list(read_documents(tmp_path / "b")) == []


def test_a_policy_puts_the_original_back(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 2)
    totals = run(
        parent,
        tmp_path / "b",
        InBatches(),
        policy="keep_original",
        checks={"text_unchanged": same_text},
    )
    step = totals.steps[0]
    assert (step.kept_original, step.edited, step.documents_out) == (15, 0, 15)
    kept = list(read_documents(tmp_path / "b"))
    assert kept == [d for d in DOCUMENTS if int(d.id[1:]) % 4]
    assert step.bytes_out == sum(len(d.text) for d in kept)


def test_a_fatal_violation_names_document_rule_and_evidence(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 1)
    with pytest.raises(InvariantViolated, match=r"'d01' breaks .*'text_unchanged' of L4: its text"):
        run(
            parent,
            tmp_path / "b",
            InBatches(),
            policy="fatal",
            checks={"text_unchanged": same_text},
        )


def test_a_level_that_may_drop_nothing_stops_at_the_first_drop(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 1)
    select = Select(name="even", version=1, reason=is_odd)
    with pytest.raises(InvariantViolated, match="L1 drops nothing, but step even dropped 'd01'"):
        run(parent, tmp_path / "b", select, level="L1")


def test_documents_that_have_the_level_already_pass_by(tmp_path: Path) -> None:
    documents = [replace(d, meta={"level": "L4" if int(d.id[1:]) < 5 else "L2"}) for d in DOCUMENTS]
    parent = write(tmp_path / "a", documents, 2)
    totals = run(parent, tmp_path / "b", InBatches(), checks={"same": same_text}, policy="drop")
    assert totals.passed_by == (5, sum(len(d.text) for d in documents[:5]))
    assert totals.steps[0].documents_in == 15
    assert list(read_documents(tmp_path / "b")) == documents[:5]


def test_a_build_goes_on_after_the_parts_that_were_done(tmp_path: Path) -> None:
    documents = [*DOCUMENTS[:15], replace(DOCUMENTS[15], id="not-a-number"), *DOCUMENTS[16:]]
    parent, out = write(tmp_path / "a", documents, 4), tmp_path / "b"
    with pytest.raises(ValueError, match="invalid literal"):
        run(parent, out, InBatches())
    done = {name: (out / "documents" / f"{name}.jsonl.zst").stat() for name in part_names(out)}
    assert sorted(done) == ["00000", "00001", "00002"]
    write(tmp_path / "a", DOCUMENTS, 4)
    totals = run(parent, out, InBatches())
    assert totals.steps[0].documents_in == 20
    for name, before in done.items():
        after = (out / "documents" / f"{name}.jsonl.zst").stat()
        assert after.st_mtime_ns == before.st_mtime_ns
    whole = run(write(tmp_path / "c", DOCUMENTS, 4), tmp_path / "d", InBatches())
    assert digest_of_parts(out) == digest_of_parts(tmp_path / "d")
    assert replace(totals.steps[0], seconds=0) == replace(whole.steps[0], seconds=0)


def test_several_workers_give_what_one_gives(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 4)
    run(parent, tmp_path / "one", Edit(name="exclaim", version=1, edit=str_upper))
    report, reports = Report(), tmp_path / "two" / "work" / "reports"
    pipeline = [
        ReadParts(parent, report, level="L4", climbs=True),
        Operate(Edit(name="exclaim", version=1, edit=str_upper), report),
        Settle(
            tmp_path / "two",
            report,
            reports,
            Rules(level="L4", checks={"subset": same_id}, policy="drop"),
        ),
    ]
    Engine(work=tmp_path / "two" / "work", workers=2).run("level", pipeline, 4)
    assert digest_of_parts(tmp_path / "one") == digest_of_parts(tmp_path / "two")
    totals = add_up(reports, part_names(parent), {"exclaim": (1, {})})
    assert totals.steps[0].edited == 20


def str_upper(document: Document) -> Document:
    return replace(document, text=document.text.upper())


@dataclass(frozen=True, kw_only=True)
class Slow:
    """Takes its time over each document."""

    name: str = "slow"
    version: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        for document in documents:
            time.sleep(0.005)
            yield document


def test_a_step_is_charged_its_own_time_and_the_last_one_the_violations(tmp_path: Path) -> None:
    parent = write(tmp_path / "a", DOCUMENTS, 1)
    last = Edit(name="exclaim", version=1, edit=exclaim)
    totals = run(parent, tmp_path / "b", Slow(), last, checks={"text_unchanged": same_text})
    slow, quick = totals.steps
    assert slow.seconds > 0.09 > quick.seconds
    assert slow.documents_out == quick.documents_in == 20
    assert (slow.dropped, quick.dropped) == ({}, {"violates_text_unchanged": 20})
