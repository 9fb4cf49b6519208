"""Averages over benchmarks as the paper takes them: plain means, per cluster and over all.

The paper's overall is the mean over its 19 benchmarks, so that the cluster *general* weighs 9 of
19, *code* 3 and *science* 7 (daVinci-LLM Section 3.2; this reproduces every overall of Table 6).
"""

import math
from collections.abc import Mapping

from davinci.platform.curriculum.settings import CLUSTERS
from davinci.platform.evaluation.harness.suite import suite

CLUSTER_OF: Mapping[str, str] = {
    domain: cluster for cluster, domains in CLUSTERS["paper"].items() for domain in domains
}


def averages(scores: Mapping[str, float]) -> dict[str, float]:
    """Return `general`, `code`, `science` and `overall`, from scores of the suite by name.

    An average of which a benchmark is missing is NaN: over fewer it would be another number.
    """
    members: dict[str, list[str]] = {}
    for name, benchmark in suite().items():
        members.setdefault(CLUSTER_OF[benchmark.domain], []).append(name)
    found = {cluster: _mean(scores, names) for cluster, names in members.items()}
    return found | {"overall": _mean(scores, list(suite()))}


def missing(scores: Mapping[str, float]) -> tuple[str, ...]:
    """Return the benchmarks of the suite that have no score."""
    return tuple(name for name in suite() if not math.isfinite(scores.get(name, math.nan)))


def _mean(scores: Mapping[str, float], names: list[str]) -> float:
    return sum(scores.get(name, math.nan) for name in names) / len(names)
