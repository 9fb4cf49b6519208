"""Scores of one run as a search reads them from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from davinci.platform.store import tables


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores and costs of a run, by `protocol/benchmark/metric` or `cost/name`."""

    by_name: Mapping[str, float] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """Return a score, or the mean of a protocol's; None where there is none."""
        if "/" in name:
            return self.by_name.get(name)
        first: dict[str, float] = {}
        for key, score in self.by_name.items():
            protocol, benchmark, _ = key.split("/", 2) if key.count("/") > 1 else ("", "", "")
            if protocol == name:
                first.setdefault(benchmark, score)
        return sum(first.values()) / len(first) if first else None


def read_scores(engine: Engine, tasks: Sequence[str]) -> Scores:
    """Return the scores of evaluations and the costs of segments, by their digests."""
    outcomes, segment, task = tables.outcomes, tables.segment, tables.task
    wanted = list(tasks)
    query = (
        select(outcomes.c.protocol, outcomes.c.benchmark, outcomes.c.metric, outcomes.c.score)
        .where(outcomes.c.task.in_(wanted))
        .order_by(outcomes.c.benchmark, outcomes.c.metric)
    )
    costs = (
        select(segment.c.flops, segment.c.tokens, task.c.cpu_s)
        .join(task, task.c.digest == segment.c.task)
        .where(segment.c.task.in_(wanted))
    )
    with engine.connect() as connection:
        found = {
            f"{protocol}/{benchmark}/{metric}": float(score)
            for protocol, benchmark, metric, score in connection.execute(query)
        }
        rows = connection.execute(costs).all()
    if rows:
        found["cost/flops"] = float(sum(row.flops for row in rows))
        found["cost/tokens"] = float(sum(row.tokens for row in rows))
        found["cost/cpu_s"] = float(sum(row.cpu_s for row in rows))
    return Scores(found)
