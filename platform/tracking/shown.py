"""What MLflow shows of a run, as the store has it: computed here, written and checked elsewhere."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from davinci.platform.config.identity import digest, flatten
from davinci.platform.store.records import Arm, Run, Sweep

MAX_PARAM_CHARS = 6000
MAX_DIGEST_CHARS = 36
"""Limits of MLflow's own."""
UI_HOST, UI_PORT = "127.0.0.1", 5000
"""Where `davinci ui` serves MLflow; the reports have the next port."""
STATUS: Mapping[str, str] = {"done": "FINISHED", "failed": "FAILED"}
"""State of a run -> MLflow's. Runs in any other state are not shown: nobody could say when it ends,
and MLflow would show a dead one as running for ever."""


class Point(NamedTuple):
    """One value of a metric; the step counts trained tokens."""

    name: str
    value: float
    step: int


class DatasetShown(NamedTuple):
    """A corpus that a run was trained on; `profile` and `source` are JSON."""

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that MLflow shows of one run; times are Unix milliseconds, None where not known."""

    name: str
    status: str
    started: int | None
    finished: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: tuple[Point, ...]
    datasets: tuple[DatasetShown, ...]

    @property
    def finals(self) -> dict[str, float]:
        """The value of each metric that MLflow shows first: the one of the last step."""
        last: dict[str, Point] = {}
        for point in self.metrics:
            if point.name not in last or point.step >= last[point.name].step:
                last[point.name] = point
        return {name: point.value for name, point in last.items()}

    @property
    def content(self) -> str:
        """A digest of all of it."""
        return digest(
            {
                "status": self.status,
                "tags": dict(self.tags),
                "params": dict(self.params),
                "metrics": [[p.name, repr(p.value), p.step] for p in self.metrics],
                "datasets": [list(dataset) for dataset in self.datasets],
            }
        )


def is_shown(run: Run) -> bool:
    """Return whether MLflow shows a run in its state."""
    return run.state in STATUS


def experiment_of(sweep: Sweep) -> str:
    """Return the experiment that a sweep's runs are in: an edited sweep keeps its name."""
    return sweep.name[:200]


def show(sweep: Sweep, arm: Arm, run: Run) -> Shown:
    """Return what MLflow shows of a run that a sweep was the first to ask for."""
    started, finished = (int(1000 * t) or None for t in (run.started, run.finished))
    flat = {"seed": run.seed, "world_seed": run.world_seed, **flatten(arm.config)}
    return Shown(
        name=f"{arm.label} · seed {run.seed}",
        status=STATUS[run.state],
        started=started,
        finished=finished,
        tags=_tags(sweep, arm, run),
        params={name: str(value)[:MAX_PARAM_CHARS] for name, value in flat.items()},
        metrics=tuple(_metrics(run)),
        datasets=tuple(_datasets(sweep, run)),
    )


def sweep_tags(sweep: Sweep, arm: Arm) -> dict[str, str]:
    """Return the tags by which a sweep's runs are found; a run may belong to several."""
    short = sweep.digest[:12]
    return {
        f"davinci.sweep.{short}": arm.label,
        f"davinci.sweep.{short}.baseline": str(arm.label == sweep.baseline).lower(),
    }


def note(sweep: Sweep, run: Run) -> str:
    """Return the description of a run, as Markdown: the ways to its report and its page."""
    short = sweep.digest[:12]
    place = f"http://{UI_HOST}:{UI_PORT + 1}/{short}"
    page = f"{place}/runs/{run.digest[:12]}.html"
    return (
        f"[Report]({place}/index.html) and [page of this run]({page}), where `davinci ui` serves "
        f"them at its usual port; a copy is under Artifacts, `reports/{short}`."
    )


def scores_of(run: Run) -> dict[str, float]:
    """Return the final scores under the names that MLflow shows: `protocol/benchmark/metric`."""
    return {
        f"{o.protocol}/{o.benchmark}/{o.metric}": o.score
        for o in run.outcomes
        if math.isfinite(o.score)
    }


def _tags(sweep: Sweep, arm: Arm, run: Run) -> dict[str, str]:
    return {
        "davinci.recipe": run.recipe,
        "davinci.run": run.digest,
        "davinci.seed": str(run.seed),
        "davinci.world_seed": str(run.world_seed),
        "davinci.state": run.state,
        "davinci.cause": run.cause,
        "davinci.factor": ", ".join(sweep.axes),
        "davinci.arm": arm.label,
        "davinci.baseline": str(arm.label == sweep.baseline).lower(),
        "mlflow.source.name": "run.py",
        "mlflow.source.git.commit": str(sweep.provenance.get("git", "")),
        **{f"axis.{axis}": value for axis, value in arm.choices.items()},
    }


def _metrics(run: Run) -> list[Point]:
    """Return the curves and, at the last step, scores and costs."""
    points = [
        Point(f"train/{curve.name}", float(value), int(tokens))
        for curve in run.curves
        for tokens, value in zip(curve.tokens, curve.values, strict=True)
        if math.isfinite(value)
    ]
    points += [
        Point(f"{o.protocol}/{o.benchmark}/{o.metric}", o.score, scored.tokens)
        for scored in run.trajectory
        for o in scored.outcomes
        if math.isfinite(o.score)
    ]
    final = scores_of(run)
    last = 0
    if run.cost is not None:
        last = run.cost.tokens
        final |= {"cost/flops": run.cost.flops, "cost/cpu_s": run.cost.cpu_s}
        final |= {"cost/tokens": float(run.cost.tokens), "cost/wall_s": run.cost.wall_s}
    return points + [Point(name, value, last) for name, value in final.items()]


def _datasets(sweep: Sweep, run: Run) -> list[DatasetShown]:
    found = []
    for domain, name in run.corpora.items():
        corpus = sweep.corpora.get(name)
        if corpus is None:
            continue
        profile = {"documents": corpus.manifest.get("num_documents"), "level": corpus.level}
        found.append(
            DatasetShown(
                f"{domain} {corpus.level}",
                name[:MAX_DIGEST_CHARS],
                json.dumps({"corpus": name, "parent": corpus.parent}),
                json.dumps(profile),
            )
        )
    return found
