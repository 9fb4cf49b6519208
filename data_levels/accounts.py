"""What happened to the documents of each part, and the sums of all parts for the manifest."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from davinci.data_levels.corpus import write_aside
from davinci.data_levels.manifest import Invariant, Sample, Step
from davinci.data_levels.samples import Samples

T = TypeVar("T")

MAX_EVIDENCE = 5
"""Violations of one invariant that a manifest shows."""


@dataclass(slots=True)
class Account:
    """What one operator did in one part. `inclusive_s` counts the steps before it too."""

    documents_in: int = 0
    bytes_in: int = 0
    documents_out: int = 0
    bytes_out: int = 0
    edited: int = 0
    kept_original: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    inclusive_s: float = 0.0

    def drop(self, reason: str) -> None:
        """Count a dropped document."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


@dataclass(slots=True)
class Measured:
    """One invariant in one part."""

    checked: int = 0
    violations: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What the steps of one part share: the part's name, its accounts, counts and samples."""

    part: str = ""
    read_s: float = 0.0
    passed_by: int = 0
    passed_by_bytes: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    invariants: dict[str, Measured] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)

    def save(self, folder: Path) -> None:
        """Write the report of this part into a folder."""
        row = {
            "read_s": self.read_s,
            "passed_by": self.passed_by,
            "passed_by_bytes": self.passed_by_bytes,
            "accounts": {name: asdict(account) for name, account in self.accounts.items()},
            "invariants": {name: asdict(found) for name, found in self.invariants.items()},
            "counts": self.counts,
            "samples": [asdict(sample) for sample in self.samples.all()],
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_aside(folder / f"{self.part}.json", json.dumps(row).encode("ascii"))


class Totals(NamedTuple):
    """The sums over all parts; `passed_by` documents had the level already."""

    steps: tuple[Step, ...]
    invariants: tuple[Invariant, ...]
    counts: dict[str, float]
    samples: tuple[Sample, ...]
    passed_by: tuple[int, int]


def add_up(
    reports: Path, parts: Iterable[str], operators: Mapping[str, tuple[int, Mapping[str, Any]]]
) -> Totals:
    """Return the sums over the reports of the named parts.

    Args:
        reports: Folder of the reports.
        parts: Names of the parts, in order.
        operators: Name -> version and parameters, in the order in which they ran.
    """
    accounts = {name: Account() for name in operators}
    invariants: dict[str, Measured] = {}
    counts: Counter[str] = Counter()
    samples = Samples()
    passed = passed_bytes = 0
    for part in parts:
        row = json.loads((reports / f"{part}.json").read_bytes())
        before_s = row["read_s"]
        for name, values in row["accounts"].items():
            own_s = values["inclusive_s"] - before_s
            before_s = values["inclusive_s"] or before_s
            _add(accounts[name], {**values, "inclusive_s": max(0.0, own_s)})
        for name, values in row["invariants"].items():
            _add_measured(invariants.setdefault(name, Measured()), values)
        counts.update(row["counts"])
        samples.merge(Sample(**sample) for sample in row["samples"])
        passed += row["passed_by"]
        passed_bytes += row["passed_by_bytes"]
    return Totals(
        steps=tuple(_step(name, *operators[name], accounts[name]) for name in operators),
        invariants=tuple(_invariant(name, found) for name, found in invariants.items()),
        counts={name: counts[name] for name in sorted(counts)},
        samples=samples.chosen(),
        passed_by=(passed, passed_bytes),
    )


def timed(items: Iterable[T]) -> Iterator[tuple[T, float]]:
    """Yield every item with the seconds that it took to come."""
    iterator = iter(items)
    while True:
        started = time.perf_counter()
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item, time.perf_counter() - started


def _add(account: Account, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name == "dropped":
            account.dropped = dict(Counter(account.dropped) + Counter(value))
        else:
            setattr(account, name, getattr(account, name) + value)


def _add_measured(found: Measured, values: Mapping[str, Any]) -> None:
    found.checked += values["checked"]
    found.violations += values["violations"]
    found.samples += [(name, evidence) for name, evidence in values["samples"]]


def _step(name: str, version: int, parameters: Mapping[str, Any], account: Account) -> Step:
    assert account.documents_in == account.documents_out + sum(account.dropped.values()), name
    return Step(
        name=name,
        version=version,
        parameters=parameters,
        documents_in=account.documents_in,
        bytes_in=account.bytes_in,
        documents_out=account.documents_out,
        bytes_out=account.bytes_out,
        edited=account.edited,
        kept_original=account.kept_original,
        dropped=dict(sorted(account.dropped.items())),
        seconds=account.inclusive_s,
    )


def _invariant(name: str, found: Measured) -> Invariant:
    return Invariant(
        name=name,
        checked=found.checked,
        violations=found.violations,
        samples=tuple(found.samples[:MAX_EVIDENCE]),
    )
