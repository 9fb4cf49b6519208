"""The OpenAI chat protocol: a request's headers and body, and what a reply means."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.answers import Answer
from davinci.data_levels.teacher.budget import estimated_tokens
from davinci.data_levels.teacher.cache import Message
from davinci.data_levels.teacher.connections import Reply
from davinci.data_levels.teacher.faults import EndpointError, Fault

PATH = "/chat/completions"
MAX_TOLD_CHARS = 200
"""How much of a reply an error repeats."""
MAX_TOLD_TOKENS = 2**40
"""An endpoint that tells of more cannot count."""

_RETRIED_STATUSES = frozenset({408, 409, 425, 429})
_UNFINISHED = frozenset({"length", "content_filter"})
_FILTERED = (b"content_filter", b"content_policy_violation")
_FIELDS_TO_CHECK = {
    400: "`data.teacher.model` and `data.teacher.max_tokens`, and the chunk size of the level",
    401: "the key in ${key}",
    403: "the key in ${key}, and that it may use `data.teacher.model`",
    404: "`data.teacher.base_url`, which mostly ends in /v1, and `data.teacher.model`",
    413: "`data.teacher.max_tokens` and the chunk size of the level",
    422: "`data.teacher.model` and `data.teacher.max_tokens`",
}


def label_of(settings: TeacherSettings) -> str:
    """Return `MODEL at HOST`, without a user's name or password."""
    return f"{settings.model} at {urlsplit(settings.base_url).netloc.rpartition('@')[2]}"


def headers_of(settings: TeacherSettings) -> dict[str, str]:
    """Return the headers of every request; the key comes from the environment.

    Raises:
        EndpointError: If the key holds what no header can carry; it is not repeated.
    """
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if key := key_of(settings):
        if not (key.isascii() and key.isprintable()):
            raise EndpointError(
                f"The key in ${settings.api_key_env} (`data.teacher.api_key_env`) must be plain "
                "printable ASCII, but it is not."
            )
        headers["Authorization"] = f"Bearer {key}"
    return headers


def key_of(settings: TeacherSettings) -> str:
    """Return the endpoint's key, "" if there is none."""
    return os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""


def body_of(messages: Sequence[Message], settings: TeacherSettings, max_tokens: int) -> bytes:
    """Return the JSON of a request."""
    body = {
        "model": settings.model,
        "messages": [{"role": m["role"], "content": _proper(m["content"])} for m in messages],
        "temperature": settings.temperature,
        "max_tokens": max_tokens,
    }
    return json.dumps(body).encode("ascii")


def answer_of(reply: Reply, messages: Sequence[Message], settings: TeacherSettings) -> Answer:
    """Return the answer that a reply holds.

    Raises:
        Fault: If trying again may help: the status says so, or the body is no chat completion.
        EndpointError: If it would not help; the message names the field to check.
    """
    if reply.status == 200:
        return _parsed(reply.body, messages)
    told = _told(reply.body, settings)
    if reply.status in _RETRIED_STATUSES or reply.status >= 500:
        raise Fault(f"HTTP {reply.status}: {told}", _seconds(reply.retry_after))
    if reply.status == 400 and any(word in reply.body for word in _FILTERED):
        return Answer("", False, _prompt_tokens(messages), 0, cached=False)
    check = _FIELDS_TO_CHECK.get(reply.status, "`data.teacher.base_url`")
    check = check.replace("{key}", settings.api_key_env)
    raise EndpointError(
        f"The teacher {label_of(settings)} refused the request with HTTP {reply.status}: {told}. "
        f"Check {check}."
    )


def _parsed(body: bytes, messages: Sequence[Message]) -> Answer:
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        text, reason = _text(choice["message"]), choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Fault(f"no chat completion: {body[:MAX_TOLD_CHARS]!r}") from error
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text,
        reason not in _UNFINISHED,
        _count(usage.get("prompt_tokens"), _prompt_tokens(messages)),
        _count(usage.get("completion_tokens"), estimated_tokens(text)),
        cached=False,
    )


def _text(message: Mapping[str, Any]) -> str:
    """Return what was written; "" where the model declined and said so in another field."""
    content = message["content"]
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content)
    return _proper(content) if isinstance(content, str) else ""


def _proper(text: str) -> str:
    """Return a text without lone surrogates, which neither UTF-8 nor most servers know."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _prompt_tokens(messages: Sequence[Message]) -> int:
    return sum(estimated_tokens(message["content"]) for message in messages)


def _count(told: Any, estimated: int) -> int:
    return told if isinstance(told, int) and 0 <= told < MAX_TOLD_TOKENS else estimated


def _told(body: bytes, settings: TeacherSettings) -> str:
    """Return the beginning of a reply for people to read, without the key that it may repeat."""
    text = " ".join(body[:4096].decode("utf-8", "replace").split())
    if key := key_of(settings):
        text = text.replace(key, "<key>")
    return "".join(c for c in text if c.isprintable())[:MAX_TOLD_CHARS]


def _seconds(retry_after: str | None) -> float | None:
    """Return how long to wait: the header holds seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
