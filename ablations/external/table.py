"""Reading a table of other people's results by a mapping file, with one clear error for each fault.

A mapping is YAML:

    name: someones-ablations
    source: where it comes from, to be cited
    columns: {arm: config, benchmark: task, value: acc, seed: seed}    # ours: theirs
    constants: {protocol: ppl, metric: accuracy}
    ignore: [notes]                       # columns that are not read
    skip: {arm: ['delta*']}               # rows that are no results, by our columns; * matches all
    unit: {percent: 0.01, share: 1.0, rank: null}  # by the column `unit`; null is left out
    lower_is_better: [loss]               # metrics

Several columns of theirs may be one of ours: `note: [remarks, source]`. Needed are arm, benchmark
and value; study, seed, world_seed, tokens, protocol, domain, metric, item, unit and note may be
given. Rows that differ in nothing but their value are an error.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from davinci.platform.config.errors import ConfigError, Problem

NEEDED = ("arm", "benchmark", "value")
OPTIONAL = (
    *("study", "seed", "world_seed", "tokens", "protocol", "domain", "metric", "item"),
    *("unit", "note"),
)
READERS = (".csv", ".parquet", ".json", ".jsonl")
MAX_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A mapping file, read."""

    name: str
    source: str
    columns: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    skip: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unit: Mapping[str, float | None] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One score, or one item's outcome where `item` is given; `tokens` 0 means the last."""

    study: str
    arm: str
    seed: int
    world_seed: int
    tokens: float
    benchmark: str
    domain: str
    protocol: str
    metric: str
    item: str
    value: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalData:
    """A table of results under its name, with what is needed to cite and to check it."""

    name: str
    source: str
    lower_is_better: tuple[str, ...]
    results: tuple[Result, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of all that it says."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_mapping(path: Path) -> Mapped:
    """Return a mapping file.

    Raises:
        ConfigError: If it is not there, or a field is missing or unknown.
    """
    if not path.is_file():
        raise ConfigError(
            [Problem(field="mapping", value=str(path), rule="there is no such file.")]
        )
    plain = yaml.safe_load(path.read_text("utf-8")) or {}
    known = tuple(Mapped.__dataclass_fields__)
    problems = [
        Problem(field=f"mapping.{name}", value="", rule="there is no such field.", allowed=known)
        for name in plain
        if name not in known
    ]
    problems += [
        Problem(field=f"mapping.{name}", value="", rule="must be given.")
        for name in ("name", "source", "columns")
        if not plain.get(name)
    ]
    if problems:
        raise ConfigError(problems)
    skip = dict(plain.get("skip", {}))
    given = {**dict(plain["columns"]), **dict(plain.get("constants", {}))}
    ours = (*NEEDED, *OPTIONAL)
    problems += [
        Problem(field="mapping.columns", value=name, rule="we have no such column.", allowed=ours)
        for name in given
        if name not in ours
    ]
    problems += [
        Problem(field="mapping.skip", value=name, rule="is no mapped column.", allowed=tuple(given))
        for name in skip
        if name not in given
    ]
    problems += [
        Problem(field="mapping.columns", value=name, rule="must be named.")
        for name in NEEDED
        if name not in given
    ]
    if problems:
        raise ConfigError(problems)
    lists = {name: tuple(plain.get(name, ())) for name in ("ignore", "lower_is_better")}
    return Mapped(
        name=str(plain["name"]),
        source=str(plain["source"]),
        columns={
            str(k): tuple(map(str, v)) if isinstance(v, list) else (str(v),)
            for k, v in plain["columns"].items()
        },
        constants=dict(plain.get("constants", {})),
        skip={
            str(k): tuple(map(str, v)) if isinstance(v, list) else (str(v),)
            for k, v in skip.items()
        },
        unit={str(k): None if v is None else float(v) for k, v in plain.get("unit", {}).items()},
        **lists,
    )


def read_results(paths: Sequence[Path], mapped: Mapped) -> ExternalData:
    """Return the results of one or more tables.

    Raises:
        ConfigError: With all that is wrong: files, columns, numbers, units, duplicates.
    """
    results: list[Result] = []
    problems: list[Problem] = []
    where: dict[Result, str] = {}
    for path in paths:
        rows = _read(path)
        problems += _check_columns(path, rows, mapped)
        if problems:
            continue
        for number, row in enumerate(rows, start=2):
            place = f"{path.name}, row {number}"
            found = _result(row, mapped, place)
            if found is None:
                continue
            if isinstance(found, Problem):
                problems.append(found)
                continue
            key = _key(found)
            if key in where:
                rule = f"stands in {where[key]} already; what differs between them is not mapped."
                problems.append(
                    Problem(field="results", value=f"{place}: {_name(found)}", rule=rule)
                )
            where.setdefault(key, place)
            results.append(found)
    if not problems and not results:
        names = ", ".join(path.name for path in paths)
        problems.append(Problem(field="results", value=names, rule="has no rows."))
    if problems:
        raise ConfigError(_shortened(problems))
    return ExternalData(
        name=mapped.name,
        source=mapped.source,
        lower_is_better=mapped.lower_is_better,
        results=tuple(results),
    )


def _read(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    if not path.is_file() or path.suffix not in READERS:
        rule = "there is no such file." if not path.is_file() else "cannot be read; use a table."
        raise ConfigError([Problem(field="table", value=str(path), rule=rule, allowed=READERS)])
    try:
        if path.suffix == ".json":
            rows = json.loads(path.read_text("utf-8"))
        elif path.suffix == ".jsonl":
            lines = path.read_text("utf-8").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
        elif path.suffix == ".csv":
            rows = _records(pd.read_csv(path, dtype=str, keep_default_na=False))
        else:
            rows = _records(pd.read_parquet(path))
    except (ValueError, OSError) as error:
        rule = f"is no {path.suffix[1:]} table: {error}."
        raise ConfigError([Problem(field="table", value=str(path), rule=rule)]) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        rule = "must be a list of rows, each with its columns by name."
        raise ConfigError([Problem(field="table", value=str(path), rule=rule)])
    return rows


def _records(frame: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.to_dict(orient="records")
    return rows


def _check_columns(path: Path, rows: Sequence[Mapping[str, Any]], mapped: Mapped) -> list[Problem]:
    have = tuple(rows[0]) if rows else ()
    named = [theirs for several in mapped.columns.values() for theirs in several]
    lacking = [theirs for theirs in named if rows and theirs not in have]
    used = {*named, *mapped.ignore}
    problems = [
        Problem(field=f"{path.name}", value=name, rule="has no such column.", allowed=have)
        for name in lacking
    ]
    unknown = [name for name in have if name not in used]
    if unknown and not lacking:
        rule = "columns that the mapping does not know; map them, or name them in `ignore`."
        problems.append(Problem(field=path.name, value=", ".join(unknown), rule=rule))
    return problems


def _result(row: Mapping[str, Any], mapped: Mapped, place: str) -> Result | Problem | None:
    """Return a row as a result, what is wrong with it, or None where it is to be left out."""
    found = {
        ours: row[theirs[0]] if len(theirs) == 1 else "; ".join(str(row[name]) for name in theirs)
        for ours, theirs in mapped.columns.items()
    }
    found |= {name: value for name, value in mapped.constants.items() if not found.get(name)}
    for name, patterns in mapped.skip.items():
        if any(fnmatchcase(str(found.get(name, "")), pattern) for pattern in patterns):
            return None
    factor = 1.0
    if mapped.unit or "unit" in found:
        unit = str(found.get("unit", ""))
        matching = [name for name in mapped.unit if unit == name or unit.startswith(name)]
        if not matching:
            rule = "mixed units: give every one a factor in `unit`."
            return Problem(field=place, value=unit, rule=rule, allowed=tuple(mapped.unit))
        chosen = mapped.unit[max(matching, key=len)]
        if chosen is None:
            return None
        factor = chosen
    try:
        value = float(found["value"]) * factor
        seed, world = (int(float(found.get(n) or 0)) for n in ("seed", "world_seed"))
        tokens = float(found.get("tokens") or 0)
    except (TypeError, ValueError):
        text = ", ".join(str(found.get(n, "")) for n in ("value", "seed", "world_seed", "tokens"))
        return Problem(field=place, value=text, rule="must be numbers: value, seed, tokens.")
    if not math.isfinite(value):
        return Problem(field=place, value=str(found["value"]), rule="must be a finite number.")
    return Result(
        study=str(found.get("study") or ""),
        benchmark=str(found["benchmark"]),
        domain=str(found.get("domain") or ""),
        protocol=str(found.get("protocol") or ""),
        arm=str(found["arm"]),
        metric=str(found.get("metric") or "score"),
        item=str(found.get("item") or ""),
        note=str(found.get("note") or ""),
        value=value,
        tokens=tokens,
        seed=seed,
        world_seed=world,
    )


def _key(result: Result) -> Any:
    return tuple(value for name, value in asdict(result).items() if name != "value")


def _name(result: Result) -> str:
    parts = (result.study, result.arm, result.benchmark, result.protocol, result.item)
    return " ".join(part for part in parts if part)


def _shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first problems, and how many more there are."""
    more = len(problems) - MAX_SHOWN
    if more <= 0:
        return list(problems)
    return [*problems[:MAX_SHOWN], Problem(field="results", value="", rule=f"and {more} more.")]
