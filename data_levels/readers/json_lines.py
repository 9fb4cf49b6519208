"""Reads JSON lines: one object a line, its text in one field, all else provenance."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from davinci.data_levels.document import Outcome
from davinci.data_levels.readers import records
from davinci.data_levels.readers.records import Origin, damaged, document_of_row
from davinci.data_levels.readers.streams import Line, Stream, lines_of

UNIT = "line"


def read_json_lines(path: Path, origin: Origin) -> Iterator[Outcome]:
    """Yield one outcome for every line that is not blank; see the package for damage."""
    try:
        stream = Stream(path)
    except OSError as error:
        yield records.unreadable(origin, error)
        return
    number = 0
    with stream:
        for line in lines_of(stream, records.MAX_DOCUMENT_BYTES):
            number = line.number
            if line.data is None or line.data.strip():
                yield _outcome(line, origin)
    if stream.error and number == 0:
        yield records.unreadable(origin, stream.error)
    elif stream.error:
        yield records.truncated(origin, number + 1, stream.error, unit=UNIT)


def _outcome(line: Line, origin: Origin) -> Outcome:
    if line.data is None:
        problem = records.larger_than_limit(line.num_bytes)
        return damaged(origin, line.number, "larger_than_limit", problem, unit=UNIT)
    try:
        row = _parse(line.data)
    except UnicodeDecodeError as error:
        reason, problem = "invalid_utf8", f"{error.reason} at byte {error.start + 1}"
    except (ValueError, RecursionError) as error:
        reason, problem = "invalid_json", f"a line holds one JSON object: {error}"
    else:
        return document_of_row(row, origin, line.number, unit=UNIT)
    shown = line.data[: records.MAX_SHOWN_CHARS].decode("utf-8", "replace")
    return damaged(origin, line.number, reason, problem, unit=UNIT, shown=shown)


def _parse(data: bytes) -> Any:
    """Return the value of a line; Python's own parser takes what is rare and no error.

    That is a byte order mark, NaN, and half a surrogate pair in an escape.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8-sig"))
