"""A sweep as files for a paper: tables (CSV, Parquet, LaTeX, Markdown), verdicts, figures."""

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from davinci.ablations.comparison import compare
from davinci.ablations.findings import Cell, SweepComparison
from davinci.ablations.judgement import Judgement, judge_sweep
from davinci.ablations.wording import interval, metric_words, number, p_value
from davinci.platform.store.records import Sweep
from davinci.reports.files import write_whole
from davinci.reports.filters import visible
from davinci.reports.palette import arm_styles
from davinci.reports.pictures import curve_pictures, effect_pictures
from davinci.reports.scores import score_rows, scores_csv, verdict_rows
from davinci.reports.svg import keeping
from davinci.reports.verdicts import claim_rows, verdict_picture

Rows = Sequence[Sequence[str]]
SCORES = ("Benchmark", "Protocol", "Arm", "Score [95 %]", "Difference [95 %]", "p", "n")
VERDICTS = ("Claim", "Verdict", "Effect [95 %]", "p", "n")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$", "×": r"$\times$",
}  # fmt: skip


def publish_sweep(sweep: Sweep, out: Path) -> list[Path]:
    """Write all files of a sweep into a folder; return their paths.

    `scores.{csv,parquet,tex,md}` have every headline score with its interval, `verdicts.{json,tex,
    md}` every claim of a declared ablation, `figures/*.{svg,png,pdf}` the pictures of the report.

    Raises:
        OSError: If the folder cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    comparison = compare(sweep)
    judgement = judge_sweep(sweep, comparison)
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    styles = arm_styles(sweep)
    with keeping(figures):
        effect_pictures(comparison, styles)
        curve_pictures(sweep, styles, [metric.key for metric in comparison.headline])
        if judgement:
            verdict_picture(judgement, styles)
    scores = list(score_rows(comparison))
    parquet.write_table(pa.Table.from_pylist(scores), out / "scores.parquet")
    texts = {"scores.csv": scores_csv(scores)}
    rows = _score_table(comparison)
    texts |= {"scores.tex": latex(SCORES, rows), "scores.md": markdown(SCORES, rows)}
    if judgement:
        rows = _verdict_table(judgement)
        texts |= {"verdicts.tex": latex(VERDICTS, rows), "verdicts.md": markdown(VERDICTS, rows)}
        texts["verdicts.json"] = json.dumps(verdict_rows(judgement), indent=1, sort_keys=True)
    for name, text in texts.items():
        write_whole(out / name, text)
    written = [out / name for name in (*texts, "scores.parquet")]
    return sorted([*written, *figures.iterdir()])


def latex(head: Sequence[str], rows: Rows) -> str:
    """Return a `tabular` for the package booktabs; rows that begin alike stand together."""
    lines = [
        "% needs \\usepackage{booktabs}; stars are differences that are resolved after correction",
        f"\\begin{{tabular}}{{{'l' * len(head)}}}",
        "\\toprule",
        " & ".join(map(latex_text, head)) + r" \\",
        "\\midrule",
    ]
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row[0])]
    for place, group in enumerate(groups):
        if place and max(len(group), len(groups[place - 1])) > 1:
            lines.append("\\midrule")
        for number_, row in enumerate(group):
            cells = ["" if number_ else row[0], *row[1:]]
            lines.append(" & ".join(map(latex_text, cells)) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def latex_text(text: str) -> str:
    """Return a text as LaTeX shows it; nothing in it is a command."""
    shown = " ".join(visible(text).split())
    return "".join(_LATEX.get(char, char) for char in shown)


def markdown(head: Sequence[str], rows: Rows) -> str:
    """Return a table as GitHub shows it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_markdown_text, line)) + " |\n" for line in lines)


def _markdown_text(text: str) -> str:
    shown = " ".join(visible(text).split())
    shown = re.sub(r"([\\`*_\[\]|~])", r"\\\1", shown) if shown != "---" else shown
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _score_table(comparison: SweepComparison) -> list[tuple[str, ...]]:
    return [
        (
            f"{metric.key.benchmark}, {metric_words(metric.key.metric)}",
            metric.key.protocol,
            cell.arm,
            *_numbers(cell),
        )
        for metric in comparison.headline
        for cell in metric.cells
    ]


def _numbers(cell: Cell) -> tuple[str, str, str, str]:
    score, effect = cell.score, cell.effect
    if score is None:
        return "no result", "", "", "0"
    shown = f"{number(score.mean)} {interval(score.low, score.high)}"
    n = f"{score.num_replicates} × {score.num_items}"
    if effect is None:
        return shown, "", "", n
    star = "*" if cell.resolved else ""
    difference = f"{number(effect.mean, signed=True)}{star} "
    difference += interval(effect.low, effect.high, signed=True)
    return shown, difference, p_value(cell.p_corrected), n


def _verdict_table(judgement: Judgement) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for row in claim_rows(judgement):
        if row.effect is None:
            found.append((row.words, row.state, "", "", "0"))
            continue
        ends = interval(row.effect.low, row.effect.high, signed=True)
        shown = f"{number(row.effect.mean, signed=True)} {ends}"
        n = str(row.effect.num_replicates)
        found.append((row.words, row.state, shown, p_value(row.p), n))
    return found


def anonymous(sweep: Sweep) -> Sweep:
    """Return a sweep without what tells whose it is, for double-blind review.

    Taken out are times, the machine, versions of own code, ids of trackers, errors, and every word
    of a command or value of a configuration that is a path or an address. Scores, digests of runs
    and verdicts stay.
    """
    arms = tuple(
        replace(
            arm,
            overrides=tuple(_without_places(word) for word in arm.overrides),
            config=_deep(arm.config),
            runs=tuple(
                replace(run, mlflow_run_id="", error="", started=0.0, finished=0.0)
                for run in arm.runs
            ),
        )
        for arm in sweep.arms
    )
    packages = sweep.provenance.get("packages", {})
    return replace(
        sweep,
        created="",
        command=" ".join(_without_places(word) for word in sweep.command.split(" ")),
        fixed=tuple(_without_places(word) for word in sweep.fixed),
        provenance={"packages": packages} if packages else {},
        registrations=tuple(replace(one, created="") for one in sweep.registrations),
        corpora={
            name: replace(corpus, manifest=_deep(corpus.manifest))
            for name, corpus in sweep.corpora.items()
        },
        arms=arms,
    )


HIDDEN = "HIDDEN"
_PLACE = re.compile(r"(?:[A-Za-z][\w+.-]*://|/|~/|[A-Za-z]:\\)[^\s,'\"\]}]*|\S+@\S+\.\S+")


def _without_places(text: str) -> str:
    """Return a text without absolute paths, addresses and names at hosts."""
    return _PLACE.sub(HIDDEN, text)


def _deep(value: Any) -> Any:
    """Return plain data with `_without_places` applied to every text that is one."""
    if isinstance(value, str):
        return HIDDEN if _PLACE.match(value) else value
    if isinstance(value, Mapping):
        return {key: _deep(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        make: Callable[[Any], Any] = type(value)
        return make([_deep(one) for one in value])
    return value
