"""The corpora of a sweep as a reader wants them: per domain, level by level, with documents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Corpus, Sweep

MAX_SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One document before and after a level; `reason` is set where it was dropped."""

    id: str
    before: str
    after: str
    reason: str


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
    samples: tuple[Sample, ...]


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
            rows=tuple(_row(lv, groups[domain][lv], arms_of) for lv in sorted(groups[domain])),
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
        samples=_samples(manifests[0]),
    )


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


def _samples(manifest: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Return a few samples, kept and dropped documents both among them where there are any."""
    found = [
        Sample(
            id=str(sample.get("id", "")),
            before=str(sample.get("before", "")),
            after=str(sample.get("after", "")),
            reason=str(sample.get("reason", "")),
        )
        for sample in manifest.get("samples", ())
    ]
    kept = [sample for sample in found if not sample.reason]
    dropped = [sample for sample in found if sample.reason]
    num_dropped = min(len(dropped), max(MAX_SAMPLES // 2, MAX_SAMPLES - len(kept)))
    return tuple(kept[: MAX_SAMPLES - num_dropped] + dropped[:num_dropped])
