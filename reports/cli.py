"""`davinci`: what one asks of results that are there already.

davinci status [--watch]    sweeps, tasks, what runs where
davinci explain RUN         what the store knows of a run; or of overrides, and why they are new
davinci ablations [show X]  the catalogue, and what is known of its questions
davinci ablations paper     the papers' own claims, judged from what they printed
davinci import TABLE        results of others, with a mapping file
davinci promote ABLATION    which arms deserve a larger run, with the evidence
davinci mixtures [SWEEP]    how scores answer to the mixture, and a proposal
davinci report [SWEEP]      write a sweep's report anew (default: the newest), and the index
davinci document ID         the life of one document, level by level
davinci export DIGEST TO    a checkpoint as a Hugging Face folder, with its tokenizer
davinci mlflow sync|check   MLflow made anew from the store, or compared with it
davinci merge OTHER         another store's results, by its output folder or its address
davinci migrate             a store of an older davinci brought up to date
davinci ui                  the MLflow UI on the right database
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

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
    status = commands.add_parser("status", help="sweeps, tasks, what runs where")
    status.add_argument("--watch", action="store_true", help="until nothing runs any more")
    status.set_defaults(run=_status)
    explain = commands.add_parser("explain", help="what makes a point new, or what it equals")
    explain.add_argument("words", nargs="*", help="a run's digest, or overrides as for run.py")
    explain.set_defaults(run=_explain)
    ablations = commands.add_parser("ablations", help="the catalogue, and what is known of it")
    ablations.add_argument("action", nargs="?", choices=("list", "show", "paper"), default="list")
    ablations.add_argument("name", nargs="?", default="", help="of an ablation to show")
    ablations.add_argument("--theme", default="", help="list this theme only")
    ablations.set_defaults(run=_ablations)
    others = commands.add_parser("import", help="results of others, with a mapping file")
    others.add_argument("tables", nargs="*", type=Path, help="CSV, Parquet or JSON")
    others.add_argument("--mapping", type=Path, help="whose columns are whose; see the README")
    others.add_argument("--paper", action="store_true", help="the papers' own results")
    others.set_defaults(run=_import)
    promote = commands.add_parser("promote", help="which arms deserve a larger run")
    promote.add_argument("name", help="of an ablation")
    promote.add_argument("--metric", default="bpb/mean", help="protocol/domain (bpb/mean)")
    promote.set_defaults(run=_promote)
    mixtures = commands.add_parser("mixtures", help="how scores answer to the mixture")
    mixtures.add_argument("sweeps", nargs="*", help="first digits of digests (the newest sweep)")
    mixtures.add_argument("--metric", default="bpb/mean", help="protocol/domain (bpb/mean)")
    mixtures.set_defaults(run=_mixtures)
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
    mlflow = commands.add_parser("mlflow", help="MLflow made anew from the store, or compared")
    mlflow.add_argument("action", choices=("sync", "check"))
    mlflow.add_argument("--url", default="", help="tracking server, if not the local database")
    mlflow.set_defaults(run=_mlflow)
    merge = commands.add_parser("merge", help="bring another store's results here")
    merge.add_argument("other", help="an output folder, or the address of a store")
    merge.set_defaults(run=_merge)
    migrate = commands.add_parser("migrate", help="bring an older store up to date")
    migrate.set_defaults(run=_migrate)
    ui = commands.add_parser("ui", help="open the MLflow UI on the right database")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(run=_ui)
    of_store = [status, explain, ablations, others, promote, mixtures, report, document, export]
    of_store += [mlflow, merge, migrate]
    for command in (*of_store, ui):
        home = os.environ.get("DAVINCI_HOME", "outputs")
        command.add_argument("--output-dir", type=Path, default=Path(home))
    for command in of_store:
        command.add_argument("--store", default="", help="address of a store elsewhere")
    return parser


def _address(arguments: argparse.Namespace) -> str:
    """Return the store's address; of a file, only if it is there."""
    url: str = arguments.store or sqlite_url(arguments.output_dir.absolute() / "davinci.db")
    file = sqlite_path(url)
    if file is not None and not file.exists():
        raise NothingThere(f"There is no store at {file}; `python run.py` makes one.")
    return url


def _open(arguments: argparse.Namespace) -> "Engine":
    from davinci.platform.store.open import open_store

    return open_store(_address(arguments))


