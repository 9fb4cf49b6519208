"""Writing reports from the store: of one sweep, of all of them at once, and the index."""

import gc
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.store.read import finished_runs, list_sweeps, load_sweep
from davinci.platform.store.records import Sweep

RARELY = 50_000
"""New objects between two collections of garbage: each walks over the records of a whole sweep."""


def write_reports(engine: Engine, sweep: Sweep, reports: Path) -> Path:
    """Write one sweep's report and the index of all; return the report's page."""
    from davinci.reports.html import render_sweep

    page = render_sweep(sweep, reports / sweep.digest[:12])
    write_index(engine, reports)
    return page


def write_all(engine: Engine, url: str, reports: Path, console: Console) -> Path:
    """Write the reports of all sweeps, as many at once as there are cores, and the index.

    `url` is the address of the engine's store.
    """
    from rich.progress import track

    digests = list_sweeps(engine)
    workers = max(1, min(len(digests), os.cpu_count() or 1))
    context = multiprocessing.get_context("spawn")  # of a parent with threads nothing is forked
    with ProcessPoolExecutor(workers, context, gc.set_threshold, (RARELY,)) as pool:
        waiting = [pool.submit(_write_one, url, digest, reports) for digest in digests]
        done = as_completed(waiting)
        for each in track(done, "reports", total=len(digests), console=console):
            each.result()
    return write_index(engine, reports)


def _write_one(url: str, digest: str, reports: Path) -> None:
    from davinci.platform.store.open import engine_of
    from davinci.reports.html import render_sweep

    engine = engine_of(url)
    render_sweep(load_sweep(engine, digest), reports / digest[:12])
    engine.dispose()


def write_index(engine: Engine, reports: Path) -> Path:
    """Write the index of all sweeps; records that are not there or too old are made anew.

    A sweep without a report is listed, but leads nowhere; studies of imported results are listed if
    they have one.
    """
    from davinci.ablations.external.store import list_external
    from davinci.ablations.known import names, read
    from davinci.reports.entries import FILE, index_entry, read_entry, write_entry
    from davinci.reports.html import render_index

    entries, done = [], finished_runs(engine)
    for digest in list_sweeps(engine):
        folder = reports / digest[:12]
        entry = read_entry(folder)
        if entry is None or (entry.sweep, entry.num_done) != (digest, done.get(digest, 0)):
            entry = index_entry(load_sweep(engine, digest), f"{folder.name}/index.html")
            write_entry(entry, folder)
        there = (folder / "index.html").exists()
        entries.append(entry if there else replace(entry, href=""))
    own = {entry.sweep[:12] for entry in entries}
    others = [
        entry
        for path in sorted(reports.glob(f"*/{FILE}"))
        if path.parent.name not in own and (entry := read_entry(path.parent)) and entry.source
    ]
    catalogue = [read(name) for name in names()]
    return render_index(entries, reports, catalogue, imported=(list_external(engine), others))
