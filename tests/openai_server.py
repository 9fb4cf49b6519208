"""A real HTTP server that speaks the OpenAI chat protocol, with faults on demand.

In a test, the fixture `openai_server` starts one in this process. On its own:

    python tests/openai_server.py --port 0 --delay 0.05 --faults

prints `port 12345`, then serves until it is killed; `GET /stats` tells what it delivered.

What it writes depends on the prompt alone (`write`): it cleans passages of the word NOISE, adds a
sentence, asks a question. So a job gives the same result however often it was interrupted.
"""

import argparse
import hashlib
import json
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Writer = Callable[[str], str]

FAULTS = (
    "slow",
    "429",
    "500",
    "503",
    "hang_up",
    "reset",
    "not_json",
    "no_choices",
    "truncated",
    "not_http",
)
"""Faults that pass; `slow` answers only when the client has gone."""
MAX_SLOW_S = 30.0


def passage_of(prompt: str) -> str:
    """Return the passage that a prompt is about, "" if there is none."""
    return prompt.rpartition("<passage>\n")[2].rpartition("\n</passage>")[0]


def write(prompt: str) -> str:
    """Return what this model writes: it depends on the prompt alone."""
    passage = passage_of(prompt)
    for tag in ("cleaned", "rewritten"):
        if f"</{tag}>" in prompt:
            cleaned = re.sub(r"[ ]?NOISE", "", passage)
            return f"Here you are.\n<{tag}>\n{cleaned}\n</{tag}>"
    if "</added>" in prompt:
        return _completed_from_source(prompt, passage)
    if "</completed>" in prompt:
        return f"<completed>\n{passage}\n</completed>"
    if "</pairs>" in prompt:
        return _pairs(passage)
    if "</turn>" in prompt:
        digest = hashlib.sha256(prompt.encode()).hexdigest()[:8]
        return f"<turn>{' '.join(passage.split()[:12])} ({digest})</turn>"
    if '"solution"' in prompt:
        return _environment(passage)
    if '"label"' in prompt:
        return _verdict(prompt, passage)
    return passage or f"You said: {prompt[:100]}"


def _completed_from_source(prompt: str, passage: str) -> str:
    source = prompt.partition('<source number="1">\n')[2].partition("\n</source>")[0]
    sentence = re.split(r"(?<=[.!?])\s", source)[0]
    return f'<completed>\n{passage}\n<added source="1">{sentence}</added>\n</completed>'


def _pairs(passage: str) -> str:
    sentences = re.findall(r"[^.!?\n]{20,}[.!?]", passage)
    pairs = [
        f"<question>What holds of {' '.join(sentence.split()[:3])}?</question>\n"
        f"<answer>{sentence.strip()}</answer>"
        for sentence in sentences
    ]
    return "<pairs>\n" + ("\n".join(pairs) or "NONE") + "\n</pairs>"


def _environment(passage: str) -> str:
    number = len(passage)
    exercise = {
        "task": f"Write `size(extra)`, which returns {number} plus `extra`.",
        "solution": f"def size(extra):\n    return {number} + extra",
        "tests": [f"assert size(0) == {number}", f"assert size(2) == {number + 2}"],
    }
    return f"```json\n{json.dumps(exercise)}\n```"


def _verdict(prompt: str, passage: str) -> str:
    label: object = len(set(passage.split())) % 6
    if "computer_science" in prompt:
        label = "general"
    elif "from 0 to 5" not in prompt:
        label = "article"
    return json.dumps({"reason": "It says so.", "label": label})


def completion(text: str | None, finish_reason: str = "stop", **usage: int) -> bytes:
    """Return the body of a chat completion; without usage, tokens are words."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    tokens = usage or {"prompt_tokens": 10, "completion_tokens": len((text or "").split())}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": tokens}).encode()


class OpenAIServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        script: What to do with the next requests, in order: the name of a fault, or a reply as
            status, headers and body. Later ones are answered as `writer` writes.
        faulty: Every question meets some faults first, which depend on it alone; then it is
            answered.
        delay_s: How long each answer takes.
        requests: All requests: `path`, `key` and `body`.
        delivered: How often each prompt was answered completely, as far as the server can tell.
        most_at_once: The most requests that were worked on at the same time.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0, writer: Writer = write) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.writer = writer
        self.script: list[str | tuple[int, dict[str, str], bytes]] = []
        self.faulty = False
        self.delay_s = 0.0
        self.requests: list[dict[str, Any]] = []
        self.delivered: Counter[str] = Counter()
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()
        self._seen: Counter[str] = Counter()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def prompts(self) -> list[str]:
        """The last message of every request."""
        return [request["body"]["messages"][-1]["content"] for request in self.requests]

    def next_step(self, prompt: str) -> str | tuple[int, dict[str, str], bytes]:
        """Return what to do with a request, "" to answer it."""
        with self.lock:
            if self.script:
                return self.script.pop(0)
            if not self.faulty:
                return ""
            number = self._seen[prompt]
            self._seen[prompt] += 1
        faults = faults_of(prompt)
        return faults[number] if number < len(faults) else ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client gave up: some tests want just that."""


def faults_of(prompt: str) -> list[str]:
    """Return the faults that a question meets before it is answered: none, one or two."""
    digest = hashlib.sha256(prompt.encode()).digest()
    return [FAULTS[byte % len(FAULTS)] for byte in digest[1 : 1 + digest[0] % 3]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OpenAIServer

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            key = self.headers.get("Authorization")
            server.requests.append({"path": self.path, "key": key, "body": body})
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            prompt = body["messages"][-1]["content"]
            step = server.next_step(prompt)
            if isinstance(step, tuple):
                self._reply(*step)
            elif step:
                self._fail(step)
            else:
                time.sleep(server.delay_s)
                self._reply(200, {}, completion(server.writer(prompt)))
                with server.lock:
                    server.delivered[prompt] += 1
        finally:
            with server.lock:
                server.at_once -= 1

    def do_GET(self) -> None:
        with self.server.lock:
            stats = {"requests": len(self.server.requests), "delivered": self.server.delivered}
            text = json.dumps(stats)
        self._reply(200, {}, text.encode())

    def _reply(self, status: int, headers: dict[str, str], body: bytes, missing: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _fail(self, fault: str) -> None:
        if fault in ("slow", "hang_up", "reset", "not_http", "truncated"):
            self.close_connection = True
        if fault == "slow":
            select.select([self.connection], [], [], MAX_SLOW_S)
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif fault == "not_http":
            self.wfile.write(b"\x16\x03garbage\r\n\r\n")
        elif fault == "truncated":
            self._reply(200, {}, completion("<cleaned>cut</cleaned>"), missing=100)
        elif fault == "429":
            self._reply(429, {"Retry-After": "0.02"}, b'{"error": {"message": "slow down"}}')
        elif fault in ("500", "503"):
            self._reply(int(fault), {}, b"oops")
        elif fault in ("not_json", "no_choices"):
            self._reply(200, {}, b"<html>" if fault == "not_json" else b'{"choices": []}')

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving(writer: Writer = write) -> Iterator[OpenAIServer]:
    """Serve in this process for as long as the context lasts."""
    server = OpenAIServer(writer=writer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that an answer takes")
    parser.add_argument("--faults", action="store_true", help="faults before most answers")
    options = parser.parse_args()
    server = OpenAIServer(options.port)
    server.delay_s, server.faulty = options.delay, options.faults
    print(f"port {server.server_port}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
