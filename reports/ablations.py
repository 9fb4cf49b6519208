"""`davinci ablations`: the catalogue, and what the store knows of each of its questions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from davinci.ablations.declaration import THEMES, Ablation
from davinci.ablations.known import Finding, findings, names, read
from davinci.ablations.wording import count, interval, number

if TYPE_CHECKING:  # as in `known`: a listing needs no statistics
    from davinci.ablations.promotion import Promotion
    from davinci.ablations.transfer import Estimate

NEVER = "not run"


def list_ablations(engine: Engine | None, console: Console, theme: str = "") -> None:
    """Print every ablation by theme: arms, question, and the newest verdict; without a store, none.

    Args:
        engine: The store, None where there is none yet.
        console: Where to print.
        theme: Only this one; "" prints all.
    """
    newest = _newest(findings(engine) if engine else [])
    declared = [read(name) for name in names()]
    for each in THEMES:
        own = [ablation for ablation in declared if ablation.theme == each]
        if theme in ("", each) and own:
            console.print(_table(each, own, newest))
    arms = sum(len(ablation.arms) for ablation in declared)
    done = sum(ablation.name in newest for ablation in declared)
    console.print(
        f"{count(len(declared), 'ablation')} with {count(arms, 'arm')}, {done} of them run. "
        "`davinci ablations show NAME` tells what is known; `python run.py -m ablation=NAME` runs.",
        highlight=False,
        soft_wrap=True,
    )


def show_ablation(ablation: Ablation, engine: Engine | None, console: Console) -> None:
    """Print what an ablation declares, and every verdict on its claims, newest first."""
    console.print(f"[bold]{ablation.name}[/] ({ablation.theme.replace('_', ' ')})", highlight=False)
    lines = [
        ablation.question,
        f"Informs: {ablation.informs}",
        f"Source: {ablation.source}",
        f"Factor: {', '.join(ablation.factor)}",
        *([f"Setting: {' '.join(ablation.setting)}"] if ablation.setting else []),
        *(
            f"Arm {label}{' (baseline)' if label == ablation.baseline else ''}: {' '.join(words)}"
            for label, words in ablation.arms.items()
        ),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    known = findings(engine, ablation.name) if engine else []
    sweeps = list(dict.fromkeys((f.sweep, f.registration) for f in known))
    for number_, claim in enumerate(ablation.claims, start=1):
        paper = f" (paper: {claim.paper})" if claim.paper else ""
        words = f"Claim {number_}: {claim.words(ablation.baseline)}{paper}"
        console.print(words, markup=False, highlight=False, soft_wrap=True)
    if not known:
        console.print("Nothing is known yet: it has not been run.", highlight=False)
    for sweep, registration in sweeps:
        own = [f for f in known if (f.sweep, f.registration) == (sweep, registration)]
        console.print(
            f"[bold]{own[0].created}[/] sweep {sweep[:12]}, registered as {registration[:12]}, "
            f"{own[0].content['scale']}:",
            highlight=False,
            soft_wrap=True,
        )
        for finding in own:
            console.print(_line(finding), markup=False, highlight=False, soft_wrap=True)


def show_paper(console: Console) -> None:
    """Print every published claim with its effect, the noise of the items, and our verdict."""
    from davinci.ablations.paper.rejudge import rejudge

    found = rejudge()
    for study in dict.fromkeys(one.claim.study for one in found):
        own = [one for one in found if one.claim.study == study]
        table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
        table.title = f"{study}: {own[0].claim.question}"
        table.add_column("claim", overflow="fold")
        for name in ("effect", "95 % on items", "z"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", overflow="fold")
        for one in own:
            ends = one.interval
            table.add_row(
                one.claim.words,
                "" if one.effect is None else f"{one.effect:+.2f}",
                "" if ends is None else f"[{ends[0]:+.2f}, {ends[1]:+.2f}]",
                "" if one.z != one.z else f"{one.z:.1f}",
                f"{one.state}: {one.reason}",
            )
        console.print(table)
    beyond = sum(one.on_items == "beyond" for one in found)
    console.print(
        f"{count(len(found), 'claim')}: of none is more than one run per arm printed, so none can "
        f"be supported. {beyond} lie beyond the noise of their items, corrected within each study.",
        highlight=False,
        soft_wrap=True,
    )


def _newest(found: Iterable[Finding]) -> Mapping[str, Finding]:
    newest: dict[str, Finding] = {}
    for finding in found:
        if finding.number == 0:
            newest.setdefault(finding.ablation, finding)
    return newest


def _table(theme: str, own: Sequence[Ablation], newest: Mapping[str, Finding]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    table.add_column(theme.replace("_", " "), no_wrap=True)
    table.add_column("arms", justify="right")
    table.add_column("verdict", no_wrap=True)
    table.add_column("question")
    for ablation in own:
        finding = newest.get(ablation.name)
        state = finding.state if finding else NEVER
        table.add_row(ablation.name, str(len(ablation.arms)), state, ablation.question)
    return table


def _line(finding: Finding) -> str:
    content = finding.content
    numbers = ""
    if content["effect"] is not None and content["low"] is not None:
        ends = interval(content["low"], content["high"], signed=True)
        seeds = count(content["num_replicates"], "replicate")
        numbers = f" ({number(content['effect'], signed=True)} {ends}, {seeds})"
    reason = f": {content['reason']}" if content["reason"] else ""
    return f"  {finding.state}: {content['words']}{numbers}{reason}"


def show_promotion(found: "Promotion", name: str, console: Console) -> None:
    """Print which arms deserve a larger run, and how far a smaller scale could be trusted."""
    from davinci.ablations.scaling import words as scaling_words

    console.print(f"[bold]{name}[/] by {found.metric}, at {found.scale}:", highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("arm")
    table.add_column("score", justify="right")
    table.add_column("95 % for all at once", justify="right")
    table.add_column("of new seeds", justify="right")
    table.add_column("chance to be the best", justify="right")
    for one in found.proposals:
        chance = f"{100 * one.chance:.0f} %"
        ends = "unknown" if one.low != one.low else interval(one.low, one.high)
        table.add_row(one.name, number(one.score), ends, number(one.expected), chance)
    console.print(table)
    best = found.proposals[0]
    sure = "" if best.chance >= 0.95 else "; more seeds would tell it from the next"
    console.print(
        f"Promote {best.name}{sure}. Chances are over draws of {found.num_seeds} replicates; more "
        "is better, bits per byte with their sign turned.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    moved = found.transfer
    if moved is None:
        text = "No smaller scale has three of these arms: nothing is known of transfer."
    else:
        text = (
            f"From {found.smaller}: {_ends(moved.decisions)} of decisions right (a coin 0.5), "
            f"rank correlation {_ends(moved.kendall)}, regret {_ends(moved.regret)} (a recipe "
            f"drawn at random {number(moved.coin_regret)}, keeping the baseline "
            f"{number(moved.keep_regret)})."
        )
    for line in (text, *(scaling_words(found.law) if found.law else ())):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _ends(found: "Estimate") -> str:
    return f"{number(found.value)} {interval(found.low, found.high)}"
