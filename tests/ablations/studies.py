"""Made-up studies with a known truth: arms, seeds, items and their spreads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from davinci.ablations.comparison import compare
from davinci.ablations.declaration import Ablation, Claim
from davinci.ablations.verdicts import Verdict, judge
from davinci.platform.store.records import Arm, Cost, Outcomes, Run, Sweep

DOMAINS = ("math", "code")


def claim(**words: Any) -> Claim:
    return Claim(**{"metric": "bpb/math", "expect": "better", "arm": "new", **words})


def ablation(*claims: Claim, arms: Sequence[str] = ("old", "new"), **words: Any) -> Ablation:
    fields: dict[str, Any] = {
        "name": "made_up",
        "theme": "mixture_design",
        "question": "Is new better than old?",
        "informs": "Nothing.",
        "source": "made up",
        "factor": ("data.level",),
        "setting": (),
        "arms": {arm: (f"data.level={arm}",) for arm in arms},
        "baseline": arms[0],
        "accepted": {},
        "claims": claims,
        "sources": ("microworld",),
    }
    return Ablation(**{**fields, **words})


def study(
    truth: Mapping[str, float],
    rng: np.random.Generator,
    *,
    seeds: int = 3,
    items: int = 40,
    seed_sd: float = 0.01,
    item_sd: float = 0.05,
    domains: Sequence[str] = DOMAINS,
    worlds: int = 1,
) -> Sweep:
    """Return a sweep whose arms need `truth` bits per byte, less being better.

    Every arm's seeds and every item's answers spread by as much as is said; items are as hard for
    one arm as for the other, up to `item_sd`.
    """
    hard = {d: rng.normal(0, 0.2, items) for d in domains}
    arms = [
        Arm(
            label=label,
            recipe=label,
            choices={"data.level": label},
            overrides=(f"data.level={label}",),
            config={"data": {"levels": {"math": label}}},
            runs=tuple(
                _run(label, level, world, seed, rng, hard, seed_sd, item_sd, items)
                for world in range(worlds)
                for seed in range(seeds)
            ),
        )
        for label, level in truth.items()
    ]
    return Sweep(
        digest="d",
        name="made_up",
        command="c",
        created="2026-11-25T00:00:00+00:00",
        axes={"data.level": tuple(truth)},
        fixed=(),
        baseline=next(iter(truth)),
        arms=tuple(arms),
        corpora={},
        provenance={},
    )


def _run(
    label: str,
    level: float,
    world: int,
    seed: int,
    rng: np.random.Generator,
    hard: Mapping[str, np.ndarray],
    seed_sd: float,
    item_sd: float,
    items: int,
) -> Run:
    luck = rng.normal(0, seed_sd)
    outcomes = tuple(
        Outcomes(
            benchmark=f"held_out_{domain}",
            domain=domain,
            protocol="bpb",
            metric="bits_per_byte",
            higher_is_better=False,
            item_ids=tuple(f"{world}/{i}" for i in range(items)),
            values=level + luck + difficulty + rng.normal(0, item_sd, items),
            weights=np.ones(items),
        )
        for domain, difficulty in hard.items()
    )
    return Run(
        digest=f"{label}{world}{seed}",
        recipe=label,
        seed=seed,
        world_seed=world,
        state="done",
        outcomes=outcomes,
        cost=Cost(tokens=1000, flops=1.0, wall_s=1.0, cpu_s=1.0),
    )


def verdicts(declared: Ablation, sweep: Sweep, confounders: Sequence[str] = ()) -> list[Verdict]:
    return list(judge(declared, sweep, compare(sweep), confounders))
