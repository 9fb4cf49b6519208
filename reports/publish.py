"""Running what was asked for, and then what people look at: report, index, MLflow, a summary."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_loader import ConfigLoader
from rich.console import Console
from sqlalchemy import Engine

from davinci.platform.config.errors import redact
from davinci.platform.launch import launch, launch_search
from davinci.platform.plan.points import Request, request_sweep, wants_sampler
from davinci.platform.store.read import load_sweep
from davinci.platform.store.records import Sweep
from davinci.reports.write import write_reports

if TYPE_CHECKING:
    from davinci.ablations.declaration import Ablation


def run_and_publish(request: Request) -> int:
    """Run a request, write its report and mirror; return the exit code.

    Raises:
        ConfigError: As `launch`.
    """
    return launch(request, redact(_command()), Console(), publish)


def _command() -> str:
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def sweep_and_publish(words: Sequence[str], loader: ConfigLoader, config_name: str) -> int:
    """Run the sweep or the search that a command line asks for; return the exit code.

    Raises:
        ConfigError: As `launch`, or with the problems of all points together.
    """
    from davinci.ablations.request import declared_in, request_ablation

    if (ablation := declared_in(words, loader, config_name)) is not None:
        request = request_ablation(ablation, words, loader, config_name)
        _say_known(ablation, request)
        if race := int((request.declared or {}).get("race", 0)):
            return race_and_publish(ablation, request, race)
        return run_and_publish(request)
    if not wants_sampler(words, loader, config_name):
        return run_and_publish(request_sweep(words, loader, config_name))
    from davinci.platform.search.request import request_search

    search = request_search(words, loader, config_name)
    return launch_search(search, redact(_command()), Console(), publish)


def race_and_publish(ablation: "Ablation", request: Request, most: int) -> int:
    """Run an ablation seed by seed, without arms that are decided; return the exit code.

    Raises:
        ConfigError: As `launch`.
    """
    from davinci.ablations.declaration import FIRST
    from davinci.ablations.racing import arms_needed, judge_looks

    seeds = dict.fromkeys(ablation.arms, FIRST)
    first = min(replicate.seed for arm in request.arms for replicate in arm.replicates)
    needed: tuple[str, ...] = ()

    def look(engine: Engine, sweep: Sweep, part: Request, console: Console) -> None:
        nonlocal needed
        _, standings = judge_looks(ablation, sweep, most)
        needed = arms_needed(ablation, standings)
        if not needed or max(seeds.values()) == most:
            publish(engine, sweep, part, console)
            return
        write_reports(engine, sweep, part.runtime.output_dir / "reports")
        console.print(
            f"After {max(seeds.values())} of at most {most} seeds: claims {', '.join(standings)}; "
            f"going on with {', '.join(needed)}.",
            markup=False,
            highlight=False,
        )

    while True:
        arms = tuple(
            replace(
                arm,
                replicates=tuple(r for r in arm.replicates if r.seed < first + seeds[arm.label]),
            )
            for arm in request.arms
        )
        code = launch(replace(request, arms=arms), redact(_command()), Console(), look)
        if code or not needed or max(seeds.values()) == most:
            return code
        seeds |= dict.fromkeys(needed, max(seeds.values()) + 1)


def _say_known(ablation: "Ablation", request: Request) -> None:
    """Say what earlier sweeps of an ablation concluded, and what noise lets this one find."""
    from davinci.ablations.known import answered, expected_power
    from davinci.models.size import num_parameters
    from davinci.platform.config.places import sqlite_path
    from davinci.platform.store.open import check_store, engine_of

    file = sqlite_path(request.runtime.store_url)
    if file is not None and not file.exists():
        return
    check_store(request.runtime.store_url)
    engine = engine_of(request.runtime.store_url)
    try:
        lines = [
            f"Known already: {found.state}: {found.content['words']} "
            f"({found.content['scale']}, {found.created}, sweep {found.sweep[:12]})."
            for found in answered(engine, ablation.name)[:3]
        ]
        arm = request.arms[0]
        size = num_parameters(arm.recipe.model)
        lines += expected_power(engine, ablation, len(arm.replicates), size)
        for line in lines:
            Console().print(line, markup=False, highlight=False, soft_wrap=True)
    finally:
        engine.dispose()


def publish(engine: Engine, sweep: Sweep, request: Request, console: Console) -> None:
    """Write the sweep's report and the index, mirror it to MLflow, and print where all that is."""
    from davinci.ablations.comparison import compare
    from davinci.ablations.judgement import judge_sweep
    from davinci.ablations.known import record_verdicts, scale_words
    from davinci.reports.html import render_sweep
    from davinci.reports.summary import print_summary, print_verdicts

    reports = request.runtime.output_dir / "reports"
    page = write_reports(engine, sweep, reports)
    comparison = compare(sweep)
    print_summary(comparison, console)
    if (judgement := judge_sweep(sweep, comparison)) is not None:
        record_verdicts(
            engine,
            sweep.digest,
            judgement.registration.digest,
            judgement.verdicts,
            baseline=judgement.ablation.baseline,
            scale=scale_words(sweep),
        )
        print_verdicts(judgement, console)
    console.print(f"report  {_shown(page)}", highlight=False, soft_wrap=True)
    console.print(f"index   {_shown(reports / 'index.html')}", highlight=False, soft_wrap=True)
    if request.runtime.mlflow_url and mirror(engine, sweep, request, page, console):
        render_sweep(load_sweep(engine, sweep.digest), page.parent)  # now with MLflow's ids


def mirror(engine: Engine, sweep: Sweep, request: Request, page: Path, console: Console) -> int:
    """Bring MLflow up to date; return how many runs were new to it.

    A server that does not answer costs no result.
    """
    from davinci.platform.tracking.mirror import mirror_sweep

    url = request.runtime.mlflow_url
    try:
        written = mirror_sweep(engine, sweep, url, page)
    except Exception as error:  # the store has everything; the mirror catches up next time
        why = redact(f"MLflow was not updated ({type(error).__name__}: {error}).")
        why += " Nothing is lost; `davinci mlflow sync` catches up."
        console.print(why, style="red", markup=False)
        return 0
    words = [_shown(Path(sys.executable).with_name("davinci")), "ui"]
    words += ["--output-dir", _shown(request.runtime.output_dir)]
    ui = shlex.join(words)
    console.print(f"MLflow  {ui}  ({written} runs written)", highlight=False, soft_wrap=True)
    return written


def _shown(path: Path) -> str:
    """Return a path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
