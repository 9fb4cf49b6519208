"""Reading the paper's published numbers."""

import csv
import functools
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from davinci.platform.evaluation.harness.suite import suite

HERE = Path(__file__).parent
MAPPING = HERE / "mapping.yaml"
"""How `davinci import` reads the results."""


def result_files() -> tuple[Path, ...]:
    """Return the files of all published results."""
    return tuple(sorted((HERE / "results").glob("*.csv")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed number; `value` in points of 100, `config` is the model or arm."""

    config: str
    benchmark: str
    protocol: str
    value: float
    source: str


@functools.cache
def published(table: str) -> tuple[Published, ...]:
    """Return the numbers of one file of `results`, by its name without `.csv`."""
    text = files(__package__).joinpath("results", f"{table}.csv").read_text("utf-8")
    return tuple(
        Published(
            config=row["config"],
            benchmark=row["benchmark_or_aggregate"],
            protocol=row["protocol"],
            value=float(row["value"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def final_models() -> dict[str, dict[str, float]]:
    """Return Table 6: model -> benchmark (by our names) -> score in points of 100."""
    names = {benchmark.title: name for name, benchmark in suite().items()}
    found: dict[str, dict[str, float]] = {}
    for number in published("davinci_table6_final_models"):
        if number.benchmark in names:
            found.setdefault(number.config, {})[names[number.benchmark]] = number.value
    return found


def printed_averages() -> dict[str, dict[str, float]]:
    """Return the averages that Table 6 prints: model -> general, code, science, overall."""
    names = {"Avg-General": "general", "Avg-Code": "code", "Avg-Science": "science"}
    names["Overall"] = "overall"
    found: dict[str, dict[str, float]] = {}
    for number in published("davinci_table6_final_models"):
        if number.benchmark in names:
            found.setdefault(number.config, {})[names[number.benchmark]] = number.value
    return found
