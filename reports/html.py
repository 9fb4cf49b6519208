"""Reports as single HTML files: everything inside, nothing fetched, all texts escaped."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from davinci.ablations import wording
from davinci.ablations.comparison import compare
from davinci.ablations.differences import shared_settings
from davinci.ablations.findings import SweepComparison
from davinci.ablations.judgement import judge_sweep
from davinci.ablations.saturation import saturations
from davinci.ablations.signal import benchmark_signals
from davinci.platform.store.records import Sweep
from davinci.reports import filters, palette
from davinci.reports.contamination import contamination_report
from davinci.reports.corpora import domain_corpora, teachers
from davinci.reports.costs import arm_costs, level_costs, run_rows, teacher_cost
from davinci.reports.evaluations import agreements, lost_items
from davinci.reports.generations import benchmark_samples
from davinci.reports.pictures import curve_pictures, effect_pictures
from davinci.reports.scores import report_json, scores_csv
from davinci.reports.texts import GLOSSARY, PROTOCOL_TITLES, caveats, question
from davinci.reports.training import decision_rows, sharing, spike_rows, stage_rows
from davinci.reports.verdicts import claim_rows, verdict_picture

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One sweep in the index; `href` is relative to the index's folder.

    `verdict` is that of a declared ablation, "" for other sweeps.
    """

    title: str
    verdict: str
    axes: str
    num_arms: int
    num_runs: int
    num_done: int
    headline: str
    created: str
    href: str


def render_sweep(sweep: Sweep, out: Path) -> Path:
    """Write the report of a sweep to `out/index.html`, with `scores.csv` beside it.

    Returns:
        The path of the HTML file, which needs no other file and no network.

    Raises:
        OSError: If `out` cannot be created or written.
    """
    comparison = compare(sweep)
    page = _environment().get_template("sweep.html.j2").render(_context(sweep, comparison))
    _write(out / "scores.csv", scores_csv(comparison))
    return _write(out / "index.html", page)


def index_entry(sweep: Sweep, href: str) -> IndexEntry:
    """Return a sweep's line in the index."""
    comparison = compare(sweep)
    judgement = judge_sweep(sweep, comparison)
    return IndexEntry(
        title=question(sweep),
        verdict=judgement.state if judgement else "",
        axes="; ".join(f"{axis}={','.join(values)}" for axis, values in sweep.axes.items()),
        num_arms=len(sweep.arms),
        num_runs=sum(arm.num_runs for arm in comparison.arms),
        num_done=sum(arm.num_done for arm in comparison.arms),
        headline=claim_rows(judgement)[0].words if judgement else comparison.sentences[0],
        created=sweep.created,
        href=href,
    )


def render_index(entries: Iterable[IndexEntry], out: Path) -> Path:
    """Write the index of all sweeps, newest first, to `out/index.html`.

    Raises:
        OSError: If `out` cannot be created or written.
    """
    newest = sorted(entries, key=lambda entry: (entry.created, entry.href), reverse=True)
    page = _environment().get_template("index.html.j2").render(entries=newest)
    return _write(out / "index.html", page)


def _context(sweep: Sweep, comparison: SweepComparison) -> dict[str, Any]:
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
        "caveats": caveats(sweep, comparison, teachers(sweep)),
        "glossary": GLOSSARY,
        "protocol_titles": PROTOCOL_TITLES,
        "data": Markup(report_json(sweep, comparison, judgement=judgement, **found)),
    }


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
        "meanings": {term.key: term.meaning for term in GLOSSARY},
        "interval": wording.interval,
        "repeats": wording.repeats,
        "floor_words": wording.floor_words,
        "count": wording.count,
    }
    return environment


def _write(path: Path, text: str) -> Path:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.write_text(text, encoding="utf-8", errors="backslashreplace")
    draft.replace(path)
    return path
