"""What fixes an adaptive curriculum; every field is part of a recipe's identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """How trends are judged, and how far an action may go.

    Attributes:
        protocol: What the controller watches, on every other held-out item; the rest are scored.
        clusters: `domains` watches each domain by itself; `paper` takes math and science together.
        window: Checkpoints that a trend is fitted to, all since the last action.
        patience: Decisions in a row that must agree before something is done.
        confidence: Of the one-sided bounds of a slope.
        min_gain: Relative improvement per doubling of the trained tokens that is worth going on
            for: 0.03 means that a score of 0.50 should reach 0.515, or 2.0 bits per byte 1.94.
        step: Share of all weight that one shift may move.
        floor: Least weight that a shift leaves a domain.
        qa_fracs: Shares of question-answer data that are brought in, one after the other, when
            shifting no longer pays.

    Source: 0.3 and 0.7 are the paper's two steps (daVinci-LLM Section 3.3.2). The others are ours;
    `benchmarks/adaptive_on_paper.py` shows what they decide on the paper's trajectories, and how
    much depends on each.
    """

    protocol: Literal["bpb", "ppl", "generative"] = "bpb"
    clusters: Literal["domains", "paper"] = "domains"
    window: int = 8
    patience: int = 2
    confidence: float = 0.9
    min_gain: float = 0.03
    step: float = 0.1
    floor: float = 0.02
    qa_fracs: tuple[float, ...] = (0.3, 0.7)


MIN_POINTS = 4
"""Fewer checkpoints leave a slope less than two degrees of freedom."""

CLUSTERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "domains": {name: (name,) for name in ("general", "code", "math", "science", "qa")},
    "paper": {"general": ("general",), "code": ("code",), "science": ("math", "science")},
}
"""Clusters of benchmarks -> the domains whose data serve them."""
