"""The summary that a sweep leaves in the terminal: the headline scores, arm by arm."""

from rich.console import Console
from rich.table import Table

from davinci.ablations.findings import Cell, SweepComparison


def print_summary(comparison: SweepComparison, console: Console) -> None:
    """Print headline scores with their intervals, differences to the baseline, and words."""
    if comparison.headline:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("headline score", no_wrap=True)
        for arm in comparison.arms:
            table.add_column(arm.label, justify="right")
        for metric in comparison.headline:
            arrow = "↑" if metric.higher_is_better else "↓"
            name = f"{metric.key.protocol} {metric.key.domain} {metric.key.metric} {arrow}"
            table.add_row(name, *(_cell(cell) for cell in metric.cells))
        console.print(table)
        words = "Score (difference to the baseline ± half its 95 % interval); * resolved"
        console.print(f"{words} after correction.", style="dim")
    for sentence in (*comparison.problems, *comparison.sentences):
        console.print(f"• {sentence}", markup=False, highlight=False)


def _cell(cell: Cell) -> str:
    if cell.score is None:
        return "no result"
    if cell.effect is None:
        return f"{cell.score.mean:.3f}"
    half = (cell.effect.high - cell.effect.low) / 2
    star = "*" if cell.resolved else " "
    return f"{cell.score.mean:.3f} ({cell.effect.mean:+.3f} ±{half:.3f}){star}"
