"""Reading the paper's published numbers."""

import csv
import functools
from collections.abc import Mapping, Sequence
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


@functools.cache
def rows(name: str) -> Sequence[dict[str, str]]:
    """Return the rows of one file of this folder."""
    text = files(__package__).joinpath(*name.split("/")).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


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
    return tuple(
        Published(
            config=row["config"],
            benchmark=row["benchmark_or_aggregate"],
            protocol=row["protocol"],
            value=float(row["value"]),
            source=row["source"],
        )
        for row in rows(f"results/{table}.csv")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One printed score of an arm, in points of 100, after so many tokens (0 if not printed)."""

    arm: str
    tokens: float
    value: float


@functools.cache
def study_scores(study: str) -> Mapping[str, tuple[Score, ...]]:
    """Return benchmark or average -> the printed scores of a study.

    What is printed in several places is taken from the text or a table before a figure's marks.
    """
    own = [
        row
        for path in result_files()
        for row in rows(f"results/{path.name}")
        if row["study"] == study and row["unit"] == "percent" and row["value"]
    ]
    own.sort(key=lambda row: row["read_how"] == "printed")
    found: dict[str, dict[tuple[str, float], Score]] = {}
    for row in own:
        tokens = 1e9 * float(row["tokens_B"] or 0)
        score = Score(arm=row["config"], tokens=tokens, value=float(row["value"]))
        protocol = f" ({row['protocol']})" if row["protocol"] in ("ppl", "generative") else ""
        averages = row["benchmark_or_aggregate"].startswith(("Avg-", "Overall"))
        metric = row["benchmark_or_aggregate"] + ("" if averages else protocol)
        found.setdefault(metric, {})[(score.arm, tokens)] = score
    return {metric: tuple(scores.values()) for metric, scores in found.items()}


@functools.cache
def ours() -> Mapping[str, str]:
    """Return study of a paper -> the ablation of the catalogue that asks the same."""
    return {row["study"]: row["ablation"] for row in rows("ours.csv")}
