"""The command line of a sweep, as Hydra hands it over: axes from a file, designs, what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run_py(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "run.py", "-m", *words, "sweep.dry_run=true"]
    return subprocess.run(
        [*command, f"output_dir={tmp_path / 'out'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "levels.yaml").write_text(
        "# @package _global_\n"
        "seeds: 2\n"
        "hydra:\n"
        "  sweeper:\n"
        "    params:\n"
        "      data.level: L1,L2\n"
        "      mixture: [uniform, math_heavy]\n"
    )
    return tmp_path / "conf"


def test_axes_may_stand_in_a_file_as_for_hydras_own_sweeper(
    config_dir: Path, tmp_path: Path
) -> None:
    words = ("--config-dir", str(config_dir), "+experiment=levels")
    run = run_py(tmp_path, *words)
    assert run.returncode == 0, run.stderr
    assert "data.level × mixture: 4 arms, 8 runs" in run.stdout
    narrowed = run_py(tmp_path, *words, "data.level=L3")
    assert narrowed.returncode == 0, narrowed.stderr
    assert "mixture: 2 arms, 4 runs" in narrowed.stdout


def test_points_and_exclusions_are_said_on_the_command_line(tmp_path: Path) -> None:
    words = ("data.level=L1,L2,L3", "mixture=uniform,math_heavy,code_heavy", "seeds=1")
    run = run_py(tmp_path, *words, "sweep.exclude=['data.level=L3 mixture=*_heavy']")
    assert run.returncode == 0, run.stderr
    assert "7 arms" in run.stdout
    run = run_py(tmp_path, *words, "sweep.zip=[data.level+mixture]")
    assert run.returncode == 0, run.stderr
    assert "3 arms" in run.stdout


def test_ten_million_points_are_refused_with_their_number(tmp_path: Path) -> None:
    axes = [f"data.level_of.{d}=L0,L1,L2,L3" for d in ("general", "code", "math", "science", "qa")]
    run = run_py(tmp_path, *axes, "seed=range(10000)")
    assert run.returncode == 2
    assert "the grid has 10,240,000 points; at most 10,000 are planned at once" in run.stderr
    run = run_py(tmp_path, "seed=range(10000000)")
    assert run.returncode == 2
    assert "the grid has 10,000,000 points" in run.stderr
