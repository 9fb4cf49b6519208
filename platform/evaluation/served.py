"""The checkpoint behind an OpenAI-compatible server such as vLLM's, for big models.

Prompts go as token ids, so that nothing is tokenized twice. Likelihoods are read off the echo of a
prompt, which vLLM, SGLang and others give; servers without it can only answer.
"""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tokenizers import Tokenizer

from davinci.platform.evaluation.engine.generation import Request
from davinci.platform.evaluation.engine.likelihood import Likelihood, Question
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import Done, Floats

CONCURRENT = 64
"""Requests at a time; the server batches them."""
REQUEST_TIMEOUT_S = 3600
MAX_SEED = 2**31

T = TypeVar("T")


class ServerError(RuntimeError):
    """The server refused a request, or answered something else."""


class _Echo(NamedTuple):
    """Of every token but the first: its log-probability, and that of the likeliest one there."""

    logprobs: Floats
    best: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSubject:
    """A checkpoint behind `url` (up to `/v1`), under the name `model` there.

    `served_length` are the tokens of the server's context.
    """

    url: str
    model: str
    served_length: int
    tokenizer: Tokenizer
    end_id: int
    runtime: EvaluationRuntime

    @property
    def context_length(self) -> int:
        """Most tokens that can be read at once.

        A server takes what is predicted as read, too, and wants room for one token behind it.
        """
        return self.served_length - 2

    def nlls_nats(self, sequences: Sequence[Sequence[int]]) -> list[Floats]:
        """Return each sequence's token losses; see `token_nlls_nats`."""
        with ThreadPoolExecutor(CONCURRENT) as threads:
            return [-echo.logprobs for echo in threads.map(self._echo, sequences)]

    def likelihoods(
        self, questions: Sequence[Question], progress: Done = lambda done: None
    ) -> list[list[Likelihood]]:
        """Return the likelihood of every continuation; see `score_continuations`.

        A continuation is greedy where each token is as likely as the likeliest one.
        """
        asked = [(q.context, c) for q in questions for c in q.continuations]
        with ThreadPoolExecutor(CONCURRENT) as threads:
            echoes = threads.map(lambda pair: self._echo([*pair[0], *pair[1]]), asked)
            found = iter(_likelihood(e, len(a)) for e, (_, a) in zip(echoes, asked, strict=True))
            return [
                [next(found) for _ in question.continuations]
                for question in _counted(questions, progress)
            ]

    def answers(self, requests: Sequence[Request], progress: Done = lambda done: None) -> list[str]:
        """Return the answer to every request; see `generate`.

        White space that an answer must begin with is given to the model instead, as no server
        can be made to write it.
        """
        with ThreadPoolExecutor(CONCURRENT) as threads:
            return list(_counted(threads.map(self._answer, requests), progress))

    def _answer(self, request: Request) -> str:
        if request.max_new_tokens <= 0:
            return ""
        space = self.tokenizer.encode(request.space, add_special_tokens=False).ids
        sampled = {"top_p": request.top_p, "seed": request.seed % MAX_SEED}
        choice = self._complete(
            {
                "prompt": [*request.ids, *space],
                "max_tokens": request.max_new_tokens,
                "temperature": request.temperature,
                **({"stop": list(request.stop)} if request.stop else {}),
                **(sampled if request.temperature else {}),
            }
        )
        text = str(choice.get("text") or "")
        cuts = [at for stop in request.stop if stop and (at := text.find(stop)) >= 0]
        return text[: min(cuts, default=len(text))]

    def _echo(self, ids: Sequence[int]) -> _Echo:
        choice = self._complete(
            {"prompt": list(ids), "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        )
        found = choice.get("logprobs") or {}
        own, top = found.get("token_logprobs") or [], found.get("top_logprobs") or []
        if len(own) < len(ids) or len(top) < len(ids):
            raise ServerError(
                f"The server echoes {len(own)} log-probabilities of {len(ids)} tokens: it cannot "
                "score given text, so use a server that can, or the protocol generative alone."
            )
        logprobs = np.array([_number(value) for value in own[1 : len(ids)]])
        if not np.isfinite(logprobs).all():
            raise ValueError(
                f"Likelihoods must be finite numbers, but {(~np.isfinite(logprobs)).sum()} of "
                f"{len(logprobs)} are not: the checkpoint is broken."
            )
        best = [max(map(_number, (row or {}).values()), default=-math.inf) for row in top]
        return _Echo(logprobs, np.maximum(np.array(best[1 : len(ids)]), logprobs))

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/completions",
            json.dumps({"model": self.model, **body}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:
                choice: dict[str, Any] = json.load(response)["choices"][0]
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            raise ServerError(f"The server refuses a request ({error.code}): {said}") from error
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ServerError(f"The server gives no completion: {error!r}") from error
        return choice


def _likelihood(echo: _Echo, length: int) -> Likelihood:
    logprobs, best = echo.logprobs[-length:], echo.best[-length:]
    return Likelihood(float(logprobs.sum()), bool((logprobs >= best).all()))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _counted(values: Iterable[T], progress: Done) -> Iterable[T]:
    for done, value in enumerate(values, start=1):
        yield value
        progress(done)
