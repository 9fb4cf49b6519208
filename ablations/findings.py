"""What a comparison found: plain frozen records that sentences and reports are written from."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from davinci.ablations.alignment import MetricKey
from davinci.ablations.controls import ArmStatus
from davinci.ablations.differences import Difference
from davinci.ablations.statistics import Effect, Score, Settling

STYLED = "bits_per_byte_"
"""What names of metrics over one style of held-out text begin with; the style follows."""

CONTROL = "accuracy_other_prompt"
"""Accuracy when each item's options are ranked after another item's prompt: what the options alone
give away."""

Direction = Literal["better", "worse", "same", "unknown"]
Kind = Literal["reversal", "swing", "apart", "unresolved", "unknown"]


class Shown(NamedTuple):
    """An interval as it is printed; `cut` is whether an end was moved to what can be reached."""

    low: float
    high: float
    cut: bool


def shown(found: Effect | Score, attainable: tuple[float, float]) -> Shown:
    """Return an interval cut to the attainable range, which never excludes the mean itself."""
    if math.isnan(found.low) or math.isnan(found.high):
        return Shown(found.low, found.high, False)
    low = max(found.low, min(attainable[0], found.mean))
    high = min(found.high, max(attainable[1], found.mean))
    return Shown(low, high, (low, high) != (found.low, found.high))


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
        floor: Whether the score's interval includes the score without skill (`at`), or lies wholly
            on its wrong side (`below`); "" where it does neither, or no such score is known.
        floor_note: `both at the floor`, or `neither above the floor` where one is below; "" where
            either the arm or the baseline is above it.
        attainable: Range in which a difference to this baseline can lie.
        notes: What a reader must know about this cell, in words.
    """

    arm: str
    score: Score | None
    effect: Effect | None = None
    p_corrected: float = float("nan")
    resolved: bool = False
    direction: Direction = "unknown"
    settling: Settling | None = None
    floor: Literal["", "at", "below"] = ""
    floor_note: str = ""
    attainable: tuple[float, float] = (-math.inf, math.inf)
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> Shown:
        """The difference's interval as it is printed; the raw one is in `effect`."""
        if self.effect is None:
            return Shown(math.nan, math.nan, False)
        return shown(self.effect, self.attainable)


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

    The interaction is the generative minus the ppl difference to the baseline, on the same items
    and seeds; its p-value is corrected over all pairs of the sweep. `kind` is

    * `swing`: the interaction is resolved, and the two differences have opposite signs. A small
      loss in ranking beside a large gain in free answers is a swing, however noisy the loss alone.
    * `reversal`: a swing whose two differences are both resolved by themselves.
    * `apart`: the interaction is resolved, but the signs are the same: one gains or loses more.
    * `unresolved`: the interaction is not resolved. Opposite signs then mean nothing: without any
      effect, half of all pairs show them.
    * `unknown`: an effect is missing.
    """

    arm: str
    domain: str
    benchmark: str
    ppl: Cell
    generative: Cell
    interaction: Effect | None
    attainable: tuple[float, float]
    p_corrected: float
    resolved: bool
    kind: Kind

    @property
    def shown(self) -> Shown:
        """The interaction's interval as it is printed."""
        if self.interaction is None:
            return Shown(math.nan, math.nan, False)
        return shown(self.interaction, self.attainable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the summary: what one family of differences shows, and each arm's part in it.

    `text` counts what is resolved; `details` has one sentence per arm, with numbers.
    """

    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepComparison:
    """Everything that a report of a sweep says about its scores."""

    baseline: str
    metrics: tuple[MetricComparison, ...]
    protocol_pairs: tuple[ProtocolPair, ...]
    differences: tuple[Difference, ...]
    arms: tuple[ArmStatus, ...]
    problems: tuple[str, ...]
    lead: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The whole summary, most important sentence first."""
        lines = [line for found in self.findings for line in (found.text, *found.details)]
        return (self.lead, *lines) if self.lead else tuple(lines)

    @property
    def headline(self) -> tuple[MetricComparison, ...]:
        """The metrics that the report leads with."""
        return tuple(metric for metric in self.metrics if metric.headline)

    @property
    def secondary(self) -> tuple[MetricComparison, ...]:
        """All other metrics but those by style."""
        return tuple(m for m in self.metrics if not m.headline and not m.style)

    @property
    def has_differences(self) -> bool:
        """Whether any arm is compared with the baseline in a headline metric."""
        return any(cell.effect for metric in self.headline for cell in metric.cells)

    @property
    def has_cut(self) -> bool:
        """Whether any interval is printed shorter than it is."""
        cells = [cell for metric in self.metrics for cell in metric.cells]
        return any(cell.shown.cut for cell in cells) or any(
            pair.shown.cut for pair in self.protocol_pairs
        )

    def control(self, metric: MetricComparison, arm: str) -> Score | None:
        """Return an arm's accuracy after another item's prompt, None where there is none."""
        if (metric.key.protocol, metric.key.metric) != ("ppl", "accuracy"):
            return None
        wanted = metric.key._replace(metric=CONTROL)
        cells = [cell for other in self.metrics if other.key == wanted for cell in other.cells]
        return next((cell.score for cell in cells if cell.arm == arm), None)

    @property
    def styles(self) -> tuple[MetricComparison, ...]:
        """Bits per byte of held-out text by its style: what a likeness of style explains."""
        return tuple(metric for metric in self.metrics if metric.style)

    @property
    def confounders(self) -> tuple[Difference, ...]:
        """Differences between the arms that no swept axis explains."""
        return tuple(found for found in self.differences if not found.explained_by)
