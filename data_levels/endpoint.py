"""A teacher behind an OpenAI-compatible chat endpoint (vLLM, SGLang, llama.cpp, hosted ones)."""

import http.client
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from importlib import resources
from urllib.parse import urlsplit

from davinci.data_levels.document import Document
from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher import PROMPTS

REFINE_CHUNK_CHARS = 1024
"""Source: Data Darwinism I, Section 4: chunks of 1,024 characters for cleaning."""
COMPLETE_CHUNK_CHARS = 4096
"""Source: Data Darwinism I, Section 4: windows of 1,024 tokens, at about 4 characters a token."""
MAX_RETRY_WAIT_S = 60.0
_RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL)


class EndpointError(Exception):
    """The endpoint did not answer, or answered with something that is no chat completion."""


class _RetriableError(Exception):
    """A fault that may pass; `wait_s` is what the endpoint asks for, if it does."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class EndpointTeacher:
    """A language model asked chunk by chunk; a malformed answer keeps the original chunk.

    Safe to use from several threads. `label` is `MODEL at HOST`.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        *,
        concurrency: int = 8,
        timeout_s: float = 120.0,
        max_tries: int = 6,
        first_wait_s: float = 1.0,
    ) -> None:
        """Set up without talking to the endpoint; its key comes from the environment."""
        self.label = f"{settings.model} at {urlsplit(settings.base_url).netloc.rpartition('@')[2]}"
        self.concurrency = concurrency
        self._settings = settings
        self._timeout_s = timeout_s
        self._max_tries = max_tries
        self._first_wait_s = first_wait_s
        self._key = os.environ.get(settings.api_key_env, "")
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def refine(self, document: Document) -> str:
        """Return the L4 text."""
        return self._write(document.text, PROMPTS["L4"], "cleaned", REFINE_CHUNK_CHARS)

    def complete(self, document: Document) -> str:
        """Return the L5 text."""
        return self._write(document.text, PROMPTS["L5"], "completed", COMPLETE_CHUNK_CHARS)

    def notes(self) -> list[str]:
        """Return how many chunks were asked for, and how many answers were malformed."""
        return [
            f"{self.label}: {self._counts['chunks']} chunks, {self._counts['malformed']} malformed "
            f"answers (the original chunk was kept), {self._counts['retries']} retries."
        ]

    def _write(self, text: str, prompt_name: str, tag: str, max_chars: int) -> str:
        template = read_prompt(prompt_name)
        written = [self._write_chunk(chunk, template, tag) for chunk in chunks(text, max_chars)]
        return "".join(written).strip("\n")

    def _write_chunk(self, chunk: str, template: str, tag: str) -> str:
        """Return the chunk as written anew, with the white space that followed it."""
        answer, finished = self._ask(template.replace("{{passage}}", chunk.rstrip()))
        written = between_tags(answer, tag) if finished else None
        with self._lock:
            self._counts["chunks"] += 1
            self._counts["malformed"] += written is None
        if written is None:
            return chunk
        return written + chunk[len(chunk.rstrip()) :] if written else ""

    def _ask(self, prompt: str) -> tuple[str, bool]:
        """Return the model's answer and whether it ended by itself.

        Raises:
            EndpointError: If the fault is permanent, or did not pass in `max_tries`.
        """
        for num_failed in range(self._max_tries):
            try:
                return self._ask_once(prompt)
            except _RetriableError as fault:
                last_fault = fault
            with self._lock:
                self._counts["retries"] += 1
            if num_failed + 1 < self._max_tries:
                wait_s = self._first_wait_s * 2**num_failed
                time.sleep(min(max(wait_s, last_fault.wait_s or 0.0), MAX_RETRY_WAIT_S))
        raise EndpointError(
            f"The teacher {self.label} gave no answer in {self._max_tries} tries; the last fault: "
            f"{last_fault}. Check `data.teacher.base_url`, then start again."
        ) from last_fault

    def _ask_once(self, prompt: str) -> tuple[str, bool]:
        try:
            with urllib.request.urlopen(self._request(prompt), timeout=self._timeout_s) as reply:
                body = reply.read()
        except urllib.error.HTTPError as error:
            raise self._judge(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise _RetriableError(f"{type(error).__name__}: {error}") from error
        return parse_answer(body)

    def _request(self, prompt: str) -> urllib.request.Request:
        body = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self._settings.temperature,
            "max_tokens": self._settings.max_tokens,
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        url = self._settings.base_url.rstrip("/") + "/chat/completions"
        return urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")

    def _judge(self, error: urllib.error.HTTPError) -> Exception:
        with error:
            text = error.read(300).decode("utf-8", "replace")
        if error.code in _RETRIED_STATUSES:
            return _RetriableError(
                f"HTTP {error.code}: {text}", _seconds(error.headers.get("Retry-After"))
            )
        return EndpointError(
            f"The teacher {self.label} refused the request with HTTP {error.code}: {text}. Check "
            f"`data.teacher.base_url`, `data.teacher.model` and ${self._settings.api_key_env}."
        )


def parse_answer(body: bytes) -> tuple[str, bool]:
    """Return the text of a chat completion and whether the model ended it by itself."""
    try:
        choice = json.loads(body)["choices"][0]
        content = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _RetriableError(f"no chat completion: {body[:200]!r}") from error
    is_text = isinstance(content, str)
    return (content if is_text else ""), is_text and choice.get("finish_reason") != "length"


def between_tags(answer: str, tag: str) -> str | None:
    """Return what stands between the tags; None unless they stand there once."""
    answer = _THINKING.sub("", answer)
    if answer.count(f"<{tag}>") != 1 or answer.count(f"</{tag}>") != 1:
        return None
    start, end = answer.index(f"<{tag}>") + len(tag) + 2, answer.index(f"</{tag}>")
    return answer[start:end].strip("\n").rstrip() if start <= end else None


def chunks(text: str, max_chars: int) -> list[str]:
    """Cut a text after paragraphs, else lines, else words, into pieces of at most `max_chars`.

    Joined, the pieces are the text again.
    """
    pieces: list[str] = []
    rest = text
    while len(rest) > max_chars:
        ends = (
            rest.rfind(sep, 0, max_chars) + len(sep)
            for sep in ("\n\n", "\n", " ")
            if sep in rest[1:max_chars]
        )
        cut = next(ends, max_chars)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [*pieces, rest] if rest else pieces


def read_prompt(name: str) -> str:
    """Return a prompt template of this package."""
    folder = resources.files("davinci.data_levels.levels") / "prompts"
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.replace(".", "", 1).isdigit() else None
