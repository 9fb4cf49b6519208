"""The corpora of a sweep as a reader wants them: per domain, level by level, with documents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.data_levels.chain import chain_of
from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Corpus, Sweep

MAX_SAMPLES = 4
MAX_PER_REASON = 2
MAX_REASONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One document before and after a level; `reason` is set where it was dropped."""

    id: str
    before: str
    after: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One operator of a level, with its parameters in words."""

    name: str
    version: int
    parameters: str
    documents_in: int
    documents_out: int
    bytes_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantRow:
    """One rule of a level: on how many documents it was measured, and what broke it."""

    name: str
    checked: int
    violations: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """One domain at one level, summed over the corpora of different worlds or settings."""

    level: str
    num_corpora: int
    documents_in: int
    documents_out: int
    bytes_in: int
    bytes_out: int
    edited: int
    dropped: Mapping[str, int]
    teacher: str
    arms: tuple[str, ...]
    violations: tuple[str, ...]
    notes: tuple[str, ...]
    digests: tuple[str, ...]
    seconds: float
    steps: tuple[StepRow, ...]
    invariants: tuple[InvariantRow, ...]
    counts: Mapping[str, float]
    samples: tuple[Sample, ...]
    dropped_samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCorpora:
    """All levels of one domain, shallowest first."""

    domain: str
    rows: tuple[LevelRow, ...]


def domain_corpora(sweep: Sweep) -> tuple[DomainCorpora, ...]:
    """Return the corpora by domain and level; empty where the sweep has none."""
    arms_of: dict[str, list[str]] = {}
    for arm in sweep.arms:
        for digest in {digest for run in arm.runs for digest in run.corpora.values()}:
            arms_of.setdefault(digest, []).append(arm.label)
    groups: dict[str, dict[str, list[Corpus]]] = {}
    for corpus in sweep.corpora.values():
        groups.setdefault(corpus.domain, {}).setdefault(corpus.level, []).append(corpus)
    order = [*(d for d in DOMAINS if d in groups), *sorted(set(groups) - set(DOMAINS))]
    return tuple(
        DomainCorpora(
            domain=domain,
            rows=tuple(
                _row(level, groups[domain][level], arms_of)
                for level in sorted(groups[domain], key=depth_order)
            ),
        )
        for domain in order
    )


def teachers(sweep: Sweep) -> list[str]:
    """Return the labels of all teachers whose output some corpus holds."""
    labels = (str(corpus.manifest.get("teacher") or "") for corpus in sweep.corpora.values())
    return sorted({label for label in labels if label})


def _row(level: str, corpora: list[Corpus], arms_of: Mapping[str, list[str]]) -> LevelRow:
    manifests = [corpus.manifest for corpus in corpora]
    steps = [step for manifest in manifests for step in manifest.get("steps", ())]
    return LevelRow(
        level=level,
        num_corpora=len(corpora),
        documents_in=_total(manifests, "documents_in"),
        documents_out=_total(manifests, "documents_out"),
        bytes_in=_total(manifests, "bytes_in"),
        bytes_out=_total(manifests, "bytes_out"),
        edited=_total(steps, "edited"),
        dropped=_dropped(steps),
        teacher=", ".join(_texts(manifest.get("teacher") for manifest in manifests)),
        arms=tuple(_texts(arm for corpus in corpora for arm in arms_of.get(corpus.digest, []))),
        violations=_violations(manifests),
        notes=tuple(_texts(note for manifest in manifests for note in manifest.get("notes", ()))),
        digests=tuple(corpus.digest for corpus in corpora),
        seconds=sum(float(manifest.get("seconds") or 0.0) for manifest in manifests),
        steps=tuple(_step(step) for step in manifests[0].get("steps", ())),
        invariants=_invariants(manifests),
        counts=_counts(manifests),
        samples=_samples(manifests[0], dropped=False)[:MAX_SAMPLES],
        dropped_samples=_dropped_samples(manifests[0]),
    )


def depth_order(level: str) -> tuple[int, tuple[str, ...]]:
    """Return a sort key for names of chains: short ones first."""
    try:
        chain = chain_of(level)
    except ValueError:
        return 99, (level,)
    return len(chain), chain


def _total(rows: Iterable[Mapping[str, Any]], field: str) -> int:
    return sum(int(row.get(field) or 0) for row in rows)


def _texts(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values if value))


def _dropped(steps: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in steps:
        for reason, num in (step.get("dropped") or {}).items():
            counts[str(reason)] = counts.get(str(reason), 0) + int(num)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _violations(manifests: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        f"{found.get('name', '?')}: {found['violations']:,} of {found.get('checked', 0):,}"
        for manifest in manifests
        for found in manifest.get("invariants", ())
        if found.get("violations")
    )


def _step(step: Mapping[str, Any]) -> StepRow:
    parameters = step.get("parameters") or {}
    return StepRow(
        name=str(step.get("name", "?")),
        version=int(step.get("version") or 0),
        parameters=", ".join(f"{name} = {value}" for name, value in sorted(parameters.items())),
        documents_in=int(step.get("documents_in") or 0),
        documents_out=int(step.get("documents_out") or 0),
        bytes_out=int(step.get("bytes_out") or 0),
    )


def _invariants(manifests: Iterable[Mapping[str, Any]]) -> tuple[InvariantRow, ...]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for manifest in manifests:
        for found in manifest.get("invariants", ()):
            rows.setdefault(str(found.get("name", "?")), []).append(found)
    return tuple(
        InvariantRow(
            name=name,
            checked=_total(found, "checked"),
            violations=_total(found, "violations"),
            evidence=tuple(
                f"{document}: {evidence}" for one in found for document, evidence in _pairs(one)
            )[:MAX_PER_REASON],
        )
        for name, found in rows.items()
    )


def _pairs(invariant: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(pair[0]), str(pair[1])) for pair in invariant.get("samples") or ()]


def _counts(manifests: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for manifest in manifests:
        for name, value in (manifest.get("counts") or {}).items():
            total[str(name)] = total.get(str(name), 0) + float(value)
    return total


def _samples(manifest: Mapping[str, Any], *, dropped: bool) -> tuple[Sample, ...]:
    """Return the samples of what was dropped, or of what was kept: edited ones first."""
    found = [
        Sample(**{name: str(sample.get(name) or "") for name in Sample.__dataclass_fields__})
        for sample in manifest.get("samples", ())
    ]
    return tuple(sample for sample in found if bool(sample.reason) == dropped)


def _dropped_samples(manifest: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Return one or two documents for every reason to drop them."""
    by_reason: dict[str, list[Sample]] = {}
    for sample in _samples(manifest, dropped=True):
        by_reason.setdefault(sample.reason, []).append(sample)
    reasons = sorted(by_reason)[:MAX_REASONS]
    return tuple(sample for reason in reasons for sample in by_reason[reason][:MAX_PER_REASON])
