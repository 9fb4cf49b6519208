"""The GPU benchmark runs here too, on a CPU: all but its numbers is tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "benchmarks/train_throughput.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_trains_measures_and_profiles_on_a_cpu() -> None:
    done = run("--scale", "nano", "--device", "cpu", "--steps", "4", "--micro-batch", "2")
    assert done.returncode == 0, done.stderr
    found = re.search(r"^tokens/s +([\d,]+) \(median of 2 steps", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    assert int(found[1].replace(",", "")) > 0
    assert "133,696 parameters, context 128, micro-batch 2" in done.stdout
    assert "MFU               peak not known" in done.stdout
    assert "aten::mm" in done.stdout


def test_an_unknown_scale_is_refused_with_those_there_are() -> None:
    done = run("--scale", "5b")
    assert done.returncode == 1
    assert "No scale '5b'; known: 150m, 1b" in done.stderr
