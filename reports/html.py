"""Reports as single HTML files: everything inside, nothing fetched, all texts escaped."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from davinci.ablations import wording
from davinci.ablations.comparison import compare
from davinci.ablations.declaration import Ablation
from davinci.ablations.differences import shared_settings
from davinci.ablations.findings import SweepComparison
from davinci.ablations.judgement import judge_sweep
from davinci.ablations.saturation import saturations
from davinci.ablations.signal import benchmark_signals
from davinci.platform.store.records import Sweep
from davinci.reports import filters, palette, pieces
from davinci.reports.contamination import contamination_report
from davinci.reports.corpora import domain_corpora, teachers
from davinci.reports.costs import arm_costs, level_costs, run_rows, teacher_cost
from davinci.reports.entries import IndexEntry, entry_of, write_entry
from davinci.reports.evaluations import agreements, lost_items
from davinci.reports.files import write_whole
from davinci.reports.generations import benchmark_samples
from davinci.reports.index import (
    coverage,
    crossed,
    deciding,
    earlier_looks,
    index_rows,
    leagues,
    next_runs,
)
from davinci.reports.paper import ours_numbers, paper_studies
from davinci.reports.pictures import curve_pictures, effect_pictures
from davinci.reports.radar import glances
from davinci.reports.runs import MAX_RUN_PAGES, Read, against_rows, page_of, run_context
from davinci.reports.score_table import score_bodies
from davinci.reports.scores import Row, report_json, score_rows, scores_csv
from davinci.reports.svg import drawing
from davinci.reports.texts import GLOSSARY, PROTOCOL_TITLES, caveats, question
from davinci.reports.timeline import domains_of, timeline_picture
from davinci.reports.training import decision_rows, sharing, spike_rows, stage_rows
from davinci.reports.verdicts import claim_rows, verdict_picture

if TYPE_CHECKING:
    from sqlalchemy import Engine

TEMPLATES = Path(__file__).parent / "templates"
STATES = ("supported", "contradicted", "inconclusive", "void", "not run")


def render_sweep(sweep: Sweep, out: Path, *, indexed: bool = True) -> Path:
    """Write the report of a sweep to `out/index.html`, and beside it its scores and its runs.

    Where it is `indexed`, also the record from which an index is written.

    Returns:
        The path of the HTML file, which needs no other file and no network.

    Raises:
        OSError: If `out` cannot be created or written.
    """
    comparison = compare(sweep)
    rows = list(score_rows(comparison))
    with drawing():
        context = _context(sweep, comparison, rows)
    page = _environment().get_template("sweep.html.j2").render(context)
    write_whole(out / "scores.csv", scores_csv(rows))
    if indexed:
        found = entry_of(
            sweep, comparison, context["judgement"], context["signals"], f"{out.name}/index.html"
        )
        write_entry(found, out)
    _write_runs(sweep, comparison, out / "runs")
    return write_whole(out / "index.html", page)


def _has_run_pages(sweep: Sweep) -> bool:
    return sum(len(arm.runs) for arm in sweep.arms) <= MAX_RUN_PAGES


def _write_runs(sweep: Sweep, comparison: SweepComparison, out: Path) -> None:
    if not _has_run_pages(sweep):
        return
    template = _environment().get_template("run.html.j2")
    read: Read = {}
    for arm in sweep.arms:
        for run in arm.runs:
            context = run_context(sweep, comparison, arm, run, read)
            write_whole(out / page_of(run.digest), template.render(context))


def render_index(
    entries: Sequence[IndexEntry],
    out: Path,
    catalogue: Sequence[Ablation] = (),
    imported: tuple[Sequence[str], Sequence[IndexEntry]] = ((), ()),
) -> Path:
    """Write the index of all sweeps, and of the catalogue's ablations, to `out/index.html`.

    `imported` has the names of results of others, and those of their studies that have a report.

    Raises:
        OSError: If `out` cannot be created or written.
    """
    rows = index_rows(entries, catalogue)
    shown = [row for row in rows if not row.look]
    looks = earlier_looks(entries)
    current = [entry for entry in entries if entry.sweep not in looks]
    scales, signals = deciding(current)
    page = (
        _environment()
        .get_template("index.html.j2")
        .render(
            rows=rows,
            num_sweeps=len(entries),
            num_runs=len({run for entry in entries for run in entry.runs}),
            states={
                state: num for state in STATES if (num := sum(row.state == state for row in shown))
            },
            themes=sorted({row.theme for row in rows if row.theme}),
            next=next_runs(current),
            scales=scales,
            signals=signals,
            coverage=coverage(current),
            crossed=crossed(current),
            leagues=leagues(current),
            imported=imported,
            has_paper=(out / "paper.html").exists(),
        )
    )
    return write_whole(out / "index.html", page)


def render_paper(engine: "Engine | None", out: Path) -> Path:
    """Write the papers' findings beside ours to `out/paper.html`.

    Raises:
        OSError: If `out` cannot be created or written.
    """
    studies = paper_studies(engine)
    page = (
        _environment()
        .get_template("paper.html.j2")
        .render(
            studies=studies,
            num_claims=sum(len(study.printed) for study in studies),
            num_beyond=sum(study.num_beyond for study in studies),
            num_ours=len({study.ablation for study in studies if study.ablation}),
            num_run=len({study.ablation for study in studies if study.scale}),
            numbers=ours_numbers,
        )
    )
    return write_whole(out / "paper.html", page)


def _context(sweep: Sweep, comparison: SweepComparison, rows: Sequence[Row]) -> dict[str, Any]:
    styles = palette.arm_styles(sweep)
    found: dict[str, Any] = {
        "signals": benchmark_signals(sweep, comparison),
        "agreements": agreements(sweep, comparison),
        "saturations": saturations(sweep, [metric.key for metric in comparison.headline]),
    }
    judgement = judge_sweep(sweep, comparison)
    return {
        **found,
        "judgement": judgement,
        "claims": claim_rows(judgement) if judgement else (),
        "verdict_picture": verdict_picture(judgement, styles) if judgement else "",
        "sweep": sweep,
        "comparison": comparison,
        "styles": styles,
        "question": question(sweep),
        "effects": effect_pictures(comparison, styles),
        "curves": curve_pictures(sweep, styles, [metric.key for metric in comparison.headline]),
        "lost": lost_items(sweep),
        "stages": stage_rows(sweep),
        "timeline": timeline_picture(sweep),
        "timeline_domains": domains_of(sweep),
        "glances": glances(comparison, styles),
        "sharing": sharing(sweep),
        "decisions": decision_rows(sweep),
        "spikes": spike_rows(sweep),
        "shared": shared_settings(sweep),
        "domains": domain_corpora(sweep),
        "contamination": contamination_report(sweep, comparison),
        "generations": benchmark_samples(sweep),
        "costs": arm_costs(sweep),
        "building": level_costs(sweep),
        "teacher_cost": teacher_cost(sweep),
        "run_rows": run_rows(sweep),
        "run_pages": _has_run_pages(sweep),
        "caveats": caveats(sweep, comparison, teachers(sweep)),
        "glossary": GLOSSARY,
        "protocol_titles": PROTOCOL_TITLES,
        "data": Markup(report_json(sweep, comparison, rows, judgement=judgement, **found)),
    }


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=filters.finalize,
    )
    environment.filters |= filters.FILTERS
    environment.globals |= {
        "light": Markup(palette.variables(dark=False)),
        "dark": Markup(palette.variables(dark=True)),
        "css": Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "js": Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        "score_bodies": score_bodies,
        "term": pieces.term,
        "arm": pieces.arm,
        "figure": pieces.figure,
        "estimate": pieces.estimate,
        "interval": wording.interval,
        "count": wording.count,
        "page_of": page_of,
        "against_rows": against_rows,
    }
    return environment
