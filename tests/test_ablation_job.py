"""A declared ablation, for real and small: registered, run, judged, changed, and judged again."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.platform.store.read import load_sweep
from davinci.reports.costs import run_command

ROOT = Path(__file__).resolve().parents[1]
TINY = ("scale.tokens=8192", "data.documents=80", "evaluation.max_items=6", "store.mlflow=false")
OWN = """
name: mine
theme: mixture_design
question: Does math in the mixture help math?
informs: Whether this test works.
source: made up
factor: [mixture]
arms:
  even: [mixture=uniform]
  math: [mixture=math_heavy]
baseline: even
claims:
  - {{metric: bpb/math, expect: better, arm: math, min_effect: {least}}}
  - {{metric: generative-ppl/mean, expect: equal, arm: math, min_effect: 0.5}}
"""

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


def run_py(own: Path, output_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "run.py", "--config-dir", str(own), "-m", "ablation=mine", *words]
    command.append(f"output_dir={output_dir}")
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160"}
    )


def declare(folder: Path, least: float) -> Path:
    (folder / "ablation").mkdir(parents=True, exist_ok=True)
    (folder / "ablation" / "mine.yaml").write_text(OWN.format(least=least))
    return folder


def davinci(*words: str) -> str:
    command = [sys.executable, "-m", "davinci.reports.cli", *words]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160"}
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_ablation_of_ones_own_from_declaration_to_verdict(tmp_path: Path) -> None:
    own, outputs = declare(tmp_path / "conf", least=0.001), tmp_path / "outputs"
    first = run_py(own, outputs, *TINY)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "bpb/math: math is better than even by 0.001 or more" in first.stdout
    assert "The arms differ only in mixture." in first.stdout

    engine = open_store(f"sqlite:///{outputs / 'davinci.db'}")
    with engine.connect() as connection:
        [registered] = connection.execute(select(tables.ablation)).mappings()
        verdicts = connection.execute(select(tables.verdict)).mappings().all()
        started = connection.scalar(
            select(tables.task.c.started)
            .where(tables.task.c.kind == "segment")
            .order_by(tables.task.c.started)
        )
        [sweep] = connection.scalars(select(tables.sweep.c.digest))
    assert registered["declared"]["claims"][0]["min_effect"] == 0.001
    assert registered["declared"]["seeds"] == 3
    assert started is not None
    assert len(verdicts) == 2

    page = (outputs / "reports" / sweep[:12] / "index.html").read_text("utf-8")
    found = re.search(r'id="davinci-data">(.*?)</script>', page, flags=re.S)
    assert found is not None
    data = json.loads(found[1])
    assert [v["state"] for v in data["verdicts"]] == [v["state"] for v in verdicts]
    for shown, kept in zip(data["verdicts"], verdicts, strict=True):
        assert shown["effect"] == pytest.approx(kept["content"]["effect"])
        assert shown["registration"] == registered["digest"]
    assert page.index('id="verdict"') < page.index('id="summary"')

    index = (outputs / "reports" / "index.html").read_text("utf-8")
    assert "Does math in the mixture help math?" in index
    assert f"badge {verdicts[0]['state']}" in index

    whole = load_sweep(engine, sweep)
    words = shlex.split(run_command(whole.arms[1], whole.arms[1].runs[2]))
    alone = subprocess.run(
        [sys.executable, *words[1:], f"output_dir={outputs}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert "computed 0 tasks" in alone.stdout, "the command of a cell asks for that very run"
    with engine.connect() as connection:
        [again] = connection.scalars(
            select(tables.arm_run.c.run).where(tables.arm_run.c.sweep != sweep)
        )
    assert again == whole.arms[1].runs[2].digest

    declare(own, least=5.0)
    second = run_py(own, outputs, *TINY)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "computed 0 tasks" in second.stdout
    known = verdicts[0]["state"] in ("supported", "contradicted")
    assert ("Known already" in second.stdout) == known
    assert "Claim 1: 3 replicates find a difference of" in second.stdout
    assert "80 % power" in second.stdout
    assert "80 % power" not in first.stdout, "nothing is known before the first sweep"
    assert "by 5 or more" in second.stdout
    page = (outputs / "reports" / sweep[:12] / "index.html").read_text("utf-8")
    assert "version 1 on" in page
    assert "version 2 on" in page
    assert "The claims were changed in between" in page
    with engine.connect() as connection:
        assert len(connection.execute(select(tables.ablation)).all()) == 2
    engine.dispose()

    promoted = davinci("promote", "mine", "--output-dir", str(outputs))
    assert "chance to be the best" in promoted
    assert "nothing is known of transfer" in promoted

    few = [sys.executable, "-m", "davinci.reports.cli", "mixtures", sweep[:12]]
    few += ["--output-dir", str(outputs)]
    refused = subprocess.run(few, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "5 mixtures or more, but 2 were run" in refused.stderr

    bare = subprocess.run(
        [sys.executable, "run.py", "--config-dir", str(own), "ablation=mine", *TINY],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert bare.returncode == 2
    assert "an ablation has several arms: add -m" in bare.stderr


def test_a_race_stops_where_its_claims_are_decided(tmp_path: Path) -> None:
    own, outputs = declare(tmp_path / "conf", least=5.0), tmp_path / "outputs"
    run = run_py(own, outputs, *TINY, "sweep.race=4", "evaluation.trajectory=[]")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "contradicted: bpb/math: math is better than even by 5 or more" in run.stdout
    looked = re.search(r"After 3 of at most 4 seeds: claims contradicted, (\w+)", run.stdout)
    assert looked or "decided after 3 of at most 4 seeds" in run.stdout
    page = max((outputs / "reports").glob("*/index.html"), key=lambda path: path.stat().st_mtime)
    assert "of at most 4 seeds" in page.read_text("utf-8")
    refused = run_py(own, outputs, *TINY, "sweep.race=2")
    assert refused.returncode == 2
    assert "a race takes 3 seeds before its first look" in refused.stderr


def test_the_catalogue_is_listed_and_shown_before_any_store(tmp_path: Path) -> None:
    listed = davinci("ablations", "--output-dir", str(tmp_path / "none"))
    assert "73 ablations with 251 arms, 0 of them run" in listed
    for theme in ("processing depth", "mixture design", "scale transfer"):
        assert theme in listed
    shown = davinci("ablations", "show", "qa_masking", "--output-dir", str(tmp_path / "none"))
    assert "Arm no mask (baseline): curriculum.mask_questions=false" in shown
    assert "Nothing is known yet" in shown
