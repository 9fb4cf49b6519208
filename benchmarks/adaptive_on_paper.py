"""The adaptive curriculum on the paper's own trajectories: what saturates first, and what it does.

    python benchmarks/adaptive_on_paper.py [PICTURE.png]

Replays the controller, checkpoint by checkpoint, over the cluster averages of daVinci-LLM's Figures
6 and 8 (`ablations/paper/trajectories.csv`, read off the figures): stages 1-1 and 1-2, then the
counterfactual 1-3 that goes on without QA, or the real 2-1 and 2-2. The replay is open loop: what
the controller decides changes nothing in the recorded scores, so only its first decision of a
stretch is one it would have taken; the paper's own changes of mixture start a stretch anew. Then
the same for other settings, to see how much hangs on them.
"""

import csv
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from davinci.platform.curriculum.controller import Decision, Observation, decide
from davinci.platform.curriculum.settings import CLUSTERS, ControllerSettings

DATA = Path(__file__).resolve().parents[1] / "ablations" / "paper" / "trajectories.csv"
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "1-1": {"general": 0.682, "code": 0.0953, "math": 0.083788, "science": 0.138912},
    "1-2": {"general": 0.5542, "code": 0.1166, "math": 0.123858, "science": 0.205342},
    "1-3": {"general": 0.5142, "code": 0.1364, "math": 0.1358, "science": 0.2136},
    "2-1": {"general": 0.10, "code": 0.30, "math": 0.089139, "science": 0.210861, "qa": 0.30},
    "2-2": {"general": 0.1884, "code": 0.0261, "math": 0.025405, "science": 0.060095, "qa": 0.70},
}
"""The paper's mixtures (Table 2, Section 4.2.1)."""
DOMAINS = ("general", "code", "math", "science", "qa")
SETTINGS = ControllerSettings(clusters="paper", window=12)
"""The defaults, with a window of 12: the paper's checkpoints come 62 to a stage."""


def load(path: Path = DATA) -> dict[str, list[Observation]]:
    """Return the checkpoints of each stage, in order; tokens in millions (1e6)."""
    stages: dict[str, dict[int, dict[str, float]]] = {}
    with path.open(encoding="ascii") as file:
        for row in csv.DictReader(file):
            tokens = round(float(row["tokens_B"]) * 1000)
            scores = stages.setdefault(row["stage"], {}).setdefault(tokens, {})
            scores[row["cluster"]] = float(row["score_percent"])
    clusters = set(CLUSTERS["paper"])
    return {
        stage: [
            Observation(tokens=tokens, scores=scores)
            for tokens, scores in sorted(points.items())
            if set(scores) == clusters  # the plot leaves out points on a straight line
        ]
        for stage, points in stages.items()
    }


def replay(
    settings: ControllerSettings, stretch: Sequence[Observation], weights: Mapping[str, float]
) -> list[Decision]:
    """Return the decisions along one stretch of one mixture."""
    past: list[Decision] = []
    for end in range(1, len(stretch) + 1):
        now = past[-1].weights if past else weights
        past.append(decide(settings, stretch[:end], weights=now, past=past, available=DOMAINS))
    return past


def first_saturated(decisions: Sequence[Decision]) -> dict[str, int]:
    """Return the tokens at which each cluster first looked saturated."""
    found: dict[str, int] = {}
    for decision in decisions:
        for name, trend in decision.trends.items():
            if trend.state == "saturated":
                found.setdefault(name, decision.tokens)
    return found


def states_at(decisions: Sequence[Decision], tokens: int) -> dict[str, str]:
    """Return how the clusters looked at a checkpoint."""
    found = next(decision for decision in decisions if decision.tokens == tokens)
    return {name: trend.state for name, trend in found.trends.items()}


def first_action(decisions: Sequence[Decision]) -> Decision | None:
    """Return the first decision that changes the weights."""
    return next((decision for decision in decisions if decision.acts), None)


def _trillions(tokens: int) -> str:
    return f"{tokens / 1e6:.2f}T"


def looks(decisions: Sequence[Decision], since: int) -> dict[str, dict[str, int]]:
    """Return, from a checkpoint on, how often each cluster looked growing, saturated, undecided."""
    found: dict[str, dict[str, int]] = {}
    for decision in decisions:
        for name, trend in decision.trends.items():
            if decision.tokens >= since and trend.num_points:
                states = found.setdefault(name, {})
                states[trend.state] = states.get(trend.state, 0) + 1
    return found


