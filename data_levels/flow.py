"""The way of documents through a level, as datatrove steps: all counted, checked and sampled.

A pipeline is `ReadParts`, one `Operate` for each operator, and `Settle`. What flows
is a `Passage`: the document as it came in and as it is now. A dropped one flows on to the end, past
the operators, so that none can be lost on the way.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from davinci.data_levels.accounts import MAX_EVIDENCE, Account, Measured, Report, timed
from davinci.data_levels.chain import LEVELS
from davinci.data_levels.corpus import Drop, PartWriter, part_names, read_part, utf8, writing_part
from davinci.data_levels.document import Document, Dropped
from davinci.data_levels.levels.operator import Check, Operator


class InvariantViolated(ValueError):
    """A level broke its own rule, and the policy is to stop."""


class LostDocuments(AssertionError):
    """An operator did not give exactly one outcome for every document."""


@dataclass(slots=True)
class Passage:
    """A document on its way; `dropped` is set by the first step that lets it go.

    `passes_by` marks a document that has this level already: no operator sees it.
    """

    before: Document
    now: Document
    size: int
    dropped: Drop | None = None
    passes_by: bool = False


class Stream:
    """The live documents of one part, for an operator; `part` is the part's name."""

    def __init__(self, part: str, documents: Iterator[Document]) -> None:
        self.part = part
        self._documents = documents

    def __iter__(self) -> Iterator[Document]:
        """Iterate over the documents, once."""
        return self._documents


