"""The summary that a sweep leaves in the terminal: the headline scores, arm by arm."""

from rich.console import Console
from rich.table import Table

from davinci.ablations.findings import Cell, SweepComparison


def print_summary(comparison: SweepComparison, console: Console) -> None:
    """Print headline scores with their intervals, differences to the baseline, and words."""
    if comparison.headline:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("protocol")
        table.add_column("benchmark")
        table.add_column("metric")
        for arm in comparison.arms:
            table.add_column(arm.label, justify="right")
        for metric in comparison.headline:
            cells = [_cell(cell) for cell in metric.cells]
            arrow = "↑" if metric.higher_is_better else "↓"
            key = metric.key
            table.add_row(key.protocol, key.benchmark, f"{key.metric} {arrow}", *cells)
        console.print(table)
        console.print(
            "Scores with 95 % intervals; Δ to the baseline; * resolved after correction.",
            style="dim",
        )
    for sentence in (*comparison.problems, *comparison.sentences):
        console.print(f"• {sentence}", markup=False, highlight=False)


def _cell(cell: Cell) -> str:
    if cell.score is None:
        return "no result"
    text = f"{cell.score.mean:.3f}"
    if cell.effect is not None:
        star = "*" if cell.resolved else " "
        text += (
            f"  Δ {cell.effect.mean:+.3f} [{cell.effect.low:+.3f}, {cell.effect.high:+.3f}]{star}"
        )
    return text
