"""Whole jobs against a real server: faults, death and budgets change no result."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.openai_server import OpenAIServer, faults_of, write

from davinci.data_levels.document import Document
from davinci.data_levels.levels.writing.teaching import (
    WriteChunks,
    join_chunks,
    plan_chunks,
    read_written,
)
from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.endpoint import BudgetExhausted, EndpointError

CONCURRENCY = 4
DOCUMENTS = [
    Document(
        id=f"d{d}",
        domain="general",
        text="\n\n".join(f"Paragraph {n} of {d} says NOISE this." for n in range(4 * d + 1)),
    )
    for d in range(8)
]
JOB = """
import json, sys
from tests.data_levels.test_teacher_jobs import DOCUMENTS, operator
from davinci.data_levels.settings import TeacherSettings
print("started", flush=True)
settings = TeacherSettings(**json.loads(sys.argv[1]))
print(json.dumps([outcome.text for outcome in operator(settings).run(DOCUMENTS, {})]))
"""


def settings_for(server: OpenAIServer, cache: Path, **options: Any) -> TeacherSettings:
    told: dict[str, Any] = {
        "kind": "endpoint",
        "base_url": server.base_url,
        "model": "tiny",
        "concurrency": CONCURRENCY,
        "first_wait_s": 0.01,
        "timeout_s": 1.0,
        "cache_dir": str(cache),
    }
    return TeacherSettings(**{**told, **options})


def operator(teacher: TeacherSettings, task: str = "") -> WriteChunks:
    return WriteChunks(
        name="refine",
        version=1,
        teacher=teacher,
        task=task,
        plan=partial(plan_chunks, prompt_name="refine_v1", max_chars=100),
        read=partial(read_written, tag="cleaned", prompt_name="refine_v1"),
        assemble=join_chunks,
    )


def run(teacher: TeacherSettings, task: str = "") -> tuple[list[str], dict[str, float]]:
    counts: dict[str, float] = {}
    outcomes = list(operator(teacher, task).run(DOCUMENTS, counts))
    return [outcome.text for outcome in outcomes if isinstance(outcome, Document)], counts


def expected() -> list[str]:
    return [document.text.replace(" NOISE", "") for document in DOCUMENTS]


def test_faults_of_all_kinds_change_no_result_and_no_answer_is_paid_twice(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    faultless, counts = run(settings_for(openai_server, tmp_path / "a"))
    asked = len(openai_server.delivered)
    assert counts["calls"] == counts["chunks"] == asked > 50
    openai_server.delivered.clear()
    openai_server.faulty = True
    faulty, counts = run(settings_for(openai_server, tmp_path / "b"))
    assert faulty == faultless == expected()
    assert len(openai_server.delivered) == asked
    assert set(openai_server.delivered.values()) == {1}
    met = sum(len(faults_of(prompt)) for prompt in openai_server.delivered)
    assert 0.5 * met < counts["retries"] <= met
    assert counts["calls"] == asked


def test_a_job_that_is_killed_goes_on_where_it_was(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.delay_s = 0.01
    settings = settings_for(openai_server, tmp_path)
    num_chunks = sum(1 for _ in operator(settings).plan(DOCUMENTS))
    num_kills = 0
    for share in (0.2, 0.5, 0.8):
        process = _start(settings)
        while len(openai_server.requests) < share * num_chunks:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        num_kills += process.wait() == -9
        assert process.stdout is not None
        process.stdout.close()
    process = _start(settings)
    output, _ = process.communicate(timeout=60)
    assert json.loads(output) == expected()
    assert num_kills == 3
    assert len(openai_server.delivered) == num_chunks
    repeated = sum(openai_server.delivered.values()) - num_chunks
    assert repeated <= num_kills * CONCURRENCY
    assert len(openai_server.requests) <= num_chunks + num_kills * CONCURRENCY


def test_two_jobs_that_ask_the_same_pay_it_once(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.delay_s = 0.01
    processes = [_start(settings_for(openai_server, tmp_path)) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [json.loads(output) for output in outputs] == [expected()] * 2
    assert set(openai_server.delivered.values()) == {1}


def test_a_budget_stops_cleanly_and_the_next_one_goes_on_from_there(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    settings = settings_for(openai_server, tmp_path, max_total_tokens=1000)
    with pytest.raises(BudgetExhausted, match=r"allows no more.*goes on from there"):
        run(settings, "first")
    paid = sum(openai_server.delivered.values())
    tokens = [10 + len(write(prompt).split()) for prompt in openai_server.delivered]
    assert 1000 <= sum(tokens) < 1000 + CONCURRENCY * max(tokens)
    texts, counts = run(replace(settings, max_total_tokens=10**6), "second")
    assert texts == expected()
    assert counts["cached_answers"] == paid
    assert counts["calls"] == len(openai_server.delivered) - paid
    assert set(openai_server.delivered.values()) == {1}


def test_an_endpoint_that_goes_down_is_one_clear_error_and_what_was_answered_stays(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    settings = settings_for(openai_server, tmp_path, max_tries=2)
    openai_server.script = [*([""] * 20), *(["503"] * 1000)]
    with pytest.raises(EndpointError, match=r"no answer in 2 tries.*HTTP 503.*base_url"):
        run(settings)
    assert sum(openai_server.delivered.values()) == 20
    openai_server.script = []
    texts, counts = run(settings)
    assert texts == expected()
    assert counts["cached_answers"] == 20


def _start(settings: TeacherSettings) -> "subprocess.Popen[str]":
    """Start the job in a process of its own; return once it has begun."""
    told = json.dumps(
        {name: getattr(settings, name) for name in TeacherSettings.__dataclass_fields__}
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, told], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process
