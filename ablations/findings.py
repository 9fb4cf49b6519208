"""What a comparison found: plain frozen records that sentences and reports are written from."""

from dataclasses import dataclass
from typing import Literal

from davinci.ablations.alignment import MetricKey
from davinci.ablations.controls import ArmStatus
from davinci.ablations.differences import Difference
from davinci.ablations.statistics import Effect, Score, Settling

STYLED = "bits_per_byte_"
"""What names of metrics over one style of held-out text begin with; the style follows."""

Direction = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One arm in one metric.

    Attributes:
        score: None where no finished run has usable items.
        effect: Against the baseline; None for the baseline itself and where nothing can be paired.
        p_corrected: Within the metric's family (see `comparison`); NaN where there is no test.
        resolved: Corrected p below .05, interval without 0, and at least 3 replicates.
        direction: Where the point estimate lies, in terms of goodness, resolved or not.
        settling: How many replicates would settle it; None without effect.
        notes: What a reader must know about this cell, in words.
    """

    arm: str
    score: Score | None
    effect: Effect | None = None
    p_corrected: float = float("nan")
    resolved: bool = False
    direction: Direction = "unknown"
    settling: Settling | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """All arms in one metric, in the order of the sweep's arms."""

    key: MetricKey
    higher_is_better: bool
    chance: float
    headline: bool
    cells: tuple[Cell, ...]

    @property
    def style(self) -> str:
        """The style of held-out text that this metric is over; "" where it is over all."""
        head, _, style = self.key.metric.partition(STYLED)
        return style if not head and self.key.protocol == "bpb" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolPair:
    """One arm on one benchmark under both protocols.

    `kind`: `reversal` (both resolved, opposite signs), `swing` (opposite signs, not both resolved),
    `agree` (same sign), `unknown` (an effect is missing or exactly 0).
    """

    arm: str
    domain: str
    benchmark: str
    ppl: Effect | None
    generative: Effect | None
    kind: Literal["reversal", "swing", "agree", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepComparison:
    """Everything that a report of a sweep says about its scores."""

    baseline: str
    metrics: tuple[MetricComparison, ...]
    protocol_pairs: tuple[ProtocolPair, ...]
    differences: tuple[Difference, ...]
    arms: tuple[ArmStatus, ...]
    problems: tuple[str, ...]
    sentences: tuple[str, ...] = ()

    @property
    def headline(self) -> tuple[MetricComparison, ...]:
        """The metrics that the report leads with."""
        return tuple(metric for metric in self.metrics if metric.headline)

    @property
    def secondary(self) -> tuple[MetricComparison, ...]:
        """All other metrics but those by style."""
        return tuple(m for m in self.metrics if not m.headline and not m.style)

    @property
    def styles(self) -> tuple[MetricComparison, ...]:
        """Bits per byte of held-out text by its style: what a likeness of style explains."""
        return tuple(metric for metric in self.metrics if metric.style)

    @property
    def confounders(self) -> tuple[Difference, ...]:
        """Differences between the arms that no swept axis explains."""
        return tuple(found for found in self.differences if not found.explained_by)
