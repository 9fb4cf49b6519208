"""`davinci`: what one asks of results that are there already.

davinci status [--watch]    sweeps, tasks, what runs where
davinci explain RUN         what the store knows of a run; or of overrides, and why they are new
davinci ablations [show X]  the catalogue, and what is known of its questions
davinci ablations paper     the papers' own claims, judged from what they printed
davinci import TABLE        results of others, with a mapping file
davinci promote ABLATION    which arms deserve a larger run, with the evidence
davinci mixtures [SWEEP]    how scores answer to the mixture, and a proposal
davinci report [SWEEP]      write a sweep's report anew (default: the newest), and the index
davinci reproduce DIGEST    a run or a sweep computed again, and compared item by item
davinci document ID         the life of one document, level by level
davinci export DIGEST TO    a checkpoint as a Hugging Face folder, with its tokenizer
davinci mlflow sync|check   MLflow made anew from the store, or compared with it
davinci merge OTHER         another store's results, by its output folder or its address
davinci migrate             a store of an older davinci brought up to date
davinci ui                  the MLflow UI on the right database, and the reports
davinci doctor              what works on this machine, and what is not there
"""

import argparse
import os
import sys
from pathlib import Path

from davinci.platform.config.errors import ConfigError
from davinci.platform.store.read import UnknownSweep
from davinci.platform.tracking.shown import UI_PORT
from davinci.reports import commands
from davinci.reports.commands import NothingThere


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
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    status = subparsers.add_parser("status", help="sweeps, tasks, what runs where")
    status.add_argument("--watch", action="store_true", help="until nothing runs any more")
    status.set_defaults(run=commands.run_status)
    explain = subparsers.add_parser("explain", help="what makes a point new, or what it equals")
    explain.add_argument("words", nargs="*", help="a run's digest, or overrides as for run.py")
    explain.set_defaults(run=commands.run_explain)
    ablations = subparsers.add_parser("ablations", help="the catalogue, and what is known of it")
    ablations.add_argument("action", nargs="?", choices=("list", "show", "paper"), default="list")
    ablations.add_argument("name", nargs="?", default="", help="of an ablation to show")
    ablations.add_argument("--theme", default="", help="list this theme only")
    ablations.set_defaults(run=commands.run_ablations)
    others = subparsers.add_parser("import", help="results of others, with a mapping file")
    others.add_argument("tables", nargs="*", type=Path, help="CSV, Parquet or JSON")
    others.add_argument("--mapping", type=Path, help="whose columns are whose; see the README")
    others.add_argument("--paper", action="store_true", help="the papers' own results")
    others.set_defaults(run=commands.run_import)
    promote = subparsers.add_parser("promote", help="which arms deserve a larger run")
    promote.add_argument("name", help="of an ablation")
    promote.add_argument("--metric", default="bpb/mean", help="protocol/domain (bpb/mean)")
    promote.set_defaults(run=commands.run_promote)
    mixtures = subparsers.add_parser("mixtures", help="how scores answer to the mixture")
    mixtures.add_argument("sweeps", nargs="*", help="first digits of digests (the newest sweep)")
    mixtures.add_argument("--metric", default="bpb/mean", help="protocol/domain (bpb/mean)")
    mixtures.set_defaults(run=commands.run_mixtures)
    report = subparsers.add_parser("report", help="write a sweep's report anew, and the index")
    report.add_argument("sweep", nargs="?", default="", help="first digits of its digest")
    report.add_argument("--export", type=Path, help="folder for tables, verdicts and figures")
    report.add_argument(
        "--anonymous", type=Path, help="folder for a report without names, times and places"
    )
    report.add_argument("--all", action="store_true", help="of every sweep")
    report.add_argument("--external", default="", help="name of imported results, not a sweep")
    report.add_argument("--study", default="", help="of the imported results")
    report.add_argument("--baseline", default="", help="arm of the imported results (the first)")
    report.add_argument("--paper", action="store_true", help="the papers' findings beside ours")
    report.set_defaults(run=commands.run_report)
    again = subparsers.add_parser("reproduce", help="compute a run or sweep again, and compare")
    again.add_argument("digest", nargs="?", default="", help="first digits (the newest sweep)")
    again.add_argument("words", nargs="*", help="overrides for this machine, behind it")
    again.add_argument("--into", type=Path, help="output folder (OUTPUT_DIR/reproduced)")
    again.set_defaults(run=commands.run_reproduce)
    document = subparsers.add_parser("document", help="the life of one document, level by level")
    document.add_argument("id", help="the document's id, as samples in a report show it")
    document.add_argument("--domain", default="", help="look in this domain only")
    document.add_argument("--full", action="store_true", help="show whole texts")
    document.set_defaults(run=commands.run_document)
    export = subparsers.add_parser("export", help="a checkpoint as a Hugging Face folder")
    export.add_argument("checkpoint", help="first digits of a segment's digest")
    export.add_argument("to", type=Path, help="folder to write")
    export.set_defaults(run=commands.run_export)
    mlflow = subparsers.add_parser("mlflow", help="MLflow made anew from the store, or compared")
    mlflow.add_argument("action", choices=("sync", "check"))
    mlflow.add_argument("--url", default="", help="tracking server, if not the local database")
    mlflow.set_defaults(run=commands.run_mlflow)
    merge = subparsers.add_parser("merge", help="bring another store's results here")
    merge.add_argument("other", help="an output folder, or the address of a store")
    merge.set_defaults(run=commands.run_merge)
    migrate = subparsers.add_parser("migrate", help="bring an older store up to date")
    migrate.set_defaults(run=commands.run_migrate)
    ui = subparsers.add_parser("ui", help="the MLflow UI on the right database, and the reports")
    ui.add_argument("--port", type=int, default=UI_PORT, help="of MLflow; the reports get the next")
    ui.set_defaults(run=commands.run_ui)
    doctor = subparsers.add_parser("doctor", help="what works on this machine")
    doctor.set_defaults(run=commands.run_doctor)
    of_store = [status, explain, ablations, others, promote, mixtures, report, again, document]
    of_store += [export, mlflow, merge, migrate, doctor]
    for command in (*of_store, ui):
        home = os.environ.get("DAVINCI_HOME", "outputs")
        command.add_argument("--output-dir", type=Path, default=Path(home))
    for command in of_store:
        command.add_argument("--store", default="", help="address of a store elsewhere")
    return parser


if __name__ == "__main__":
    sys.exit(main())
