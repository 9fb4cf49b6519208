"""What training never sees, on disk: clean texts and benchmark items of one source."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from davinci.data_levels.document import Domain
from davinci.data_levels.sources.registry import open_source
from davinci.data_levels.sources.source import Benchmark, HeldOut, Item, SourceSettings

TEXTS_FILE = "texts.json"
STYLES_FILE = "styles.json"
BENCHMARKS_FILE = "benchmarks.json"


def build_held_out(source: SourceSettings, out: Path) -> HeldOut:
    """Write the held-out texts and benchmarks of a source into the folder `out`; return them.

    Raises:
        ValueError: If the source holds out nothing at all, so that nothing could be scored.
    """
    held_out = open_source(source).held_out()
    if not any(held_out.texts.values()) and not held_out.benchmarks:
        raise ValueError(
            f"A source holds out some text or items, but {source.name!r} holds out none; "
            "give it more documents or a larger `held_out_frac`."
        )
    write_held_out(held_out, out)
    return held_out


def write_held_out(held_out: HeldOut, out: Path) -> None:
    """Write texts and benchmarks into the folder `out`, made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    _write_json(dict(held_out.texts), out / TEXTS_FILE)
    _write_json(dict(held_out.styles), out / STYLES_FILE)
    _write_json([_row(benchmark) for benchmark in held_out.benchmarks], out / BENCHMARKS_FILE)


def load_held_out(path: Path) -> HeldOut:
    """Return what `build_held_out` wrote into the folder `path`.

    Raises:
        ValueError: If the folder does not hold all three files.
    """
    for name in (TEXTS_FILE, STYLES_FILE, BENCHMARKS_FILE):
        if not (path / name).is_file():
            raise ValueError(f"A held-out folder holds {name}, but {path} does not.")
    texts, styles, rows = (
        json.loads((path / name).read_text(encoding="ascii"))
        for name in (TEXTS_FILE, STYLES_FILE, BENCHMARKS_FILE)
    )
    return HeldOut(
        texts={domain: tuple(values) for domain, values in texts.items()},
        styles={domain: tuple(values) for domain, values in styles.items()},
        benchmarks=tuple(_benchmark(row) for row in rows),
    )


def texts_name(domain: Domain) -> str:
    """Return the name under which the held-out texts of a domain are scored and checked."""
    return f"held_out_{domain}"


def text_id(domain: Domain, number: int) -> str:
    """Return the id of a held-out text, by its place among all texts of its domain."""
    return f"{domain}/{number}"


def _row(benchmark: Benchmark) -> dict[str, Any]:
    """Return a benchmark as JSON has it: a floor that nobody knows is null."""
    floor = None if math.isnan(benchmark.floor) else benchmark.floor
    return {**asdict(benchmark), "floor": floor}


def _benchmark(row: dict[str, Any]) -> Benchmark:
    known = {name: value for name, value in row.items() if value is not None}
    return Benchmark(**{**known, "items": tuple(_item(item) for item in row["items"])})


def _item(row: dict[str, Any]) -> Item:
    tuples = {name: tuple(row[name]) for name in ("options", "tests", "stop")}
    return Item(**{**row, **tuples})


def _write_json(value: object, path: Path) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="ascii")
