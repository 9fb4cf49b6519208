"""What can go wrong in training, told apart and said plainly."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from davinci.platform.training.settings import TrainingDiverged

WINDOW_STEPS = 128
"""Steps before one that say what is usual."""
MIN_WINDOW_STEPS = 32
LOSS_SPIKE_MADS = 10.0
GRAD_SPIKE_RATIO = 5.0
MAX_SPIKES = 200
"""Of loss spikes and of gradient spikes, each."""
WORSE_THAN_GUESSING_NATS = 2.0
MIN_LEVEL_STEPS = 10


class Preempted(RuntimeError):
    """The process was asked to stop, and has left a snapshot to go on from."""


class OutOfMemory(MemoryError):
    """A step did not fit the device; the message says what would."""


class SpikeWatch:
    """Notes steps whose loss or gradient norm stands out from those before.

    A loss spikes where it lies 10 median absolute deviations above the median of the last 128
    steps, a gradient norm where it is 5 times their median. Spikes are recorded and change nothing.

    Source: the rule is ours; daVinci-LLM Figure 5 shows isolated gradient norms of 10 to 50 times
    their level that it calls no spikes, and prints no rule.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.found: list[dict[str, Any]] = []
        self._recent: dict[str, list[float]] = {"loss": [], "grad_norm": []}

    def see(self, first_step: int, losses: Sequence[float], grad_norms: Sequence[float]) -> None:
        """Look at consecutive steps from `first_step` on."""
        for offset, pair in enumerate(zip(losses, grad_norms, strict=True)):
            for kind, value in zip(("loss", "grad_norm"), pair, strict=True):
                self._see(first_step + offset, kind, value)

    def _see(self, step: int, kind: str, value: float) -> None:
        recent = self._recent[kind]
        if len(recent) >= MIN_WINDOW_STEPS:
            usual = statistics.median(recent)
            if value > _limit(kind, usual, recent):
                same = [spike for spike in self.found if spike["kind"] == kind]
                if len(same) < MAX_SPIKES:
                    self.found.append({"step": step, "kind": kind, "value": value, "usual": usual})
        recent.append(value)
        del recent[:-WINDOW_STEPS]

    def state(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {"found": self.found, "recent": self._recent}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "SpikeWatch":
        """Return the watch that `state` describes."""
        watch = cls()
        watch.found = [dict(spike) for spike in state["found"]]
        watch._recent = {kind: list(values) for kind, values in state["recent"].items()}
        return watch


def _limit(kind: str, usual: float, recent: Sequence[float]) -> float:
    if kind == "grad_norm":
        return GRAD_SPIKE_RATIO * usual
    deviation = statistics.median(abs(value - usual) for value in recent)
    return usual + LOSS_SPIKE_MADS * max(deviation, 1e-3)


def check_finite(first_step: int, losses: Sequence[float], grad_norms: Sequence[float]) -> None:
    """Check that consecutive steps have finite losses and gradient norms.

    Raises:
        TrainingDiverged: For the first that has not.
    """
    for offset, (loss, norm) in enumerate(zip(losses, grad_norms, strict=True)):
        if not math.isfinite(loss):
            raise TrainingDiverged(first_step + offset, "loss", loss)
        if not math.isfinite(norm):
            raise TrainingDiverged(first_step + offset, "gradient norm", norm)


def check_level(step: int, loss: float, vocab_size: int, *, num_steps: int) -> None:
    """Check that a mean loss over `num_steps` steps is not far worse than guessing.

    Uniform guessing costs ln(vocabulary) nats; a model 2 nats above it has come apart.

    Raises:
        TrainingDiverged: If it is.
    """
    worst = math.log(vocab_size) + WORSE_THAN_GUESSING_NATS
    if num_steps >= MIN_LEVEL_STEPS and loss > worst:
        raise TrainingDiverged(step - 1, "loss", loss)
