"""What a person is told of a plan: its arms, what is shared, and what training will cost."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from davinci.models.peaks import PEAK_BF16_FLOPS
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.execute.choose import check_memory
from davinci.platform.execute.devices import num_cores
from davinci.platform.execute.keep import usable_artifacts
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.plan.budget import Choice, choose_runs
from davinci.platform.plan.cost import Known
from davinci.platform.plan.edits import Edit, compare_with_last, few
from davinci.platform.plan.epochs import MANY, expected_epochs
from davinci.platform.plan.forecast import Forecast, forecast
from davinci.platform.plan.points import Request
from davinci.platform.plan.sweep import PlannedSweep
from davinci.platform.store.open import open_existing
from davinci.platform.store.read_kinds import seconds_by_kind
from davinci.platform.store.read_rates import training_rates

ASSUMED_MFU = 0.4
"""Of a card's peak, where no training of the store tells better: what good code reaches at 3B."""


def describe(planned: PlannedSweep, console: Console) -> Choice | None:
    """Print what a sweep will do, more of it where it is a dry run; return what a budget allows.

    Raises:
        ConfigError: If the budget cannot be read, or what it counts is not known; if training does
            not fit into memory, or would see a domain more often than it may.
    """
    request, plan = planned.request, planned.plan
    num_arms, num_runs = len(request.arms), len({run.digest for run in plan.runs})
    shared = plan.num_tasks_unshared - len(plan.tasks)
    console.print(
        f"[bold]{escape(request.name)}[/]: {num_arms} arm{'s' * (num_arms > 1)}, "
        f"{num_runs} run{'s' * (num_runs > 1)}, {len(plan.tasks)} tasks "
        f"({plan.num_tasks_unshared} without sharing, {shared} saved)."
    )
    for remark in request.remarks:
        console.print(remark, markup=False, highlight=False)
    for label, same in planned.merged.items():
        console.print(
            f"{escape(label)} is the same work as {escape(same)}: what differs is not used there."
        )
    known, recorded = _what_the_store_knows(planned, console)
    done = usable_artifacts(plan, Layout(request.runtime.output_dir), recorded)
    found = forecast(plan, request.runtime, done=done, known=known)
    console.print(_training(found), highlight=False)
    _check_epochs(planned, console)
    if not request.dry_run:
        check_memory(found.memory.total, request.runtime)
    choice = choose_runs(planned, known, done)
    if choice is not None:
        _print_choice(choice, planned, console)
    if request.dry_run:
        _print_arms(request, console)
        _print_forecast(found, request, console)
    return choice


def _check_epochs(planned: PlannedSweep, console: Console) -> None:
    """Warn of arms that see a domain often; refuse those that `trainer.max_epochs` forbids."""
    request = planned.request
    limit = request.runtime.training.max_epochs
    problems = []
    for arm, domain, epochs in expected_epochs(planned, Layout(request.runtime.output_dir)):
        if limit and epochs > limit:
            rule = f"{arm} would see its {domain} tokens {epochs:.1f} times."
            problems.append(Problem(field="trainer.max_epochs", value=f"{limit:g}", rule=rule))
        elif epochs > MANY:
            told = f"{arm} sees its {domain} tokens {epochs:.1f} times."
            console.print(told, style="yellow", markup=False, highlight=False)
    if problems:
        raise ConfigError(problems)


def _what_the_store_knows(planned: PlannedSweep, console: Console) -> tuple[Known, set[str]]:
    """Return costs and finished tasks of a store that is there; say what was edited in a sweep."""
    engine = open_existing(planned.request.runtime.store_url)
    if engine is None:
        return Known(), set()
    try:
        known = Known(rates=training_rates(engine), seconds=seconds_by_kind(engine))
        states = Ledger(engine, "reader").states(planned.plan.tasks)
        edit = compare_with_last(engine, planned)
        if edit is not None:
            console.print(_edited(edit), markup=False, highlight=False)
        return known, {digest for digest, state in states.items() if state == "done"}
    finally:
        engine.dispose()


