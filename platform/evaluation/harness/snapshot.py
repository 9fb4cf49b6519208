"""The data of a benchmark, taken once: from a mirror, from local files, or from the hub.

All runs are scored on the snapshot, so that they are scored on the same items; machines without a
network can evaluate. Below `mirror`, data sets lie under their names on the hub:
`<mirror>/cais/mmlu/...`, each as the hub has it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from davinci.platform.evaluation.harness.index import Leaf, leaves
from davinci.platform.evaluation.harness.suite import Known, known

INDEX_FILE = "index.json"
DEFINITION = "definition"
"""Folder of a copy of a user's task file, and of what lies beside it."""
FORMATS = ("json", "csv", "parquet", "text", "arrow")
"""Builders of `datasets` that read local files."""


def take_snapshot(
    benchmark: Known, mirror: str, out: Path, progress: Callable[[int, int, str], None]
) -> None:
    """Write the splits that a benchmark's tasks read into the folder `out`, as Parquet.

    Raises:
        ValueError: If a data set or a split is not there, or a split has no items.
    """
    wanted: dict[str, tuple[Leaf, set[str]]] = {}
    for leaf in leaves(benchmark):
        wanted.setdefault(_key(leaf), (leaf, set()))[1].update(leaf.splits)
    out.mkdir(parents=True, exist_ok=True)
    index = {}
    for done, (key, (leaf, splits)) in enumerate(wanted.items(), start=1):
        place = hashlib.sha256(key.encode()).hexdigest()[:16]
        for split in sorted(splits):
            dataset = _read(benchmark, leaf, mirror, split)
            if not len(dataset):
                raise ValueError(f"{benchmark.name}: split {split!r} of {_named(leaf)} is empty.")
            (out / place).mkdir(exist_ok=True)
            dataset.to_parquet(out / place / f"{split}.parquet")
        index[key] = place
        progress(done, len(wanted), _named(leaf))
    for path in _definition(benchmark):
        (out / DEFINITION).mkdir(exist_ok=True)
        shutil.copyfile(path, out / DEFINITION / path.name)
    document = {"places": index, "file": Path(benchmark.file).name if benchmark.file else ""}
    (out / INDEX_FILE).write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")


def benchmark_of(name: str, folder: Path) -> Known:
    """Return the benchmark of a snapshot: a task file's is defined by the copy that lies in it."""
    file = json.loads((folder / INDEX_FILE).read_text("utf-8"))["file"]
    return known(str(folder / DEFINITION / file)) if file else known(name)


def read_snapshot(folder: Path, leaf: Leaf) -> Callable[..., Any]:
    """Return what gives a task its data out of a snapshot; the harness calls it."""
    places = json.loads((folder / INDEX_FILE).read_text("utf-8"))["places"]
    place = folder / places[_key(leaf)]

    def data(**_: Any) -> Any:
        import datasets
        import pyarrow.parquet as pq

        # in memory: nothing that one process cached may reach another
        splits = {
            split: datasets.Dataset(
                datasets.table.InMemoryTable(pq.read_table(place / f"{split}.parquet"))
            )
            for split in leaf.splits
        }
        return datasets.DatasetDict(splits)

    return data


def data_digest(benchmark: Known, mirror: str) -> str:
    """Return the SHA-256 over the local files of a benchmark's data; "" where the hub has them.

    Raises:
        ValueError: If the mirror has no such data set, or a data file is not there.
    """
    whole = hashlib.sha256()
    paths: set[Path] = set()
    for leaf in leaves(benchmark):
        if leaf.value("dataset_path") in FORMATS:
            paths |= set(_data_files(benchmark, leaf))
        elif mirror:
            folder = _mirrored(leaf, mirror)
            paths |= {path for path in folder.rglob("*") if path.is_file()}
    paths |= set(_definition(benchmark))
    for path in sorted(paths):
        whole.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest() if paths else ""


def _read(benchmark: Known, leaf: Leaf, mirror: str, split: str) -> Any:
    import datasets

    path, name = leaf.value("dataset_path"), leaf.value("dataset_name")
    keywords = dict(leaf.value("dataset_kwargs") or {})
    keywords.pop("trust_remote_code", None)
    if path in FORMATS:
        keywords["data_files"] = {
            key: str(value) for key, value in _files_of(benchmark, leaf).items()
        }
    elif mirror:
        path = str(_mirrored(leaf, mirror))
    try:
        return datasets.load_dataset(path, name, split=split, **keywords)
    except Exception as error:  # each builder of `datasets` raises what it likes
        place = f"the mirror {mirror}" if mirror else "the hub"
        raise ValueError(
            f"{benchmark.name}: split {split!r} of {_named(leaf)} could not be read from {place}: "
            f"{error or type(error).__name__}"
        ) from error


def _mirrored(leaf: Leaf, mirror: str) -> Path:
    folder = Path(mirror).expanduser() / str(leaf.value("dataset_path"))
    if not folder.is_dir():
        raise ValueError(f"The mirror {mirror} holds no {leaf.value('dataset_path')}.")
    return folder


def _files_of(benchmark: Known, leaf: Leaf) -> Mapping[str, Path]:
    """Return the data files of a task by split; their paths are from the task file's folder."""
    given = (leaf.value("dataset_kwargs") or {}).get("data_files") or {}
    by_split = given if isinstance(given, Mapping) else {leaf.splits[0]: given}
    beside = Path(benchmark.file).expanduser().resolve().parent
    return {split: beside / str(path) for split, path in by_split.items()}


def _data_files(benchmark: Known, leaf: Leaf) -> list[Path]:
    found = list(_files_of(benchmark, leaf).values())
    for path in found:
        if not path.is_file():
            raise ValueError(f"{benchmark.name}: the data file {path} is not there.")
    return found


def _definition(benchmark: Known) -> list[Path]:
    """Return a user's task file and the Python and YAML files beside it, which it may use."""
    if not benchmark.file:
        return []
    beside = Path(benchmark.file).expanduser().resolve().parent
    return sorted(path for pattern in ("*.yaml", "*.yml", "*.py") for path in beside.glob(pattern))


def _key(leaf: Leaf) -> str:
    parts = [leaf.value(n) for n in ("dataset_path", "dataset_name", "dataset_kwargs")]
    return json.dumps(parts, sort_keys=True, default=str)


def _named(leaf: Leaf) -> str:
    name = leaf.value("dataset_name")
    return f"{leaf.value('dataset_path')}{f' ({name})' if name else ''}"
