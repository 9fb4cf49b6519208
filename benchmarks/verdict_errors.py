"""How often verdicts err: empty studies, coverage, promised power, and what racing saves.

    python benchmarks/verdict_errors.py [STUDIES]

Simulated studies of two arms with 60 items in two domains, judged by the code that judges real
ones. Empty studies have no difference; the share of them in which any of two claims is supported
must stay at 5 % or below. Coverage is how often the 95 % interval holds the truth, over seeds and
items drawn anew. Power is how often a difference is supported that is as large as the empty studies
said, on average, that they would find with 80 %. Racing looks after 3, 4, ... 10 seeds; the fixed
design has 10.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from davinci.ablations.comparison import compare
from davinci.ablations.racing import Standing, judge_looks
from davinci.ablations.verdicts import judge
from davinci.platform.store.records import Sweep

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.ablations.studies import ablation, claim, study  # noqa: E402

ITEMS, MOST = 30, 10
DESIGNS: Mapping[str, tuple[float, float]] = {
    "seeds and items alike": (0.01, 0.07),
    "seeds dominate": (0.02, 0.03),
    "items dominate": (0.003, 0.10),
}
TRUTHS = (
    (0.0, "no difference", "supported"),
    (0.02, "half of what was claimed", ""),  # above 0, and less than claimed: both may be found
    (0.08, "twice what was claimed", "contradicted"),
)
DECLARED = ablation(claim(metric="bpb/mean", min_effect=0.04), claim(min_effect=0.04))


def race(sweep: Sweep) -> tuple[tuple[Standing, ...], int]:
    """Return where the claims stand in the end, and how many runs that took."""
    verdicts, standings = judge_looks(DECLARED, sweep, MOST)
    looked = [v.effect.num_replicates for v in verdicts if v.effect is not None]
    return standings, len(sweep.arms) * (MOST if "open" in standings else max(looked))


def share(count: int, of: int) -> str:
    """Return a share with its standard error."""
    p = count / of
    return f"{100 * p:5.1f} % ± {100 * (p * (1 - p) / of) ** 0.5:.1f}"


def main(studies: int) -> None:
    """Print all of it."""
    for name, (seed_sd, item_sd) in DESIGNS.items():
        print(f"{name} (seed {seed_sd:g}, item {item_sd:g} bits per byte)")
        for seeds in (3, 5, 10):
            rng = np.random.default_rng([seeds, studies])
            words = {"seeds": seeds, "seed_sd": seed_sd, "item_sd": item_sd, "items": ITEMS}
            false = covered = found = 0
            promised = []
            for _ in range(studies):
                sweep = study({"old": 1.0, "new": 1.0}, rng, **words)
                verdicts = judge(DECLARED, sweep, compare(sweep))
                false += any(verdict.state == "supported" for verdict in verdicts)
                one = verdicts[0].effect
                assert one is not None
                covered += one.low <= 0 <= one.high
                promised.append(one.min_detectable)
            planted = float(np.mean(promised))
            for _ in range(studies // 4):
                sweep = study({"old": 1.0, "new": 1.0 - planted}, rng, **words)
                (verdict,) = judge(
                    ablation(claim(metric="bpb/mean", min_effect=1e-6)), sweep, compare(sweep)
                )
                found += verdict.state == "supported"
            print(
                f"  {seeds:2d} seeds: false support {share(false, studies)}   coverage "
                f"{share(covered, studies)}   power {share(found, studies // 4)}"
            )
        for truth, label, bad in TRUTHS:
            rng = np.random.default_rng([7, studies])
            wrong = decided = runs = 0
            for _ in range(studies // 4):
                sweep = study(
                    {"old": 1.0, "new": 1.0 - truth}, rng, seeds=MOST, seed_sd=seed_sd,
                    item_sd=item_sd, items=ITEMS,
                )  # fmt: skip
                states, used = race(sweep)
                wrong += bad in states
                decided += "open" not in states
                runs += used
            fixed = 2 * MOST * (studies // 4)
            print(
                f"  racing, {label}: wrong {share(wrong, studies // 4)}, all decided "
                f"{share(decided, studies // 4)}, {100 * (1 - runs / fixed):.0f} % fewer runs"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
