"""What each command of `davinci` does with its arguments; every one returns the exit code."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from davinci.platform.config.errors import ConfigError
from davinci.platform.config.places import sqlite_path, sqlite_url

if TYPE_CHECKING:
    from sqlalchemy import Engine


class NothingThere(Exception):
    """What was asked for does not exist yet."""


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


def run_status(arguments: argparse.Namespace) -> int:
    """Show sweeps and what runs where."""
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


def run_explain(arguments: argparse.Namespace) -> int:
    """Show what the store knows of a run, or why overrides are new."""
    from davinci.reports.explanations import explain

    engine = _open(arguments)
    explain(engine, arguments.words, Console())
    engine.dispose()
    return 0


def run_ablations(arguments: argparse.Namespace) -> int:
    """List the catalogue, or show one ablation or the papers' claims."""
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


def run_promote(arguments: argparse.Namespace) -> int:
    """Show which arms of an ablation deserve a larger run."""
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


def run_mixtures(arguments: argparse.Namespace) -> int:
    """Show how scores answer to the mixture."""
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


def run_import(arguments: argparse.Namespace) -> int:
    """Keep results of others in the store."""
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


def run_mlflow(arguments: argparse.Namespace) -> int:
    """Make MLflow anew from the store, or compare it."""
    from davinci.reports.mlflow import check, sync

    url = arguments.url or sqlite_url(arguments.output_dir.absolute() / "mlflow.db")
    engine = _open(arguments)
    act = sync if arguments.action == "sync" else check
    try:
        return act(engine, url, arguments.output_dir.absolute() / "reports", Console())
    finally:
        engine.dispose()


def run_merge(arguments: argparse.Namespace) -> int:
    """Bring another store's results here."""
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


def run_migrate(arguments: argparse.Namespace) -> int:
    """Bring an older store up to date."""
    from davinci.reports.stores import migrate

    migrate(_address(arguments), Console())
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Write reports anew: one, all, the papers' page; or a sweep as files for a paper."""
    from davinci.reports.html import render_paper
    from davinci.reports.write import write_all

    engine = _open(arguments)
    reports = arguments.output_dir.absolute() / "reports"
    try:
        if arguments.paper:
            print(render_paper(engine, reports))
        elif arguments.all:
            print(write_all(engine, _address(arguments), reports, Console(stderr=True)))
        else:
            _report_one(engine, arguments)
    finally:
        engine.dispose()
    return 0


def _report_one(engine: "Engine", arguments: argparse.Namespace) -> None:
    from davinci.ablations.external.store import as_sweep, load
    from davinci.platform.store.read import find_sweep, load_sweep
    from davinci.reports.html import render_sweep
    from davinci.reports.publication import anonymous, publish_sweep
    from davinci.reports.write import write_reports

    reports = arguments.output_dir.absolute() / "reports"
    if arguments.external:
        data = load(engine, arguments.external)
        sweep = as_sweep(data, arguments.study, arguments.baseline)
    else:
        sweep = load_sweep(engine, find_sweep(engine, arguments.sweep))
    if arguments.export is not None:
        print("\n".join(map(str, publish_sweep(sweep, arguments.export))))
    elif arguments.anonymous is not None:
        print(render_sweep(anonymous(sweep), arguments.anonymous, indexed=False))
    else:
        print(write_reports(engine, sweep, reports))


def run_document(arguments: argparse.Namespace) -> int:
    """Show the life of one document."""
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


def run_reproduce(arguments: argparse.Namespace) -> int:
    """Compute a run or a sweep again, and compare."""
    from davinci.reports.reproduction import reproduce

    output_dir = arguments.output_dir.absolute()
    into = arguments.into or output_dir / "reproduced"
    if into.absolute() == output_dir:
        raise NothingThere(f"--into {into} has the first results; give another folder.")
    digest, words = arguments.digest, list(arguments.words)
    if "=" in digest:
        digest, words = "", [digest, *words]
    engine = _open(arguments)
    try:
        return reproduce(engine, output_dir, digest, into.absolute(), words, Console())
    finally:
        engine.dispose()


def run_export(arguments: argparse.Namespace) -> int:
    """Write a checkpoint as a Hugging Face folder."""
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


def run_doctor(arguments: argparse.Namespace) -> int:
    """Show what works on this machine."""
    from davinci.reports.doctor import show_doctor

    return show_doctor(arguments.output_dir.absolute(), arguments.store, Console())


def run_ui(arguments: argparse.Namespace) -> int:
    """Serve the MLflow UI on the right database, and the reports beside it."""
    from davinci.reports.ui import serve

    path = arguments.output_dir.absolute() / "mlflow.db"
    if not path.exists():
        raise NothingThere(f"There is no MLflow database at {path}; `python run.py` makes one.")
    try:
        return serve(arguments.output_dir.absolute(), arguments.port, Console())
    except OSError as error:
        taken = f"Port {arguments.port + 1} for the reports: {error.strerror}; try another --port."
        raise NothingThere(taken) from None
