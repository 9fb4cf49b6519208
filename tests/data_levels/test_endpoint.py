"""The endpoint teacher against a real HTTP server on loopback, faults included."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from davinci.data_levels.document import Document
from davinci.data_levels.endpoint import (
    EndpointError,
    EndpointTeacher,
    between_tags,
    chunks,
    read_prompt,
)
from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher import PROMPTS

Reply = tuple[int, dict[str, str], bytes]


class Endpoint(ThreadingHTTPServer):
    """Answers with `script` first (in order), then by cleaning: it deletes `NOISE`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Reply | str] = []
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client gave up: some tests want just that."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        endpoint = self.server
        assert isinstance(endpoint, Endpoint)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with endpoint.lock:
            seen = {"path": self.path, "body": body, "key": self.headers.get("Authorization")}
            endpoint.requests.append(seen)
            reply = endpoint.script.pop(0) if endpoint.script else clean(body)
        if reply == "hang up":
            self.close_connection = True
            return
        assert not isinstance(reply, str)
        status, headers, content = reply
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        return


def answer(content: str | None, finish_reason: str = "stop") -> Reply:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}
    return 200, {}, json.dumps({"choices": [choice]}).encode()


def clean(body: dict[str, Any]) -> Reply:
    prompt = body["messages"][0]["content"]
    passage = prompt.rpartition("<passage>\n")[2].partition("\n</passage>")[0]
    tag = "cleaned" if "<cleaned>" in prompt else "completed"
    return answer(f"<{tag}>\n{passage.replace('NOISE', '').strip()}\n</{tag}>")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def teacher(endpoint: Endpoint, **options: Any) -> EndpointTeacher:
    settings = TeacherSettings(
        kind="endpoint",
        base_url=f"http://127.0.0.1:{endpoint.server_port}/v1",
        model="tiny",
        api_key_env="DAVINCI_TEST_KEY",
    )
    return EndpointTeacher(settings, **{"first_wait_s": 0.01, "timeout_s": 5.0, **options})


def document(text: str) -> Document:
    return Document(id="a", domain="general", text=text)


def test_a_document_is_refined_and_completed(endpoint: Endpoint) -> None:
    writer = teacher(endpoint)
    assert writer.label == f"tiny at 127.0.0.1:{endpoint.server_port}"
    assert writer.refine(document("NOISE The text.")) == "The text."
    assert writer.complete(document("The text.")) == "The text."
    body = endpoint.requests[0]["body"]
    assert endpoint.requests[0]["path"] == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0.0, 4096)
    assert endpoint.requests[0]["key"] is None


def test_the_key_comes_from_the_environment(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAVINCI_TEST_KEY", "open sesame")
    teacher(endpoint).refine(document("The text."))
    assert endpoint.requests[0]["key"] == "Bearer open sesame"


def test_passing_faults_are_retried_and_the_result_is_the_faultless_one(endpoint: Endpoint) -> None:
    endpoint.script = [
        (429, {"Retry-After": "0.01"}, b"slow down"),
        (500, {}, b"oops"),
        "hang up",
        (200, {}, b"not json"),
        (200, {}, b'{"choices": []}'),
    ]
    writer = teacher(endpoint)
    assert writer.refine(document("NOISE The text.")) == "The text."
    assert len(endpoint.requests) == 6
    assert "1 chunks, 0 malformed" in writer.notes()[0]
    assert writer.notes()[0].endswith("5 retries.")


def test_a_lasting_fault_ends_in_one_clear_error(endpoint: Endpoint) -> None:
    endpoint.script = [(503, {}, b"overloaded")] * 3
    with pytest.raises(EndpointError, match=r"no answer in 3 tries.*HTTP 503: overloaded"):
        teacher(endpoint, max_tries=3).refine(document("The text."))


def test_a_refused_request_is_not_repeated(endpoint: Endpoint) -> None:
    endpoint.script = [(401, {}, b"bad key")]
    with pytest.raises(EndpointError, match=r"HTTP 401: bad key.*DAVINCI_TEST_KEY"):
        teacher(endpoint).refine(document("The text."))
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_down_is_named() -> None:
    settings = TeacherSettings(kind="endpoint", base_url="http://127.0.0.1:9/v1", model="tiny")
    writer = EndpointTeacher(settings, first_wait_s=0.01, max_tries=2)
    with pytest.raises(EndpointError, match=r"tiny at 127.0.0.1:9.*data.teacher.base_url"):
        writer.refine(document("The text."))


def test_a_slow_endpoint_times_out(endpoint: Endpoint) -> None:
    endpoint.lock.acquire()
    try:
        with pytest.raises(EndpointError, match="timed out"):
            teacher(endpoint, timeout_s=0.1, max_tries=1).refine(document("The text."))
    finally:
        endpoint.lock.release()


@pytest.mark.parametrize(
    "malformed",
    [
        answer("The text, without tags."),
        answer("<cleaned>cut off", "length"),
        answer("<cleaned>a</cleaned><cleaned>b</cleaned>"),
        answer("</cleaned>a<cleaned>"),
        answer(None),
    ],
)
def test_a_malformed_answer_keeps_the_original(endpoint: Endpoint, malformed: Reply) -> None:
    endpoint.script = [malformed]
    writer = teacher(endpoint)
    assert writer.refine(document("NOISE The text.")) == "NOISE The text."
    assert "1 malformed" in writer.notes()[0]


def test_empty_tags_leave_nothing(endpoint: Endpoint) -> None:
    endpoint.script = [answer("<cleaned></cleaned>")]
    assert teacher(endpoint).refine(document("NOISE")) == ""


def test_long_documents_go_in_chunks_and_come_back_in_order(endpoint: Endpoint) -> None:
    text = "\n\n".join(f"Paragraph {n} says something. NOISE" for n in range(200))
    expected = "\n\n".join(f"Paragraph {n} says something." for n in range(200))
    result = teacher(endpoint).refine(document(text))
    assert [line.rstrip() for line in result.split("\n")] == expected.split("\n")
    assert len(endpoint.requests) == len(chunks(text, 1024)) > 5


@pytest.mark.parametrize("text", ["", "short", "a b " * 900, "x" * 3000, "a\n\n" * 700, " " * 2500])
def test_chunks_are_short_and_add_up_to_the_text(text: str) -> None:
    pieces = chunks(text, 1024)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= 1024 for piece in pieces)


def test_what_the_model_thought_aloud_is_not_part_of_the_answer() -> None:
    said = "<think>maybe <cleaned>this</cleaned>?</think>\n<cleaned>\n    indented\n</cleaned>"
    assert between_tags(said, "cleaned") == "    indented"


@pytest.mark.parametrize(
    ("name", "sha"),
    [
        ("refine_v1", "35f70fcd69c7812dc5219071fe66b426ce91c9ee81c3ad880bc19bdc8c1f5d74"),
        ("complete_v1", "f81a95d673b2c2f339aea6407f2732d6f891666610c3ac2d80d794fc09e27371"),
    ],
)
def test_a_changed_prompt_needs_a_new_name(name: str, sha: str) -> None:
    assert name in PROMPTS.values()
    assert hashlib.sha256(read_prompt(name).encode()).hexdigest() == sha
