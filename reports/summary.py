"""The summary that a sweep leaves in the terminal: the headline scores, arm by arm."""

from rich.console import Console
from rich.table import Table

from davinci.ablations.findings import Cell, SweepComparison
from davinci.ablations.judgement import Judgement
from davinci.ablations.wording import interval, number
from davinci.reports.verdicts import claim_rows

MAX_WIDE_ARMS = 3
"""With more arms, the differences stand in the report alone: a terminal has no room for them."""


def print_summary(comparison: SweepComparison, console: Console) -> None:
    """Print headline scores with their intervals, differences to the baseline, and words."""
    if comparison.headline:
        wide = len(comparison.arms) <= MAX_WIDE_ARMS
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("headline score", no_wrap=True)
        for arm in comparison.arms:
            table.add_column(arm.label, justify="right")
        for metric in comparison.headline:
            arrow = "↑" if metric.higher_is_better else "↓"
            name = f"{metric.key.protocol} {metric.key.domain} {metric.key.metric} {arrow}"
            table.add_row(name, *(_cell(cell, wide=wide) for cell in metric.cells))
        console.print(table)
        what = "Score (difference to the baseline ± half its 95 % interval)" if wide else "Score"
        console.print(f"{what}; * resolved after correction.", style="dim", soft_wrap=True)
    for sentence in (*comparison.problems, *comparison.sentences):
        console.print(f"• {sentence}", markup=False, highlight=False)


def print_verdicts(judgement: Judgement, console: Console) -> None:
    """Print the verdict on every claim, and whether the comparison is controlled."""
    name = judgement.ablation.name
    console.print(f"[bold]{name}[/]: [bold]{judgement.state}[/]", highlight=False)
    for row in claim_rows(judgement):
        numbers = ""
        if row.effect is not None:
            found = interval(row.effect.low, row.effect.high, signed=True)
            numbers = f" ({number(row.effect.mean, signed=True)} {found})"
        reason = f": {row.why}" if row.why else ""
        console.print(f"• {row.state}: {row.words}{numbers}{reason}", markup=False, highlight=False)
    console.print(judgement.certificate, markup=False, highlight=False)


def _cell(cell: Cell, *, wide: bool) -> str:
    if cell.score is None:
        return "no result"
    if cell.effect is None:
        return f"{cell.score.mean:.3f}"
    star = "*" if cell.resolved else " "
    if not wide:
        return f"{cell.score.mean:.3f}{star}"
    half = (cell.effect.high - cell.effect.low) / 2
    return f"{cell.score.mean:.3f} ({cell.effect.mean:+.3f} ±{half:.3f}){star}"
