"""What the models wrote, item by item, arms beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from davinci.ablations.alignment import done_runs
from davinci.data_levels.document import DOMAINS
from davinci.platform.store.records import Arm, Outcomes, Sweep

MAX_ITEMS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One item with every arm's answer: arm label -> (text, value)."""

    item: str
    prompt: str
    expected: str
    answers: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSamples:
    """Sample items of one benchmark; `replicates` says which run of each arm wrote the answers."""

    benchmark: str
    domain: str
    protocol: str
    metric: str
    replicates: Mapping[str, str]
    items: tuple[Generation, ...]

    @property
    def has_expected(self) -> bool:
        """Whether any item has an expected answer."""
        return any(item.expected for item in self.items)


def benchmark_samples(sweep: Sweep) -> tuple[BenchmarkSamples, ...]:
    """Return the samples of every benchmark, from the first finished run of each arm."""
    found: dict[tuple[str, str, str], dict[str, tuple[str, Outcomes]]] = {}
    for arm in sweep.arms:
        for key, (replicate, outcomes) in _first_samples(arm).items():
            found.setdefault(key, {})[arm.label] = (replicate, outcomes)
    return tuple(
        BenchmarkSamples(
            benchmark=benchmark,
            domain=domain,
            protocol=protocol,
            metric=next(iter(by_arm.values()))[1].metric,
            replicates={label: replicate for label, (replicate, _) in by_arm.items()},
            items=_items({label: outcomes for label, (_, outcomes) in by_arm.items()}),
        )
        for (protocol, domain, benchmark), by_arm in sorted(found.items(), key=_reading_order)
    )


def _reading_order(pair: tuple[tuple[str, str, str], object]) -> tuple[int, int, str]:
    """Written answers first, then ranked options, then held-out text; domains in their order."""
    (protocol, domain, benchmark), _ = pair
    protocols, domains = ("generative", "ppl", "bpb"), list[str](DOMAINS)
    rank = protocols.index(protocol) if protocol in protocols else len(protocols)
    return rank, domains.index(domain) if domain in domains else len(domains), benchmark


def _first_samples(arm: Arm) -> dict[tuple[str, str, str], tuple[str, Outcomes]]:
    found: dict[tuple[str, str, str], tuple[str, Outcomes]] = {}
    for replicate, run in done_runs(arm).items():
        name = f"world {replicate.world_seed}, seed {replicate.seed}"
        for outcomes in run.outcomes:
            if outcomes.samples:
                key = (outcomes.protocol, outcomes.domain, outcomes.benchmark)
                found.setdefault(key, (name, outcomes))
    return found


def _items(by_arm: Mapping[str, Outcomes]) -> tuple[Generation, ...]:
    by_item: dict[str, dict[str, Mapping[str, str]]] = {}
    for label, outcomes in by_arm.items():
        for sample in outcomes.samples:
            by_item.setdefault(str(sample.get("id", "")), {})[label] = sample
    most = sorted(by_item.items(), key=lambda pair: -len(pair[1]))[:MAX_ITEMS]
    return tuple(
        Generation(
            item=item,
            prompt=str(next(iter(samples.values())).get("prompt", "")),
            expected=str(next(iter(samples.values())).get("expected", "")),
            answers={
                label: (str(sample.get("got", "")), str(sample.get("value", "")))
                for label, sample in samples.items()
            },
        )
        for item, samples in most
    )
