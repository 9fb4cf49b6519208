"""How long `python run.py --help` takes, as a ratio to `python -c "import hydra"`.

    python benchmarks/startup.py [ROUNDS]

Both commands run in turn, in the same process environment; medians are compared.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "python run.py --help": [sys.executable, "run.py", "--help"],
    'python -c "import hydra"': [sys.executable, "-c", "import hydra"],
    "python run.py -m ... sweep.dry_run=true": [
        *(sys.executable, "run.py", "-m", "data.level=L2,L5", "mixture=math_heavy"),
        "sweep.dry_run=true",
    ],
}


def seconds(command: list[str]) -> float:
    """Return the wall-clock seconds of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print the median of each command and its ratio to the bare import."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    peer = statistics.median(taken['python -c "import hydra"'])
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:42} {median:6.2f} s   {median / peer:5.1f} x import hydra   n={rounds}")


if __name__ == "__main__":
    main()
