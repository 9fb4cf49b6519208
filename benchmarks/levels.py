"""How fast each level goes, and what manifests and invariants cost beside plain datatrove.

    python benchmarks/levels.py [--documents 2000] [--rounds 3]

Throughput: `pylib` (real text, code and prose) from L0 to L3, and the microworld from L0 to L5 and
L9; its L4 and L5 are written by a rule-based stand-in, so they show the machinery, not a language
model. Overhead: the same rules of L2 over the same documents, once by davinci's steps (accounts,
samples, invariants, digests, drops with their reasons), once by datatrove's reader, filter and
writer, in turn in one run; processor time, medians, as a ratio.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers.jsonl import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from rich.console import Console
from rich.table import Table

from davinci.data_levels.accounts import Report
from davinci.data_levels.build import CorpusSettings, build_corpus
from davinci.data_levels.chain import chain_of, name_of
from davinci.data_levels.corpus import part_names, read_documents
from davinci.data_levels.document import Document, Domain
from davinci.data_levels.engine import Engine
from davinci.data_levels.flow import Operate, ReadParts, Rules, Settle, same_id, same_text
from davinci.data_levels.levels import l1
from davinci.data_levels.levels.operator import Edit, Operator, Select
from davinci.data_levels.levels.selection.rules import rule_broken
from davinci.data_levels.manifest import Manifest
from davinci.data_levels.settings import LevelSettings, RuleSettings
from davinci.data_levels.sources.source import SourceSettings

WAYS: tuple[tuple[str, Domain, str], ...] = (
    ("pylib", "code", "L3"),
    ("pylib", "general", "L3"),
    ("microworld", "math", "L5"),
    ("microworld", "code", "L3+L9"),
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        console.print(throughput(Path(folder), arguments.documents))
        console.print(overhead(Path(folder), arguments.documents, arguments.rounds))


def throughput(folder: Path, documents: int) -> Table:
    """Return documents and megabytes per second of wall-clock time, level by level."""
    table = Table(
        "source", "domain", "level", "documents", "MB in", "documents/s", "MB/s", box=None
    )
    for source, domain, top in WAYS:
        for name, manifest, seconds in build(folder, source, domain, top, documents):
            num_bytes = manifest.bytes_in or manifest.bytes_out
            table.add_row(
                *(source, domain, name),
                f"{manifest.documents_in:,}",
                f"{num_bytes / 1e6:.1f}",
                f"{manifest.documents_in / seconds:,.0f}",
                f"{num_bytes / 1e6 / seconds:.1f}",
            )
    return table


def build(
    folder: Path, source: str, domain: Domain, top: str, documents: int
) -> list[tuple[str, Manifest, float]]:
    """Build a chain of corpora; return every name with its manifest and its seconds."""
    settings = SourceSettings(name=source, documents=documents)
    chain, parent, built = chain_of(top), None, []
    for position in range(len(chain)):
        name = name_of(chain[: position + 1])
        corpus = CorpusSettings(source=settings, domain=domain, chain=name, levels=LevelSettings())
        out = folder / source / domain / name
        started = time.perf_counter()
        manifest = build_corpus(corpus, parent=parent, out=out)
        built.append((name, manifest, time.perf_counter() - started))
        parent = out
    return built


def overhead(folder: Path, documents: int, rounds: int) -> Table:
    """Return processor time of the same work by davinci's steps and by plain datatrove."""
    table = Table("work", "davinci, s", "datatrove, s", "davinci / datatrove", box=None)
    operators: dict[str, tuple[str, Operator, Callable[[Document], Any]]] = {
        "L1 text extraction": (
            "L0",
            Edit(name="extract", version=1, edit=l1.normalise),
            l1.normalise,
        ),
        "L2 rules": ("L1", Select(name="rules", version=1, reason=reason), reason),
    }
    for domain, work in product(("general", "code"), operators):
        level, operator, function = operators[work]
        parent = folder / "pylib" / domain / level
        rows = folder / f"rows-{domain}-{level}"
        write_rows(parent, rows)
        ours, theirs = [], []
        for index in range(rounds):
            place = folder / f"{domain}-{level}-{index}"
            ours.append(processor_s(partial(by_davinci, parent, place / "ours", operator)))
            theirs.append(processor_s(partial(by_datatrove, rows, place / "theirs", function)))
        mine, other = statistics.median(ours), statistics.median(theirs)
        table.add_row(f"{domain}, {work}", f"{mine:.2f}", f"{other:.2f}", f"{mine / other:.2f}")
    return table


def reason(document: Document) -> str | None:
    """Return the first rule that a document breaks."""
    broken = rule_broken(document, rules=RuleSettings())
    return None if broken is None else broken.reason


def by_davinci(parent: Path, out: Path, operator: Operator) -> None:
    """Run one operator with all that a level does around it."""
    report = Report()
    checks = {"subset": same_id} | (
        {"text_unchanged": same_text} if operator.name == "rules" else {}
    )
    pipeline = [
        ReadParts(parent, report, level="L2", climbs=True),
        Operate(operator, report),
        Settle(out, report, out / "reports", Rules(level="L2", checks=checks, policy="fatal")),
    ]
    Engine(work=out / "work").run("level", pipeline, len(part_names(parent)))


class ByFunction(BaseFilter):  # type: ignore[misc]  # datatrove has no types
    """A datatrove filter that does what the operator does, and no more."""

    def __init__(self, function: Callable[[Document], Any]) -> None:
        super().__init__()
        self._function = function

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        """Edit the document in place, or say why it goes."""
        document = Document(id=doc.id, domain="general", text=doc.text, meta=doc.metadata)
        found = self._function(document)
        if isinstance(found, Document):
            doc.text = found.text
            return True
        return True if found is None else (False, found)


def by_datatrove(rows: Path, out: Path, function: Callable[[Document], Any]) -> None:
    """Run the same function in datatrove's own reader, filter and writer."""
    pipeline = [
        JsonlReader(str(rows), compression="zstd", add_file_path=False),
        ByFunction(function),
        JsonlWriter(str(out / "documents"), compression="zstd"),
    ]
    Engine(work=out / "work").run("level", pipeline, 1)


def write_rows(parent: Path, rows: Path) -> None:
    """Write a corpus as datatrove reads it."""
    from datatrove.data import Document as Row

    rows.mkdir(parents=True)
    with JsonlWriter(str(rows), compression="zstd") as writer:
        for document in read_documents(parent):
            writer.write(Row(text=document.text, id=document.id, metadata=dict(document.meta)), 0)


def processor_s(work: Callable[[], None]) -> float:
    """Return the processor time that work takes, in seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