class ReadParts(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Reads the part of a corpus whose place is the rank."""

    type, name = "READER", "part"

    def __init__(self, corpus: Path, report: Report, *, level: str, climbs: bool) -> None:
        """Take the corpus to read; `climbs`: documents that have the level already pass by."""
        super().__init__()
        self._corpus, self._report, self._level, self._climbs = corpus, report, level, climbs

    def run(self, data: object, rank: int = 0, world_size: int = 1) -> Iterator[Passage]:
        """Return the passages of one part; its name is in the report at once."""
        self._report.part = part_names(self._corpus)[rank]
        return self._passages()

    def _passages(self) -> Iterator[Passage]:
        for document, seconds in timed(read_part(self._corpus, self._report.part)):
            self._report.read_s += seconds
            passage = Passage(document, document, len(utf8(document.text)))
            if self._climbs and has_level(document, self._level):
                passage.passes_by = True
                self._report.passed_by += 1
                self._report.passed_by_bytes += passage.size
            yield passage


class Operate(PipelineStep):  # type: ignore[misc]
    """Lets an operator work on the documents that are still there."""

    type, name = "OPERATOR", "operator"

    def __init__(self, operator: Operator, report: Report) -> None:
        """Take the operator, and the report that its part shares."""
        super().__init__()
        self.name = operator.name
        self._operator, self._report = operator, report

    def run(self, data: Iterator[Passage], rank: int = 0, world_size: int = 1) -> Iterator[Passage]:
        """Return every passage that came in, with what the operator made of it.

        The account is opened at once, not when the first document is asked for: the last step is
        asked first, and accounts stand in the order of the steps.

        Raises:
            LostDocuments: If the operator gave more or fewer outcomes than documents.
        """
        account = self._report.accounts.setdefault(self.name, Account())
        return self._operate(data, account)

    def _operate(self, data: Iterator[Passage], account: Account) -> Iterator[Passage]:
        waiting: deque[Passage] = deque()

        def live() -> Iterator[Document]:
            for passage in data:
                waiting.append(passage)
                if passage.dropped is None and not passage.passes_by:
                    account.documents_in += 1
                    account.bytes_in += passage.size
                    yield passage.now

        stream = Stream(self._report.part, live())
        outcomes = self._operator.run(stream, self._report.counts)
        for outcome, seconds in timed(outcomes):
            account.inclusive_s += seconds
            while waiting and (waiting[0].dropped is not None or waiting[0].passes_by):
                yield waiting.popleft()
            if not waiting:
                raise LostDocuments(f"Operator {self.name} made a document out of nothing.")
            yield self._apply(outcome, waiting.popleft(), account)
        deque(stream, maxlen=0)  # an operator that stopped early must not hide what is left
        lost = sum(passage.dropped is None and not passage.passes_by for passage in waiting)
        if lost:
            raise LostDocuments(f"Operator {self.name} lost {lost} documents.")
        yield from waiting

    def _apply(self, outcome: Document | Dropped, passage: Passage, account: Account) -> Passage:
        if isinstance(outcome, Dropped):
            passage.dropped = Drop(passage.before.id, self.name, outcome.reason, outcome.detail)
            account.drop(outcome.reason)
            return passage
        if outcome.text is not passage.now.text and outcome.text != passage.now.text:
            account.edited += 1
            passage.size = len(utf8(outcome.text))
        passage.now = outcome
        account.documents_out += 1
        account.bytes_out += passage.size
        return passage


class Settle(PipelineStep):  # type: ignore[misc]
    """Checks the level's invariants, applies the policy, writes the part and its report."""

    type, name = "WRITER", "settle"

    def __init__(self, out: Path, report: Report, reports: Path, rules: "Rules") -> None:
        """Take the corpus to write into, the shared report and its folder, and the rules."""
        super().__init__()
        self._out, self._report, self._reports, self._rules = out, report, reports, rules

    def run(self, data: Iterator[Passage], rank: int = 0, world_size: int = 1) -> Iterator[Passage]:
        """Write everything that comes in; yield nothing."""
        for name in self._rules.checks:
            self._report.invariants.setdefault(name, Measured())
        with writing_part(self._out, self._report.part) as writer:
            for passage in data:
                self._settle(passage, writer)
        self._report.save(self._reports)
        yield from ()

    def _settle(self, passage: Passage, writer: PartWriter) -> None:
        if passage.dropped is None and not passage.passes_by:
            self._check(passage)
        drop = passage.dropped
        if drop is None:
            writer.write(passage.now)
            self._report.samples.add(passage.before, passage.now)
        elif not self._rules.may_drop:
            raise InvariantViolated(
                f"{self._rules.level} drops nothing, but step {drop.step} dropped {drop.id!r}: "
                f"{drop.reason}."
            )
        else:
            writer.drop(drop)
            self._report.samples.add(passage.before, None, drop.reason, drop.detail)

    def _check(self, passage: Passage) -> None:
        broken = ""
        for name, check in self._rules.checks.items():
            measured = self._report.invariants[name]
            measured.checked += 1
            if evidence := check(passage.before, passage.now):
                measured.violations += 1
                if len(measured.samples) < MAX_EVIDENCE:
                    measured.samples.append((passage.before.id, evidence))
                broken = broken or f"{name}\x00{evidence}"
        if broken:
            self._punish(passage, *broken.split("\x00", 1))

    def _punish(self, passage: Passage, name: str, evidence: str) -> None:
        """Apply the policy to a document that broke an invariant; charge the last operator."""
        last, account = list(self._report.accounts.items())[-1]
        if self._rules.policy == "fatal":
            raise InvariantViolated(
                f"Document {passage.before.id!r} breaks the invariant {name!r} of "
                f"{self._rules.level}: {evidence}."
            )
        account.documents_out -= 1
        account.bytes_out -= passage.size
        account.edited -= passage.now.text != passage.before.text
        if self._rules.policy == "keep_original":
            account.kept_original += 1
            passage.now, passage.size = passage.before, len(utf8(passage.before.text))
            account.documents_out += 1
            account.bytes_out += passage.size
        else:
            account.drop(reason := f"violates_{name}")
            passage.dropped = Drop(passage.before.id, last, reason, evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A level's invariants, and what happens to a document that breaks one.

    `may_drop` is False for a level that promises to drop nothing (L1).
    """

    level: str
    checks: Mapping[str, Check]
    policy: str
    may_drop: bool = True


def has_level(document: Document, level: str) -> bool:
    """Return whether a document has a level already, as its source publishes it."""
    own = document.meta.get("level", "")
    return own in LEVELS and LEVELS.index(own) >= LEVELS.index(level)


def same_id(before: Document, after: Document) -> str:
    """Check that a document is still the one it was."""
    kept = before.id == after.id and before.domain == after.domain
    return "" if kept else f"{before.id!r} came out as {after.id!r} in {after.domain}"


def same_text(before: Document, after: Document) -> str:
    """Check that the text is byte for byte what it was."""
    return "" if before.text == after.text else "its text was changed"