def _status(arguments: argparse.Namespace) -> int:
    from davinci.platform.execute.cluster import ask_slurm
    from davinci.reports.status import show_status

    engine = _open(arguments)
    try:
        show_status(engine, Console(), watch=arguments.watch, ask=lambda: ask_slurm(engine))
    except KeyboardInterrupt:
        pass
    finally:
        engine.dispose()
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from davinci.reports.explanations import explain

    engine = _open(arguments)
    explain(engine, arguments.words, Console())
    engine.dispose()
    return 0


def _ablations(arguments: argparse.Namespace) -> int:
    from davinci.ablations.known import names, read
    from davinci.reports.ablations import list_ablations, show_ablation, show_paper

    if arguments.action == "paper":
        show_paper(Console())
        return 0
    if arguments.action == "show" and not arguments.name:
        raise NothingThere(f"Show which ablation? There are {', '.join(names())}.")
    ablation = read(arguments.name) if arguments.action == "show" else None
    try:
        engine = _open(arguments)
    except NothingThere:
        engine = None  # the catalogue is there before any store
    if ablation is not None:
        show_ablation(ablation, engine, Console())
    else:
        list_ablations(engine, Console(), arguments.theme)
    if engine is not None:
        engine.dispose()
    return 0


def _promote(arguments: argparse.Namespace) -> int:
    from davinci.ablations.declaration import check_metric
    from davinci.ablations.known import findings, read
    from davinci.ablations.promotion import promotion
    from davinci.platform.store.read import load_sweep
    from davinci.reports.ablations import show_promotion

    if problems := check_metric("--metric", arguments.metric):
        raise ConfigError(problems)
    engine = _open(arguments)
    try:
        known = findings(engine, arguments.name)
        if not known:
            read(arguments.name)  # says which there are, if there is none of that name
            raise NothingThere(f"{arguments.name} has not been run here yet.")
        digests = dict.fromkeys(finding.sweep for finding in known)
        found = promotion([load_sweep(engine, digest) for digest in digests], arguments.metric)
    finally:
        engine.dispose()
    if found is None:
        raise NothingThere(f"No run of {arguments.name} is scored in {arguments.metric}.")
    show_promotion(found, arguments.name, Console())
    return 0


def _mixtures(arguments: argparse.Namespace) -> int:
    from davinci.ablations.declaration import check_metric
    from davinci.platform.store.read import find_sweep, load_sweep
    from davinci.reports.mixtures import response_of, show_response

    if problems := check_metric("--metric", arguments.metric):
        raise ConfigError(problems)
    engine = _open(arguments)
    try:
        digests = [find_sweep(engine, start) for start in arguments.sweeps or [""]]
        found = response_of([load_sweep(engine, digest) for digest in digests], arguments.metric)
    except ValueError as error:
        raise NothingThere(str(error)) from None
    finally:
        engine.dispose()
    show_response(found, arguments.metric, Console())
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from davinci.ablations.external.store import keep
    from davinci.ablations.external.table import read_mapping, read_results
    from davinci.ablations.paper.read import MAPPING, result_files
    from davinci.platform.store.open import open_store

    if not arguments.paper and (arguments.mapping is None or not arguments.tables):
        raise NothingThere("Give tables and --mapping FILE, or --paper.")
    tables, mapping = arguments.tables, arguments.mapping
    if arguments.paper:
        tables, mapping = result_files(), MAPPING
    data = read_results(tables, read_mapping(mapping))
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    engine = open_store(
        arguments.store or sqlite_url(arguments.output_dir.absolute() / "davinci.db")
    )
    new = keep(engine, data)
    engine.dispose()
    studies = len({result.study for result in data.results})
    what = f"{len(data.results)} results of {studies} studies as {data.name!r}"
    print(f"{'Imported' if new else 'Already there:'} {what}, digest {data.digest[:12]}.")
    return 0


def _mlflow(arguments: argparse.Namespace) -> int:
    from davinci.reports.mlflow import check, sync

    url = arguments.url or sqlite_url(arguments.output_dir.absolute() / "mlflow.db")
    engine = _open(arguments)
    act = sync if arguments.action == "sync" else check
    try:
        return act(engine, url, arguments.output_dir.absolute() / "reports", Console())
    finally:
        engine.dispose()


def _merge(arguments: argparse.Namespace) -> int:
    from davinci.platform.store.open import open_store
    from davinci.reports.stores import merge

    output_dir = arguments.output_dir.absolute()
    engine = open_store(arguments.store or sqlite_url(output_dir / "davinci.db"))
    try:
        merge(engine, output_dir, arguments.other, Console())
    except FileNotFoundError as error:
        raise NothingThere(str(error)) from None
    finally:
        engine.dispose()
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from davinci.reports.stores import migrate

    migrate(_address(arguments), Console())
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
