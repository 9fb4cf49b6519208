"""A checkpoint behind a real HTTP server scores as it does on the engine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.models.build import save_model
from davinci.models.interchange import export_model
from davinci.platform.config.recipe import BenchmarkSettings, EvaluationSettings, Protocol
from davinci.platform.evaluation.engine.generation import Request
from davinci.platform.evaluation.engine.likelihood import Question
from davinci.platform.evaluation.evaluate import evaluate
from davinci.platform.evaluation.harness.snapshot import take_snapshot
from davinci.platform.evaluation.harness.suite import known
from davinci.platform.evaluation.outcomes import load_outcomes
from davinci.platform.evaluation.served import ServedSubject, ServerError
from davinci.platform.evaluation.server import ServerStartError, serve
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject
from davinci.platform.store.records import Outcomes

COMMAND = f"{sys.executable} {Path(__file__).with_name('completions_server.py')} {{model}} {{port}}"
RUNTIME = EvaluationRuntime(accelerator="cpu", max_tokens=20_000)


@pytest.fixture(scope="module")
def room(
    long_model: Qwen2ForCausalLM, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a folder with a checkpoint and its tokenizer."""
    folder = tmp_path_factory.mktemp("served")
    save_model(long_model, folder / "model")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def served(room: Path, tokenizer: Tokenizer) -> Iterator[ServedSubject]:
    """Yield the same checkpoint behind a server that runs as long as the module's tests."""
    export_model(room / "model", room / "exported", tokenizer=room, end_of_text_id=0)
    with serve(COMMAND, room / "exported", room / "server.log") as url:
        yield subject_at(url, tokenizer)


def subject_at(url: str, tokenizer: Tokenizer) -> ServedSubject:
    return ServedSubject(
        url=url,
        model="exported",
        served_length=6000,
        tokenizer=tokenizer,
        end_id=0,
        runtime=RUNTIME,
    )


@pytest.fixture(scope="module")
def loaded(long_model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> LoadedSubject:
    return LoadedSubject(model=long_model, tokenizer=tokenizer, runtime=RUNTIME)


def test_token_losses_are_the_engines(served: ServedSubject, loaded: LoadedSubject) -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(1, 260, length).tolist() for length in (2, 7, 40)]
    pairs = zip(served.nlls_nats(sequences), loaded.nlls_nats(sequences), strict=True)
    for there, here in pairs:
        assert there == pytest.approx(here, abs=1e-4)


def test_likelihoods_and_greediness_are_the_engines(
    served: ServedSubject, loaded: LoadedSubject, tokenizer: Tokenizer
) -> None:
    context = (0, *tokenizer.encode("what is ab").ids)
    (written,) = loaded.answers(
        [Request(ids=context, stop=(), max_new_tokens=1, end_ids=frozenset())]
    )
    greedy = tuple(tokenizer.encode(written).ids)
    questions = [Question(context, (greedy, (5, 6, 7))), Question((0,), ((9,),))]
    told: list[int] = []
    there, here = served.likelihoods(questions, told.append), loaded.likelihoods(questions)
    assert told == [1, 2]
    assert [[a.greedy for a in q] for q in there] == [[a.greedy for a in q] for q in here]
    assert there[0][0].greedy
    for ours, theirs in zip(here, there, strict=True):
        assert [a.logprob_nats for a in theirs] == pytest.approx(
            [a.logprob_nats for a in ours], abs=1e-4
        )


def test_answers_are_the_engines_and_end_where_they_should(
    served: ServedSubject, loaded: LoadedSubject, tokenizer: Tokenizer
) -> None:
    first = Request(
        ids=(0, *tokenizer.encode("ab ab").ids),
        stop=(),
        max_new_tokens=12,
        end_ids=frozenset({0}),
    )
    (whole,) = loaded.answers([first])
    many = (*("not there",) * 4, whole[3:5])  # the server looks at four
    requests = [first, replace(first, stop=(whole[3:5],)), replace(first, stop=many)]
    requests.append(replace(first, max_new_tokens=0))
    assert served.answers(requests) == loaded.answers(requests)
    assert served.answers([first]) == [whole]


def outcomes_of(
    room: Path, snapshot: Path, out: Path, protocol: Protocol, server: str
) -> dict[str, Outcomes]:
    benchmark = BenchmarkSettings(name="piqa", protocols=(protocol,), shots=1)
    evaluate(
        protocol,
        model_dir=room / "model",
        tokenizer_file=room / "tokenizer.json",
        items=snapshot,
        settings=EvaluationSettings(
            protocols=(protocol,), benchmarks=(benchmark,), max_items=4, server=server
        ),
        out=out,
        runtime=RUNTIME,
        progress=lambda *_: None,
    )
    return {outcome.metric: outcome for outcome in load_outcomes(out)}


def test_a_benchmark_through_the_server_has_the_engines_outcomes(
    room: Path, mirror: Path, tmp_path: Path
) -> None:
    take_snapshot(known("piqa"), str(mirror), tmp_path / "piqa", lambda *_: None)
    protocols: tuple[Protocol, ...] = ("ppl", "generative")
    for protocol in protocols:
        here, there = (
            outcomes_of(room, tmp_path / "piqa", tmp_path / f"{protocol}{name}", protocol, command)
            for name, command in (("engine", ""), ("server", COMMAND))
        )
        assert here.keys() == there.keys()
        for metric, outcome in here.items():
            assert there[metric].values == pytest.approx(outcome.values, abs=1e-4)


def test_a_server_that_cannot_score_says_so(room: Path, tokenizer: Tokenizer) -> None:
    export = room / "exported"
    with serve(f"{COMMAND} --no-echo", export, room / "no_echo.log") as url:
        subject = subject_at(url, tokenizer)
        with pytest.raises(ServerError, match="cannot score given text"):
            subject.nlls_nats([[0, 5, 6]])
        assert (
            len(
                subject.answers(
                    [Request(ids=(0, 5), stop=(), max_new_tokens=3, end_ids=frozenset())]
                )
            )
            == 1
        )


def test_what_the_server_refuses_is_told_in_its_words(served: ServedSubject) -> None:
    with pytest.raises(ServerError, match=r"400.*longer than the context"):
        served.nlls_nats([[5] * 6001])


def test_a_server_that_does_not_start_is_told_with_what_it_printed(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"raise SystemExit('no GPU {{model}} {{port}}')\""
    with (
        pytest.raises(ServerStartError, match="code 1 before it was ready: no GPU"),
        serve(command, tmp_path, tmp_path / "log"),
    ):
        pass
    with (
        pytest.raises(ServerStartError, match="'nothing-here' does not start"),
        serve("nothing-here {model} {port}", tmp_path, tmp_path / "log"),
    ):
        pass


def test_a_server_ends_with_all_that_it_started(tmp_path: Path) -> None:
    helper = f"sleep 98{os.getpid()}.{time.monotonic_ns() % 10**6}"  # no other test's
    script = tmp_path / "serve.sh"
    listening = f"{sys.executable} -m http.server $2 -b 127.0.0.1 -d $1"
    script.write_text(f"{helper} &\nexec {listening}\n")
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "models").touch()
    running = ["pgrep", "-f", helper]
    with serve(f"sh {script} {{model}} {{port}}", tmp_path, tmp_path / "log"):
        assert subprocess.run(running, check=False).returncode == 0
    deadline = time.monotonic() + 20
    while subprocess.run(running, check=False).returncode == 0:
        assert time.monotonic() < deadline, "what the server started outlives it"
        time.sleep(0.1)
