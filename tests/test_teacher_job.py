"""A job whose documents a language model writes: faults and kills change nothing, and cost nothing.

The model is a real server that speaks the OpenAI protocol on loopback.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.openai_server import OpenAIServer, serving

from davinci.data_levels.corpus import read_documents
from davinci.data_levels.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[1]
CONCURRENCY = 4

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

LETTERS = "aeioubdgklmnprst"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 32 documents of prose, with noise for L4 to clean away."""
    folder, rng = tmp_path_factory.mktemp("documents"), random.Random(5)
    with (folder / "general.jsonl").open("w") as file:
        for number in range(32):
            sentences = [
                f"The {word(rng)} of {word(rng)} is {rng.randrange(900)} metres from the "
                f"{word(rng)} that {word(rng)} and {word(rng)} built in {rng.randrange(999)}."
                for _ in range(rng.randint(4, 9))
            ]
            text = " NOISE ".join(sentences)
            file.write(json.dumps({"id": f"town-{number}", "text": text, "url": f"u/{number}"}))
            file.write("\n")
    return folder


def words_of(documents: Path, server: OpenAIServer, output_dir: Path) -> list[str]:
    return [
        *(sys.executable, "run.py", "data=files", f"data.path={documents}"),
        *("data.level=L2+L4+L5+L3+L6", "data.held_out_frac=0.15", "data.rules.min_chars=10"),
        "mixture.weights={general: 1, code: 0, math: 0, science: 0, qa: 0}",
        *("scale.tokens=4096", "store.mlflow=false", f"output_dir={output_dir}"),
        *("data.teacher.kind=endpoint", f"data.teacher.base_url={server.base_url}"),
        *("data.teacher.model=tiny", f"data.teacher.concurrency={CONCURRENCY}"),
        *("data.teacher.timeout_s=1", "data.teacher.first_wait_s=0.02"),
    ]


def run_py(words: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


def corpora_of(output_dir: Path) -> dict[str, str]:
    """Return the content digest of every corpus of a finished job, by its chain."""
    manifests = [
        read_manifest(folder.parent)
        for folder in (output_dir / "artifacts" / "corpus").glob("*/manifest.json")
    ]
    return {f"{m.domain} {m.chain}": m.digest for m in manifests}


def word(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randint(4, 9)))


class Faultless(NamedTuple):
    """What a job leaves behind when nothing goes wrong."""

    output_dir: Path
    corpora: dict[str, str]
    prompts: set[str]


@pytest.fixture(scope="module")
def faultless(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Faultless:
    output_dir = tmp_path_factory.mktemp("faultless")
    with serving() as server:
        run = run_py(words_of(documents, server, output_dir))
        assert run.returncode == 0, run.stdout + run.stderr
        assert set(server.delivered.values()) == {1}
        return Faultless(output_dir, corpora_of(output_dir), set(server.delivered))


def test_faults_and_kills_give_the_faultless_corpora_and_no_call_is_paid_twice(
    documents: Path, faultless: Faultless, tmp_path: Path
) -> None:
    assert "general L2+L4+L5+L3+L6" in faultless.corpora
    dice, num_killed = random.Random(1), 0
    with serving() as server:
        server.faulty, server.delay_s = True, 0.02
        words = words_of(documents, server, tmp_path)
        while num_killed < 2:
            asked = len(server.delivered)
            job = subprocess.Popen(
                words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while len(server.delivered) <= asked + 5 and job.poll() is None:
                time.sleep(0.02)
            time.sleep(dice.uniform(0, 0.5))
            if job.poll() is not None:
                break
            job.send_signal(signal.SIGKILL)
            job.wait()
            num_killed += 1
        run = run_py(words)
        assert run.returncode == 0, run.stdout + run.stderr
        repeated = sum(server.delivered.values()) - len(server.delivered)
        assert set(server.delivered) == faultless.prompts
    assert num_killed > 0
    assert repeated <= num_killed * CONCURRENCY  # only what was on its way when the job died
    assert corpora_of(tmp_path) == faultless.corpora


def test_a_spent_budget_stops_by_name_and_a_larger_one_goes_on(
    documents: Path, faultless: Faultless, tmp_path: Path
) -> None:
    with serving() as server:
        words = words_of(documents, server, tmp_path)
        run = run_py([*words, "data.teacher.max_total_tokens=400"])
        assert run.returncode == 1
        assert "budget" in run.stdout
        assert "data.teacher.max_total_tokens" in run.stdout
        paid = set(server.delivered)
        assert 0 < len(paid) < len(faultless.prompts)
        run = run_py(words)
        assert run.returncode == 0, run.stdout + run.stderr
        assert set(server.delivered.values()) == {1}
    assert corpora_of(tmp_path) == faultless.corpora


def test_a_server_that_is_down_is_named_and_costs_nothing_done(
    documents: Path, tmp_path: Path
) -> None:
    with serving() as server:
        words = words_of(documents, server, tmp_path)
    run = run_py([*words, "data.teacher.max_tries=2"])
    assert run.returncode == 1
    assert "infrastructure" in run.stdout
    assert "data.teacher.base_url" in run.stdout
    assert {"general L0", "general L1", "general L2"} <= corpora_of(tmp_path).keys()


def test_the_life_of_a_document_is_shown_from_its_source_to_its_end(faultless: Faultless) -> None:
    [refined] = [
        folder
        for folder in (faultless.output_dir / "artifacts" / "corpus").iterdir()
        if read_manifest(folder).chain == "L2+L4"
    ]
    document = next(read_documents(refined))
    shown = show(document.id, faultless.output_dir)
    assert shown.returncode == 0, shown.stderr
    names = ("general L0", "general L1", "general L2", "general L2+L4 ", "general L2+L4+L5 ")
    places = [shown.stdout.index(name) for name in names]
    assert places == sorted(places)
    assert "NOISE" in shown.stdout[places[0] : places[1]]
    assert "NOISE" not in shown.stdout[places[3] : places[4]]
    assert "written by tiny at 127.0.0.1" in shown.stdout
    missing = show("town-99", faultless.output_dir)
    assert missing.returncode == 2
    assert "No corpus of this store has a document 'town-99'" in missing.stderr


def show(document: str, output_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "davinci.reports.cli", "document", document]
    return subprocess.run(
        [*command, "--output-dir", str(output_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