def _edited(edit: Edit) -> str:
    named = {"added": edit.added, "dropped": edit.dropped, "with more runs": edit.more}
    parts = [f"{len(arms)} {what} ({few(arms)})" for what, arms in named.items() if arms]
    parts.append(f"{len(edit.same)} as before")
    return f"Arms, against sweep {edit.before[:12]} of {edit.created}: {', '.join(parts)}."


def _print_choice(choice: Choice, planned: PlannedSweep, console: Console) -> None:
    total = len(choice.runs) + len(choice.left)
    labels = {run.digest: label for label, runs in planned.runs.items() for run in runs}
    used = f"{choice.cost / choice.limit:.0%}" if choice.limit else "none"
    text = f"Budget {choice.text}: {len(choice.runs)} of {total} runs fit, using {used} of it"
    if choice.left:
        names = [f"{labels[run.digest]} seed {run.replicate.seed}" for run in choice.left]
        text += f"; left for a larger one: {few(names)}"
    console.print(f"{text}.", markup=False, highlight=False)


def _training(found: Forecast) -> str:
    text = f"Training: {_count(found.shared.tokens)} tokens, {found.shared.flops:.3g} FLOPs"
    if found.saved_frac > 0:
        text += f" ({found.saved_frac:.0%} less than {found.alone.flops:.3g} without sharing)"
    if found.todo.num_segments < found.shared.num_segments:
        text += f"; {found.todo.flops:.3g} still to do"
    if found.seconds:
        text += f", about {_duration(found.seconds)} of processor time"
    return text + "."


def _print_arms(request: Request, console: Console) -> None:
    table = Table("arm", "seeds", "levels", "training tokens", box=None, header_style="bold")
    for arm in request.arms:
        levels = " ".join(f"{domain} {level}" for domain, level in arm.recipe.data.levels.items())
        seeds = ", ".join(str(replicate.seed) for replicate in arm.replicates)
        tokens = sum(stage.tokens for stage in arm.recipe.stages)
        table.add_row(escape(arm.label), seeds, levels, f"{tokens:,}")
    console.print(table)


def _print_forecast(found: Forecast, request: Request, console: Console) -> None:
    memory = found.memory
    parts = ("weights", "gradients", "optimizer", "activations", "loss")
    listed = ", ".join(f"{part} {_size(getattr(memory, part))}" for part in parts)
    table = Table("forecast", "", box=None, header_style="bold")
    table.add_row("segments", f"{found.shared.num_segments} ({found.alone.num_segments} unshared)")
    table.add_row("FLOPs", f"{found.shared.flops:.4g} ({found.alone.flops:.4g} unshared)")
    unknown = "not known: no model of this size was trained in this store yet"
    known = "" if found.seconds is None else _duration(found.seconds)
    table.add_row("processor time of training", known or unknown)
    table.add_row("of all else", _duration(found.other_seconds))
    if found.seconds is not None:
        seconds = found.seconds + found.other_seconds
        slots = request.runtime.executor.workers or num_cores()
        if request.runtime.executor.name == "local":
            table.add_row(f"hours on {slots} slots", f"{seconds / 3600 / slots:,.2f}")
        if request.price_per_hour > 0:
            table.add_row("money", f"{seconds / 3600 * request.price_per_hour:,.2f}")
    if found.seconds is None:
        hours = found.todo.flops / (ASSUMED_MFU * PEAK_BF16_FLOPS["H100"]) / 3600
        table.add_row(
            "hours of one H100",
            f"{hours:,.{0 if hours > 100 else 2}f} if {ASSUMED_MFU:.0%} of its peak is used",
        )
    table.add_row("checkpoints on disk", _size(found.checkpoint_bytes))
    table.add_row(
        "memory of a training process",
        f"{_size(memory.total)} at micro-batch {found.micro_batch_size}: {listed}",
    )
    console.print(table)
    console.print("Dry run: nothing has been computed.")


def _count(number: int) -> str:
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if number >= unit:
            return f"{number / unit:.4g}{name}"
    return f"{number:,}"


def _size(num_bytes: int) -> str:
    unit, name = (2**30, "GiB") if num_bytes >= 2**29 else (2**20, "MiB")
    return f"{num_bytes / unit:,.1f} {name}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
