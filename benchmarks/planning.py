"""How fast a sweep is planned: 240 and 2,000 points, whole process, beside Hydra's own multirun.

    python benchmarks/planning.py [--peer]

Every point is composed, validated, digested and planned with three seeds, and forecast
(`sweep.dry_run=true`). The peer, run with --peer since it takes a minute or two, is Hydra's basic
sweeper and launcher over a copy of the same config groups, on the same grid of 240 points, with a
function that does nothing: it composes every point twice and starts it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
FIVE_GROUPS = (
    "mixture=uniform,math_heavy,code_heavy,qa_heavy,web_heavy",
    "curriculum=single,constant,wsd,two_stage",
    "evaluation=bpb,ppl,both",
    "scale=nano,1m",
    "trainer=auto,gpu",
)
"""240 points over five config groups."""
SIX_AXES = (
    "mixture=uniform,math_heavy,code_heavy,qa_heavy,web_heavy",
    "curriculum=single,constant,wsd,two_stage,decay",
    "evaluation=bpb,ppl",
    "scale=nano,1m",
    "data.level=L0,L1,L2,L3",
    "scale.lr_peak=0.001,0.002,0.004,0.008,0.016",
)
"""2,000 points."""

PEER = """
import hydra
from omegaconf import DictConfig

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def app(config: DictConfig) -> None:
    pass

app()
"""


def ours(grid: tuple[str, ...], folder: Path) -> tuple[float, str]:
    """Return the seconds of a dry run, and its first line."""
    words = ["-m", *grid, "sweep.dry_run=true", f"output_dir={folder}"]
    begun = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "run.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    if run.returncode:
        raise SystemExit(run.stderr)
    return seconds, " ".join(run.stdout.split("tasks")[0].split()) + " tasks"


def peer(grid: tuple[str, ...], folder: Path) -> float:
    """Return the seconds of Hydra's own multirun on the same grid."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    config = (folder / "conf" / "config.yaml").read_text()
    kept = [
        line
        for line in config.splitlines()
        if "hydra/" not in line and line.strip() != "- schema" and not line.startswith("hydra:")
    ]
    own = "\n".join(kept).split("\n  output_subdir")[0]
    (folder / "conf" / "config.yaml").write_text(own)
    (folder / "peer.py").write_text(PEER)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "peer.py", "-m", *grid], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", action="store_true", help="measure Hydra's own multirun too")
    asked = parser.parse_args()
    table = Table("points", "what", "seconds", "over davinci's")
    with tempfile.TemporaryDirectory() as name:
        seconds, told = ours(FIVE_GROUPS, Path(name) / "out")
        table.add_row("240", told, f"{seconds:.1f}", "")
        if asked.peer:
            (Path(name) / "peer").mkdir()
            theirs = peer(FIVE_GROUPS, Path(name) / "peer")
            table.add_row("240", "Hydra's multirun", f"{theirs:.1f}", f"{theirs / seconds:.0f} x")
        many, told = ours(SIX_AXES, Path(name) / "out")
        table.add_row("2,000", told, f"{many:.1f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
