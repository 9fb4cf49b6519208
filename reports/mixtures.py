"""`davinci mixtures`: how scores answer to the mixture, over the arms of one or more sweeps."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from davinci.ablations.mixtures import Mixed, Response, mixture_of, respond
from davinci.ablations.promotion import seed_scores
from davinci.ablations.wording import number
from davinci.platform.store.records import Sweep


def response_of(sweeps: Sequence[Sweep], metric: str) -> Response:
    """Return the response over all arms; arms of one mixture count once, with all their seeds.

    Raises:
        ValueError: If there are too few mixtures.
    """
    scores: dict[tuple[tuple[str, float], ...], list[float]] = {}
    for sweep in sweeps:
        found = seed_scores(sweep, metric)
        for arm in sweep.arms:
            if arm.label in found:
                key = tuple(sorted(mixture_of(arm).items()))
                scores.setdefault(key, []).extend(found[arm.label])
    mixtures = [Mixed(weights=dict(key), scores=tuple(s)) for key, s in scores.items()]
    domain = metric.partition("/")[2]
    return respond(mixtures, "" if domain == "mean" else domain)


def show_response(found: Response, metric: str, console: Console) -> None:
    """Print the regressions with their errors, the proposal, and the trivial mixtures."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{metric} from the mixture")
    table.add_column("error left out", justify="right")
    for fit in found.fits:
        table.add_row(fit.name, number(fit.error))
    table.add_row("the mean of all others", number(found.mean_error))
    table.add_row("noise of the seeds", number(found.noise))
    console.print(table)
    value, low, high = found.predicted
    best = found.fits[0].name
    lines = [
        f"{found.num_mixtures} mixtures; more is better, bits per byte with their sign turned.",
        f"Best predicted ({best}): {_mixture(found.proposal)}: {number(value)}, "
        f"{number(low)} to {number(high)} over refits.",
        "The same regression of trivial mixtures: "
        + ", ".join(f"{name} {number(score)}" for name, score in found.baselines.items())
        + ".",
    ]
    if not found.useful:
        lines.append("No regression is better than the mean: keep what you have.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _mixture(weights: Mapping[str, float]) -> str:
    return " ".join(f"{domain} {100 * weight:.0f}%" for domain, weight in weights.items())
