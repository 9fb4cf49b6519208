"""The endpoint against a real HTTP server on loopback, faults included."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.openai_server import FAULTS, OpenAIServer, completion, faults_of

from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.endpoint import (
    Answer,
    BudgetExhausted,
    Endpoint,
    EndpointError,
    open_endpoint,
)
from davinci.data_levels.teacher.protocol import _seconds

KEY = "sk-open-sesame"


def settings_for(server: OpenAIServer, cache: Path, **options: Any) -> TeacherSettings:
    told: dict[str, Any] = {
        "kind": "endpoint",
        "base_url": server.base_url,
        "model": "tiny",
        "api_key_env": "DAVINCI_TEST_KEY",
        "first_wait_s": 0.01,
        "timeout_s": 5.0,
        "cache_dir": str(cache),
    }
    return TeacherSettings(**{**told, **options})


def ask(endpoint: Endpoint, text: str = "Hello?", **options: Any) -> Answer:
    return endpoint.ask([{"role": "user", "content": text}], **options)


def test_a_question_is_asked_as_the_protocol_has_it(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.script = [
        (200, {}, completion("Yes.", prompt_tokens=7, completion_tokens=3)),
    ]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        assert endpoint.label == f"tiny at 127.0.0.1:{openai_server.server_port}"
        assert ask(endpoint, max_tokens=50) == Answer("Yes.", True, 7, 3, False)
    [request] = openai_server.requests
    assert (request["path"], request["key"]) == ("/v1/chat/completions", None)
    assert request["body"] == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hello?"}],
        "temperature": 0.0,
        "max_tokens": 50,
    }


def test_an_answer_is_paid_once_and_known_by_all_that_determines_it(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    settings = settings_for(openai_server, tmp_path)
    with open_endpoint(settings) as endpoint:
        first = ask(endpoint)
        assert ask(endpoint) == first._replace(cached=True)
        ask(endpoint, max_tokens=7)
        ask(endpoint, "Another?")
        assert endpoint.counts()["calls"] == 3
        assert endpoint.counts()["cached_answers"] == 1
    for options, asks_again in (
        ({"timeout_s": 9.0}, 0),
        ({"temperature": 0.5}, 1),
        ({"model": "big"}, 1),
    ):
        before = len(openai_server.requests)
        with open_endpoint(settings_for(openai_server, tmp_path, **options)) as endpoint:
            ask(endpoint)
        assert len(openai_server.requests) - before == asks_again


def test_the_address_is_no_part_of_what_an_answer_is_known_by(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        first = ask(endpoint)
    moved = settings_for(openai_server, tmp_path, base_url="http://127.0.0.1:9/elsewhere")
    with open_endpoint(moved) as endpoint:
        assert ask(endpoint).text == first.text


def test_threads_that_ask_the_same_make_one_call(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.delay_s = 0.05
    with (
        open_endpoint(settings_for(openai_server, tmp_path)) as endpoint,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: ask(endpoint), range(16)))
        assert endpoint.counts()["calls"] == 1
    assert sorted(answer.cached for answer in answers) == [False] + [True] * 15
    assert len(openai_server.requests) == 1


def test_no_more_calls_are_on_their_way_than_the_settings_allow(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.delay_s = 0.02
    with (
        open_endpoint(settings_for(openai_server, tmp_path, concurrency=3)) as endpoint,
        ThreadPoolExecutor(12) as pool,
    ):
        list(pool.map(lambda n: ask(endpoint, f"Question {n}?"), range(24)))
    assert openai_server.most_at_once == 3


def test_connections_are_used_again_and_a_stale_one_costs_no_try(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    settings = settings_for(openai_server, tmp_path, max_tries=1)
    with open_endpoint(settings) as endpoint:
        ask(endpoint, "one")
        openai_server.script = ["", "hang_up"]
        ask(endpoint, "two")
        assert ask(endpoint, "three").text
        assert endpoint.counts()["retries"] == 0
    assert len(openai_server.requests) == 4


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_nothing(
    openai_server: OpenAIServer, tmp_path: Path, fault: str
) -> None:
    openai_server.script = [fault, fault]
    with open_endpoint(settings_for(openai_server, tmp_path, timeout_s=0.3)) as endpoint:
        assert ask(endpoint, "<passage>\na\n</passage></cleaned>").text.endswith("\na\n</cleaned>")
        assert endpoint.counts()["calls"] == 1
        # A fresh connection replaces one that was closed before any byte came.
        assert endpoint.counts()["retries"] == 2
    assert list(openai_server.delivered.values()) == [1]


def test_the_server_of_the_tests_has_all_faults_up_its_sleeve() -> None:
    met = [faults_of(f"Question {number}?") for number in range(300)]
    assert {fault for faults in met for fault in faults} == set(FAULTS)
    assert {len(faults) for faults in met} == {0, 1, 2}


def test_a_retry_waits_as_long_as_the_endpoint_asks(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.script = [(429, {"Retry-After": "0.4"}, b"slow down")]
    started = time.monotonic()
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        ask(endpoint)
    assert 0.4 <= time.monotonic() - started < 2.0


def test_retry_after_is_seconds_or_a_date() -> None:
    assert _seconds("7") == 7.0
    assert _seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    later = _seconds("Fri, 31 Dec 2999 23:59:59 GMT")
    assert later is not None
    assert later > 3600
    assert _seconds("soon") is _seconds(None) is None


def test_a_lasting_fault_ends_in_one_clear_error(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.script = [(503, {}, b"overloaded")] * 3
    with (
        open_endpoint(settings_for(openai_server, tmp_path, max_tries=3)) as endpoint,
        pytest.raises(
            EndpointError,
            match=r"tiny at 127.*no answer in 3 tries.*HTTP 503: overloaded.*`data\.teacher\.base",
        ),
    ):
        ask(endpoint)
    assert len(openai_server.requests) == 3


def test_an_endpoint_that_is_down_is_named(tmp_path: Path) -> None:
    settings = TeacherSettings(
        kind="endpoint",
        base_url="http://127.0.0.1:9/v1",
        model="tiny",
        first_wait_s=0.01,
        max_tries=2,
        cache_dir=str(tmp_path),
    )
    with (
        open_endpoint(settings) as endpoint,
        pytest.raises(EndpointError, match=r"tiny at 127\.0\.0\.1:9 gave no answer in 2 tries"),
    ):
        ask(endpoint)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, r"data\.teacher\.model.*data\.teacher\.max_tokens.*chunk size"),
        (401, r"the key in \$DAVINCI_TEST_KEY"),
        (403, r"the key in \$DAVINCI_TEST_KEY"),
        (404, r"data\.teacher\.base_url.*data\.teacher\.model"),
        (301, r"data\.teacher\.base_url"),
    ],
)
def test_a_permanent_refusal_is_not_repeated_names_the_field_and_keeps_the_key_to_itself(
    openai_server: OpenAIServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    says: str,
) -> None:
    monkeypatch.setenv("DAVINCI_TEST_KEY", KEY)
    openai_server.script = [(status, {}, f"no good: {KEY}\x1b[2J".encode())]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        with pytest.raises(
            EndpointError, match=rf"HTTP {status}: no good: <key>.*{says}"
        ) as caught:
            ask(endpoint)
        assert openai_server.requests[0]["key"] == f"Bearer {KEY}"
        assert len(openai_server.requests) == 1
        ask(endpoint, "Another?")
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_that_no_header_can_carry_is_not_shown(
    openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAVINCI_TEST_KEY", f"{KEY}\nX-Evil: 1")
    with pytest.raises(EndpointError, match=r"\$DAVINCI_TEST_KEY") as caught:
        open_endpoint(settings_for(openai_server, tmp_path))
    assert "sesame" not in str(caught.value)


def test_a_cut_off_answer_is_kept_as_such_and_not_asked_again(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.script = [(200, {}, completion("and so", "length"))]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        assert not ask(endpoint).finished
        assert ask(endpoint)[:2] == ("and so", False)
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, completion(None)),
        (200, {}, completion("", "content_filter")),
        (400, {}, b'{"error": {"code": "content_filter", "message": "no"}}'),
    ],
)
def test_an_answer_that_was_withheld_is_an_empty_one(
    openai_server: OpenAIServer, tmp_path: Path, reply: tuple[int, dict[str, str], bytes]
) -> None:
    openai_server.script = [reply]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        assert ask(endpoint).text == ""
        assert ask(endpoint).cached


def test_tokens_are_estimated_where_the_endpoint_does_not_count(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    body = b'{"choices": [{"message": {"content": "12345"}, "finish_reason": "stop"}]}'
    openai_server.script = [(200, {}, body)]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        assert ask(endpoint, "x" * 40)[2:4] == (10, 2)


def test_lone_surrogates_reach_neither_the_endpoint_nor_the_cache(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud800\\u0000b"}}]}'
    openai_server.script = [(200, {}, body)]
    with open_endpoint(settings_for(openai_server, tmp_path)) as endpoint:
        assert ask(endpoint, "x\ud800y").text == "a\ufffd\x00b"
        assert ask(endpoint, "x\ud800y").text == "a\ufffd\x00b"
    assert openai_server.prompts == ["x\ufffdy"]


def test_the_budget_stops_before_another_call_and_what_is_known_stays_free(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.writer = lambda prompt: "one two three four five"  # 10 + 5 tokens
    task = {"task": "a task of this test"}
    settings = settings_for(openai_server, tmp_path, max_total_tokens=30)
    with open_endpoint(settings, **task) as endpoint:
        ask(endpoint, "1")
        ask(endpoint, "2")
        with pytest.raises(
            BudgetExhausted, match=r"30 tokens.*`data\.teacher\.max_total_tokens`=30.*same command"
        ) as caught:
            ask(endpoint, "3")
        assert ask(endpoint, "2").cached
    assert (caught.value.spent, caught.value.limit) == (30, 30)
    with (
        open_endpoint(settings, **task) as endpoint,
        pytest.raises(BudgetExhausted),
    ):
        ask(endpoint, "3")
    with open_endpoint(settings, task="another one") as endpoint:
        assert [ask(endpoint, text).cached for text in "123"] == [True, True, False]
    assert openai_server.prompts == ["1", "2", "3"]


def test_the_budget_counts_money_too(openai_server: OpenAIServer, tmp_path: Path) -> None:
    openai_server.writer = lambda prompt: "one two three four five"  # 10 + 5 tokens
    settings = settings_for(
        openai_server,
        tmp_path,
        max_usd=0.03,
        usd_per_million_prompt_tokens=1_000.0,
        usd_per_million_answer_tokens=2_000.0,
    )
    with open_endpoint(settings, task="money") as endpoint:
        ask(endpoint, "1")
        assert endpoint.counts()["usd"] == pytest.approx(10 * 1e-3 + 5 * 2e-3)
        ask(endpoint, "2")
        with pytest.raises(BudgetExhausted, match=r"\$0\.04 in this task"):
            ask(endpoint, "3")


def test_the_end_of_a_budget_crosses_the_border_of_a_process() -> None:
    told = pickle.loads(pickle.dumps(BudgetExhausted("spent", 3.0, 2.0)))
    assert (str(told), told.spent, told.limit) == ("spent", 3.0, 2.0)


def test_closing_breaks_off_the_waits_and_keeps_what_was_on_its_way(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.delay_s = 0.3
    settings = settings_for(openai_server, tmp_path, first_wait_s=30.0)
    endpoint = open_endpoint(settings)
    with ThreadPoolExecutor(2) as pool:
        openai_server.script = ["500"]
        waits = pool.submit(ask, endpoint, "waits")
        while endpoint.counts()["retries"] == 0:
            time.sleep(0.005)
        answered = pool.submit(ask, endpoint, "answered")
        while openai_server.at_once == 0:
            time.sleep(0.005)
        started = time.monotonic()
        endpoint.close()
        assert time.monotonic() - started < 5.0
        assert answered.result().text is not None
        with pytest.raises(EndpointError, match="closed"):
            waits.result()
    with pytest.raises(EndpointError, match="closed"):
        ask(endpoint)
    with open_endpoint(settings) as endpoint:
        assert ask(endpoint, "answered").cached


def test_an_endpoint_that_drips_its_answer_is_cut_off_in_time(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(100):
                    time.sleep(0.05)
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        settings = TeacherSettings(
            kind="endpoint",
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
            model="tiny",
            timeout_s=0.3,
            max_tries=1,
            cache_dir=str(tmp_path),
        )
        with (
            open_endpoint(settings) as endpoint,
            pytest.raises(EndpointError, match=r"timed out after 0\.3 s"),
        ):
            ask(endpoint)
        thread.join()
