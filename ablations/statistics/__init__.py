"""Intervals, tests and power for arms that are repeated over seeds and scored on items."""

from davinci.ablations.statistics.effects import (
    Effect,
    Paired,
    Score,
    arm_score,
    arm_scores,
    mcnemar,
    paired_effect,
    paired_effects,
)
from davinci.ablations.statistics.family import MIN_REPLICATES, correct, resolved
from davinci.ablations.statistics.power import Settling, num_replicates_to_settle
from davinci.ablations.statistics.variance import (
    Block,
    Components,
    Estimate,
    Scope,
    estimate,
    estimates,
)

__all__ = [
    "MIN_REPLICATES",
    "Block",
    "Components",
    "Effect",
    "Estimate",
    "Paired",
    "Scope",
    "Score",
    "Settling",
    "arm_score",
    "arm_scores",
    "correct",
    "estimate",
    "estimates",
    "mcnemar",
    "num_replicates_to_settle",
    "paired_effect",
    "paired_effects",
    "resolved",
]