def _describe(stage: str, decisions: Sequence[Decision]) -> None:
    print(f"\nStage {stage}: {len(decisions)} looks")
    for name, tokens in sorted(first_saturated(decisions).items(), key=lambda pair: pair[1]):
        print(f"  {name} first looks saturated at {_trillions(tokens)}")
    action = first_action(decisions)
    if action is None:
        print("  nothing is changed")
        return
    print(f"  first change at {_trillions(action.tokens)}: {action.action}. {action.reason}")
    for name, trend in action.trends.items():
        print(
            f"    {name:8} {trend.state:10} {100 * trend.slope:+6.1f} % per doubling "
            f"[{100 * trend.low:+.1f}, {100 * trend.high:+.1f}]"
        )
    print("    " + ", ".join(f"{d} {w:.3f}" for d, w in action.weights.items()))


def _undisturbed(stages: Mapping[str, Sequence[Observation]]) -> None:
    """Print how the clusters look all along stage 1-1, where nothing is ever changed."""
    patient = replace(SETTINGS, patience=10**6)
    decisions = replay(patient, stages["1-1"], WEIGHTS["1-1"])
    order = first_saturated(decisions)
    since = min(order.values())
    print(f"\nStage 1-1 without any change: looks from {_trillions(since)} on")
    for name, states in looks(decisions, since).items():
        words = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        when = f"; first saturated at {_trillions(order[name])}" if name in order else ""
        print(f"  {name:12} {words}{when}")


def _sensitivity(stages: Mapping[str, Sequence[Observation]]) -> None:
    print("\nStage 1-1 under other settings: first change, and who saturated")
    print("window patience min_gain confidence   at       what         saturated first")
    for window, patience, gain, confidence in itertools.product(
        (8, 12, 16), (1, 2, 3), (0.02, 0.03, 0.05), (0.8, 0.9, 0.95)
    ):
        if sum((window != 12, patience != 2, gain != 0.03, confidence != 0.9)) > 1:
            continue
        settings = replace(
            SETTINGS, window=window, patience=patience, min_gain=gain, confidence=confidence
        )
        decisions = replay(settings, stages["1-1"], WEIGHTS["1-1"])
        action, order = first_action(decisions), first_saturated(decisions)
        first = min(order, key=lambda name: order[name]) if order else "nobody"
        when = _trillions(action.tokens) if action else "never"
        what = action.action if action else ""
        print(f"{window:6} {patience:8} {gain:8} {confidence:10}   {when:8} {what:12} {first}")


def _draw(
    stages: Mapping[str, Sequence[Observation]],
    decided: Mapping[str, Sequence[Decision]],
    path: Path,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    colours = {"general": "tab:gray", "code": "tab:blue", "science": "tab:green"}
    for stage, points in stages.items():
        for name, colour in colours.items():
            dashed = "--" if stage == "1-3" else "-"
            x = [point.tokens / 1e6 for point in points]
            y = [point.scores[name] for point in points]
            label = name if stage == "1-1" else None
            axes.plot(x, y, dashed, color=colour, lw=1.5, label=label)
        for name, tokens in first_saturated(decided[stage]).items():
            if name not in colours:
                continue
            near = next(point for point in points if point.tokens == tokens)
            axes.plot([tokens / 1e6], [near.scores[name]], "o", color=colours[name], mfc="white")
        if action := first_action(decided[stage]):
            axes.axvline(action.tokens / 1e6, color="tab:red", lw=1)
            axes.text(action.tokens / 1e6, 3, f" {action.action}", color="tab:red", rotation=90)
    axes.set_xlabel("trained tokens (trillion); dashed: stage 1-3, without QA")
    axes.set_ylabel("cluster average (%)")
    axes.legend(loc="lower right")
    axes.set_title("Circles: first looks saturated. Red: the controller's first change of a stage")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Replay, print, and draw if a picture is asked for."""
    stages = load()
    decided = {s: replay(SETTINGS, points, WEIGHTS[s]) for s, points in stages.items()}
    print("The paper changed its mixture at 3.98T (1-1 to 1-2) and brought in 30 % QA at 6.00T.")
    for stage, decisions in decided.items():
        _describe(stage, decisions)
    _undisturbed(stages)
    print("\nStage 1-3, which has 12 checkpoints, with windows of 8:")
    _describe("1-3", replay(replace(SETTINGS, window=8), stages["1-3"], WEIGHTS["1-3"]))
    _sensitivity(stages)
    if len(sys.argv) > 1:
        _draw(stages, decided, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
