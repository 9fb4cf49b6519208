"""`davinci`: what one asks of results that are there already.

davinci status              sweeps and tasks of the store
davinci report [SWEEP]      write a sweep's report anew (default: the newest), and the index
davinci document ID         the life of one document, level by level
davinci export DIGEST TO    a checkpoint as a Hugging Face folder, with its tokenizer
davinci ui                  the MLflow UI on the right database
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import sqlite_path, sqlite_url
from davinci.platform.store.read import UnknownSweep

if TYPE_CHECKING:
    from sqlalchemy import Engine


class NothingThere(Exception):
    """What was asked for does not exist yet."""


def main(words: list[str] | None = None) -> int:
    """Run one command; return the exit code: 2 when the command line or the store is wrong."""
    arguments = _parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except (ConfigError, NothingThere, UnknownSweep) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="davinci", description="Look at the results of `python run.py`."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="sweeps and tasks of the store")
    status.set_defaults(run=_status)
    report = commands.add_parser("report", help="write a sweep's report anew, and the index")
    report.add_argument("sweep", nargs="?", default="", help="first digits of its digest")
    report.set_defaults(run=_report)
    document = commands.add_parser("document", help="the life of one document, level by level")
    document.add_argument("id", help="the document's id, as samples in a report show it")
    document.add_argument("--domain", default="", help="look in this domain only")
    document.add_argument("--full", action="store_true", help="show whole texts")
    document.set_defaults(run=_document)
    export = commands.add_parser("export", help="a checkpoint as a Hugging Face folder")
    export.add_argument("checkpoint", help="first digits of a segment's digest")
    export.add_argument("to", type=Path, help="folder to write")
    export.set_defaults(run=_export)
    ui = commands.add_parser("ui", help="open the MLflow UI on the right database")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(run=_ui)
    for command in (status, report, document, export, ui):
        home = os.environ.get("DAVINCI_HOME", "outputs")
        command.add_argument("--output-dir", type=Path, default=Path(home))
    for command in (status, report, document, export):
        command.add_argument("--store", default="", help="address of a store elsewhere")
    return parser


def _open(arguments: argparse.Namespace) -> "Engine":
    from davinci.platform.store.open import open_store

    path = arguments.output_dir.absolute() / "davinci.db"
    url = arguments.store or sqlite_url(path)
    file = sqlite_path(url)
    if file is not None and not file.exists():
        raise NothingThere(f"There is no store at {file}; `python run.py` makes one.")
    return open_store(url)


def _status(arguments: argparse.Namespace) -> int:
    from davinci.platform.store.read import list_sweeps, load_sweep

    engine = _open(arguments)
    table = Table("sweep", "varied", "arms", "runs", "created", box=None, header_style="bold")
    for digest in list_sweeps(engine):
        sweep = load_sweep(engine, digest)
        states = Counter(run.state for arm in sweep.arms for run in arm.runs)
        runs = ", ".join(f"{n} {state}" for state, n in states.items())
        table.add_row(digest[:12], sweep.name, str(len(sweep.arms)), runs, sweep.created)
    Console().print(table)
    engine.dispose()
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from davinci.platform.store.read import find_sweep, load_sweep
    from davinci.reports.publish import write_reports

    engine = _open(arguments)
    sweep = load_sweep(engine, find_sweep(engine, arguments.sweep))
    print(write_reports(engine, sweep, arguments.output_dir.absolute() / "reports"))
    engine.dispose()
    return 0


def _document(arguments: argparse.Namespace) -> int:
    from davinci.reports.documents import print_life, show_document

    engine = _open(arguments)
    panels, near = show_document(
        engine,
        arguments.output_dir.absolute(),
        arguments.id,
        domain=arguments.domain,
        full=arguments.full,
    )
    engine.dispose()
    if not panels:
        hint = f" Ids like it: {', '.join(near)}." if near else ""
        raise NothingThere(f"No corpus of this store has a document {arguments.id!r}.{hint}")
    print_life(panels, Console())
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from davinci.reports.export import UnknownCheckpoint, export_checkpoint

    engine = _open(arguments)
    output_dir = arguments.output_dir.absolute()
    try:
        digest = export_checkpoint(engine, output_dir, arguments.checkpoint, arguments.to)
    except (UnknownCheckpoint, FileExistsError) as error:
        raise NothingThere(str(error)) from None
    finally:
        engine.dispose()
    print(f"{arguments.to}: checkpoint {digest[:12]}, to be loaded by transformers.")
    return 0


def _ui(arguments: argparse.Namespace) -> int:
    path = arguments.output_dir.absolute() / "mlflow.db"
    if not path.exists():
        raise NothingThere(f"There is no MLflow database at {path}; `python run.py` makes one.")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine
    words = ["mlflow", "ui", "--backend-store-uri", sqlite_url(path)]
    os.execv(sys.executable, [sys.executable, "-m", *words, "--port", str(arguments.port)])


if __name__ == "__main__":
    sys.exit(main())
