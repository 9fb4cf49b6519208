"""Streams datasets of the Hugging Face hub, or of a folder that `datasets` can load."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from davinci.data_levels.document import Outcome
from davinci.data_levels.readers.records import Origin, document_of_row

if TYPE_CHECKING:
    from datasets import IterableDataset

UNIT = "row"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubData:
    """Which rows of the hub.

    Attributes:
        address: `owner/name` on the hub, or a folder of JSON lines or Parquet files.
        config: Name of its configuration, "" for the default one.
        split: Name of its split.
        revision: Commit or branch; a commit keeps the data from changing under its name.
    """

    address: str
    config: str = ""
    split: str = "train"
    revision: str = ""


def num_hub_shards(data: HubData) -> int:
    """Return into how many shards a dataset falls, each to be read by itself.

    Raises:
        ValueError: If the dataset cannot be opened.
    """
    return int(_open(data).num_shards)


def read_hub(
    data: HubData, origin: Origin, shard: int = 0, num_shards: int = 1
) -> Iterator[Outcome]:
    """Yield one outcome for every row of one shard, as it arrives; nothing is stored.

    Rows without an id are named after the dataset, its configuration and split, their shard and
    their place in it.

    Args:
        data: What to read.
        origin: What the documents have in common; `path` should be the dataset's address.
        shard: Which of the shards, from 0.
        num_shards: How many shards the rows are dealt into, `num_hub_shards` at most.

    Raises:
        ValueError: If the dataset cannot be opened, or fails on the way.
    """
    place = "/".join(filter(None, (origin.path, data.config, data.split, f"{shard:05d}")))
    origin = replace(origin, path=place)
    rows = iter(_open(data).shard(num_shards=num_shards, index=shard))
    number = 0
    while (row := _next(rows, data, number)) is not None:
        number += 1
        yield document_of_row(row, origin, number, unit=UNIT)


def _next(rows: Iterator[dict[str, Any]], data: HubData, number: int) -> dict[str, Any] | None:
    try:
        return next(rows, None)
    except Exception as error:
        raise ValueError(f"{_named(data)} failed after row {number:,}: {error}") from error


def _open(data: HubData) -> "IterableDataset":
    from datasets import load_dataset

    try:
        return load_dataset(
            data.address,
            name=data.config or None,
            split=data.split,
            revision=data.revision or None,
            streaming=True,
        )
    except Exception as error:
        raise ValueError(f"{_named(data)} cannot be opened: {error}") from error


def _named(data: HubData) -> str:
    config = f", configuration {data.config!r}" if data.config else ""
    return f"The dataset {data.address!r} (split {data.split!r}{config})"
