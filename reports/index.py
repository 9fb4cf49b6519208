"""The index of everything: all ablations and sweeps, what they cover, what to run next."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from davinci.ablations.declaration import Ablation
from davinci.ablations.wording import interval, number
from davinci.reports.entries import ClaimEntry, IndexEntry

MAX_NEXT = 8
MAX_LEAGUE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One line: a sweep, or an ablation of the catalogue that was not run yet.

    `look` marks a sweep all of whose runs a later sweep of the same ablation has, too: an earlier
    look of a race, or the same with fewer seeds.
    """

    title: str
    name: str
    theme: str
    state: str
    says: str
    effect: float | None
    numbers: str
    scale: str
    flops: float
    wall_s: float
    runs: str
    created: str
    href: str
    command: str
    look: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """A claim that more seeds would settle; `wall_s` is what they would take, 0 if unknown."""

    words: str
    command: str
    num_runs: int
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """How often a benchmark's metric told arms apart, by size of the models: (sweeps, of)."""

    benchmark: str
    protocol: str
    metric: str
    by_scale: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """The arms of one scale by bits per byte: (label, mean scores, runs, title, href)."""

    scale: str
    protocols: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, float], int, str, str], ...]


def index_rows(entries: Sequence[IndexEntry], catalogue: Sequence[Ablation]) -> list[IndexRow]:
    """Return all sweeps, newest first, then what was never run."""
    newest = sorted(entries, key=lambda entry: (entry.created, entry.href), reverse=True)
    looks = earlier_looks(newest)
    rows = [_row(entry, look=entry.sweep in looks) for entry in newest]
    run = {entry.ablation for entry in entries}
    return rows + [_unrun(ablation) for ablation in catalogue if ablation.name not in run]


def earlier_looks(entries: Sequence[IndexEntry]) -> set[str]:
    """Return the sweeps whose runs are all in a larger sweep of the same ablation."""
    by_name: dict[str, list[IndexEntry]] = {}
    for entry in entries:
        if entry.ablation:
            by_name.setdefault(entry.ablation, []).append(entry)
    found = set()
    for own in by_name.values():
        sets = [(entry, frozenset(entry.runs)) for entry in own]
        found |= {entry.sweep for entry, runs in sets if any(runs < other for _, other in sets)}
    return found


def _row(entry: IndexEntry, *, look: bool) -> IndexRow:
    claim = entry.claims[0] if entry.claims else None
    return IndexRow(
        title=entry.title,
        name=entry.ablation or entry.axes,
        theme=entry.theme.replace("_", " "),
        state=entry.verdict,
        says=entry.headline,
        effect=claim.effect if claim else None,
        numbers=_numbers(claim) if claim else "",
        scale=entry.scale,
        flops=entry.flops,
        wall_s=entry.wall_s,
        runs=f"{entry.num_done} of {entry.num_runs}",
        created=entry.created,
        href=entry.href,
        command="",
        look=look,
    )


def _unrun(ablation: Ablation) -> IndexRow:
    return IndexRow(
        title=ablation.question,
        name=ablation.name,
        theme=ablation.theme.replace("_", " "),
        state="not run",
        says=ablation.claims[0].words(ablation.baseline),
        effect=None,
        numbers="",
        scale="",
        flops=0.0,
        wall_s=0.0,
        runs="",
        created="",
        href="",
        command=f"python run.py -m ablation={ablation.name}",
        look=False,
    )


def _numbers(claim: ClaimEntry) -> str:
    if claim.effect is None:
        return ""
    ends = ""
    if claim.low is not None and claim.high is not None:
        ends = " " + interval(claim.low, claim.high, signed=True)
    return number(claim.effect, signed=True) + ends


