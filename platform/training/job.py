"""A segment as a job in a file: what processes that share nothing else need to train."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from davinci.data_levels.document import Domain
from davinci.platform.config.identity import canonical, restore
from davinci.platform.training.settings import SegmentSettings, TrainingRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The arguments of `train_segment`, but for progress."""

    settings: SegmentSettings
    shards: Mapping[Domain, Path]
    parent: Path | None
    out: Path
    runtime: TrainingRuntime
    weights: Mapping[Domain, float] | None = None


def write_job(job: Job, file: Path) -> None:
    """Write a job as JSON."""
    document = {
        "settings": canonical(job.settings),
        "shards": {domain: str(path) for domain, path in job.shards.items()},
        "parent": str(job.parent) if job.parent else None,
        "out": str(job.out),
        "runtime": canonical(job.runtime, with_runtime=True),
        "weights": job.weights,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1), encoding="ascii")


def read_job(file: Path) -> Job:
    """Return the job in a file that `write_job` wrote."""
    document = json.loads(file.read_text(encoding="ascii"))
    return Job(
        settings=restore(SegmentSettings, document["settings"]),
        shards={domain: Path(path) for domain, path in document["shards"].items()},
        parent=Path(document["parent"]) if document["parent"] else None,
        out=Path(document["out"]),
        runtime=restore(TrainingRuntime, document["runtime"]),
        weights=document["weights"],
    )
