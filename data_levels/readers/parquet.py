"""Reads Parquet files: a row is a document, one column its text, the others provenance."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from davinci.data_levels.document import Document, Outcome
from davinci.data_levels.readers import records
from davinci.data_levels.readers.records import Origin, document_of_row

if TYPE_CHECKING:
    import pyarrow.parquet as pq

UNIT = "row"
BATCH_BYTES = 8_000_000
"""Rows are decoded so many bytes at a time, by the mean size of a row in the file."""
MAX_BATCH_ROWS = 1000


def read_parquet(path: Path, origin: Origin) -> Iterator[Outcome]:
    """Yield one outcome for every row; see the package for damage.

    Columns of bytes are no provenance and left out; a text column of bytes is decoded at L1.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, buffer_size=2**20)
        columns = _columns(file, origin)
    except (OSError, ValueError, pa.ArrowException) as error:
        yield records.unreadable(origin, error)
        return
    number = 0
    with file:
        batches = file.iter_batches(batch_size=_batch_rows(file), columns=columns)
        try:
            for batch in batches:
                for row in batch.to_pylist():
                    number += 1
                    yield _outcome(row, origin, number)
        except (OSError, ValueError, pa.ArrowException) as error:
            yield records.truncated(origin, number + 1, error, unit=UNIT)


def _columns(file: "pq.ParquetFile", origin: Origin) -> list[str]:
    """Return the columns to read.

    Raises:
        ValueError: If there is none that holds the text.
    """
    import pyarrow as pa

    schema = file.schema_arrow
    if origin.text_field not in schema.names:
        known = ", ".join(schema.names)
        raise ValueError(f"there is no column `{origin.text_field}`; its columns: {known}")
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return [
        field.name
        for field in schema
        if field.name == origin.text_field or not any(is_it(field.type) for is_it in binary)
    ]


def _batch_rows(file: "pq.ParquetFile") -> int:
    groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return int(min(MAX_BATCH_ROWS, max(1, BATCH_BYTES // max(1, largest))))


def _outcome(row: dict[str, object], origin: Origin, number: int) -> Outcome:
    text = row.get(origin.text_field)
    if not isinstance(text, bytes):
        return document_of_row(row, origin, number, unit=UNIT)
    decoded = {**row, origin.text_field: text.decode("latin-1")}
    outcome = document_of_row(decoded, origin, number, unit=UNIT)
    if isinstance(outcome, Document):
        return replace(outcome, meta={**outcome.meta, "encoding": "bytes"})
    return outcome