def next_runs(entries: Sequence[IndexEntry]) -> list[NextRun]:
    """Return what would settle open claims, the cheapest first."""
    found = []
    for entry in entries:
        claim = entry.claims[0] if entry.claims else None
        if claim is None or not claim.seeds_to_settle:
            continue
        num_arms = max(len(entry.arms), 1)
        have = max((arm.num_done for arm in entry.arms), default=0)
        if claim.state != "inconclusive" or claim.seeds_to_settle <= have:
            continue
        command, replicates = _with_seeds(entry.command, claim.seeds_to_settle)
        missing = num_arms * (replicates - have)
        each = entry.wall_s / entry.num_done if entry.num_done else 0.0
        found.append(
            NextRun(words=claim.words, command=command, num_runs=missing, wall_s=missing * each)
        )
    return sorted(found, key=lambda one: (one.wall_s, one.command))[:MAX_NEXT]


def _with_seeds(command: str, num: int) -> tuple[str, int]:
    """Return a command for at least `num` replicates, and how many it gives."""
    words = shlex.split(command)
    worlds = next((int(w[7:]) for w in words if w.startswith("worlds=") and w[7:].isdigit()), 1)
    seeds = math.ceil(num / worlds)
    kept = [word for word in words if not word.startswith("seeds=")]
    return shlex.join([*kept, f"seeds={seeds}"]), seeds * worlds


def deciding(entries: Sequence[IndexEntry]) -> tuple[tuple[str, ...], list[Deciding]]:
    """Return the sizes of models, and for every metric how often it told arms apart at each."""
    found: dict[tuple[str, str, str], dict[str, tuple[int, int]]] = {}
    for entry in entries:
        for signal in entry.signals:
            by_scale = found.setdefault((signal.benchmark, signal.protocol, signal.metric), {})
            did, of = by_scale.get(_size(entry), (0, 0))
            by_scale[_size(entry)] = (did + signal.decides, of + 1)
    rows = [
        Deciding(benchmark=b, protocol=p, metric=m, by_scale=s) for (b, p, m), s in found.items()
    ]
    rows.sort(key=lambda row: (-_share(row), row.protocol, row.benchmark))
    return tuple(dict.fromkeys(_size(entry) for entry in entries if entry.signals)), rows


def _size(entry: IndexEntry) -> str:
    return entry.scale.partition(" parameters")[0]


def _share(row: Deciding) -> float:
    return sum(did for did, _ in row.by_scale.values()) / sum(of for _, of in row.by_scale.values())


def coverage(entries: Sequence[IndexEntry]) -> dict[str, dict[str, int]]:
    """Return axis -> value -> finished runs."""
    found: dict[str, dict[str, int]] = {}
    for entry in entries:
        for arm in entry.arms:
            for axis, value in arm.choices.items():
                counts = found.setdefault(axis, {})
                counts[value] = counts.get(value, 0) + arm.num_done
    return {axis: dict(sorted(counts.items())) for axis, counts in sorted(found.items())}


def crossed(entries: Sequence[IndexEntry]) -> list[tuple[str, str, int, int]]:
    """Return pairs of axes that were varied together: combinations tried, and how many exist."""
    seen: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for entry in entries:
        for arm in entry.arms:
            for first, second in combinations(sorted(arm.choices), 2):
                both = (arm.choices[first], arm.choices[second])
                seen.setdefault((first, second), set()).add(both)
    return [
        (first, second, len(both), len({a for a, _ in both}) * len({b for _, b in both}))
        for (first, second), both in sorted(seen.items())
    ]


def leagues(entries: Sequence[IndexEntry]) -> list[League]:
    """Return for every scale its arms, the fewest bits per byte first."""
    by_scale: dict[str, list[IndexEntry]] = {}
    for entry in entries:
        by_scale.setdefault(entry.scale, []).append(entry)
    found = []
    for scale, own in by_scale.items():
        rows = [
            (arm.label, dict(arm.means), arm.num_done, entry.title, entry.href)
            for entry in own
            for arm in entry.arms
            if "bpb" in arm.means
        ]
        rows.sort(key=lambda row: row[1]["bpb"])
        names = dict.fromkeys(name for row in rows for name in row[1])
        if rows:
            found.append(League(scale=scale, protocols=tuple(names), rows=tuple(rows[:MAX_LEAGUE])))
    return found
