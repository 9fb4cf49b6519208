"""An OpenAI-compatible chat endpoint (vLLM, SGLang, llama.cpp, hosted ones), asked with care.

Answers are cached by prompt, model and parameters; the same question is asked once, however many
threads and processes want its answer; faults that may pass are tried again; a budget ends it all.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.answers import Answer
from davinci.data_levels.teacher.budget import THIS_PROCESS, Budget
from davinci.data_levels.teacher.cache import AnswerCache, Message, answer_key
from davinci.data_levels.teacher.check import check_teacher
from davinci.data_levels.teacher.connections import Connections
from davinci.data_levels.teacher.faults import BudgetExhausted, EndpointError, Fault
from davinci.data_levels.teacher.protocol import PATH, answer_of, body_of, headers_of, label_of

__all__ = ["Answer", "BudgetExhausted", "Endpoint", "EndpointError", "Message", "open_endpoint"]

MAX_WAIT_S = 60.0
"""The longest wait before another try, whatever the endpoint asks for."""
DEFAULT_CACHE_DIR = Path("outputs") / "teacher_cache"


class Endpoint:
    """One endpoint, with its cache and budget; safe to use from several threads.

    A context manager: at the end it lets no further call begin, breaks off the waits between
    tries, and stays until the calls on their way are answered and kept.

    Attributes:
        label: `MODEL at HOST`.
        concurrency: Calls that may be on their way at once; further ones wait.
    """

    def __init__(self, settings: TeacherSettings, task: str = "") -> None:
        """Set up without talking to the endpoint; see `open_endpoint`."""
        self.label = label_of(settings)
        self.concurrency = settings.concurrency
        self._settings = settings
        self._task = task or THIS_PROCESS
        self._headers = headers_of(settings)
        self._budget = Budget(settings=settings, label=self.label)
        self._connections = Connections(settings.base_url, settings.timeout_s)
        self._cache: AnswerCache | None = None
        self._slots = threading.BoundedSemaphore(settings.concurrency)
        self._state = threading.Condition()
        self._closing = threading.Event()
        self._num_asking = 0
        self._asked: dict[bytes, Future[Answer]] = {}
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> Answer:
        """Return the model's answer, from the cache if it was ever given there.

        Args:
            messages: What was said so far.
            max_tokens: Where the answer is cut off; None: as the settings say.

        Raises:
            EndpointError: If a fault is permanent, or did not pass in all tries.
            BudgetExhausted: If the answer is not known yet, and nothing more may be paid.
            OSError: If the answer cannot be kept.
        """
        limit = self._settings.max_tokens if max_tokens is None else max_tokens
        key = answer_key(
            messages,
            model=self._settings.model,
            temperature=self._settings.temperature,
            max_tokens=limit,
        )
        with self._asking() as cache:
            future, is_first = self._claim(key)
            if not is_first:
                return self._counted(future.result()._replace(cached=True))
            try:
                answer = cache.get(key) or self._pay(cache, key, messages, limit)
            except BaseException as error:
                future.set_exception(error)
                raise
            else:
                future.set_result(answer)
            finally:
                with self._state:
                    del self._asked[key]
            return self._counted(answer)

    def counts(self) -> dict[str, float]:
        """Return sums of what this endpoint did so far.

        They are `calls` (answers paid), `cached_answers`, `retries`, `prompt_tokens` and
        `answer_tokens` (paid), and `usd`.
        """
        with self._state:
            counts: dict[str, float] = {name: self._counts[name] for name in _COUNTED}
        return {**counts, "usd": self._budget.usd(counts["prompt_tokens"], counts["answer_tokens"])}

    def close(self) -> None:
        """Wait for the calls on their way, then close; what follows is refused."""
        self._closing.set()
        with self._state:
            self._state.wait_for(lambda: self._num_asking == 0)
            if self._cache is not None:
                self._cache.close()
                self._cache = None
        self._connections.close()

    @contextmanager
    def _asking(self) -> Iterator[AnswerCache]:
        with self._state:
            self._check_open()
            if self._cache is None:
                self._cache = AnswerCache(Path(self._settings.cache_dir or DEFAULT_CACHE_DIR))
            self._num_asking += 1
            cache = self._cache
        try:
            yield cache
        finally:
            with self._state:
                self._num_asking -= 1
                self._state.notify_all()

    def _claim(self, key: bytes) -> "tuple[Future[Answer], bool]":
        """Return the answer to come, and whether it is the caller's to get it."""
        with self._state:
            is_first = key not in self._asked
            return self._asked.setdefault(key, Future()), is_first

    def _pay(
        self, cache: AnswerCache, key: bytes, messages: Sequence[Message], max_tokens: int
    ) -> Answer:
        with cache.alone(key, self._closing):
            if (answer := cache.get(key)) is not None:
                return answer
            with self._slots:
                self._check_open()
                if self._budget.is_limited:
                    self._budget.check(cache.paid(self._task))
                answer = self._try(messages, body_of(messages, self._settings, max_tokens))
                cache.put(key, answer, self._task)
        return answer

    def _try(self, messages: Sequence[Message], body: bytes) -> Answer:
        max_tries = self._settings.max_tries
        for num_failed in range(max_tries):
            try:
                reply = self._connections.post(PATH, body, self._headers)
                return answer_of(reply, messages, self._settings)
            except Fault as fault:
                last = fault
            if num_failed + 1 < max_tries:
                self._wait(num_failed, last)
        raise EndpointError(
            f"The teacher {self.label} gave no answer in {max_tries} tries; the last fault: "
            f"{last}. Check `data.teacher.base_url`, then start again: everything that was "
            "answered is kept."
        ) from last

    def _wait(self, num_failed: int, fault: Fault) -> None:
        """Wait before another try, each time twice as long, and as long as the endpoint asks."""
        with self._state:
            self._counts["retries"] += 1
        wait_s = self._settings.first_wait_s * 2**num_failed
        # Clients that failed together must not come back together.
        wait_s = max(wait_s * random.uniform(0.75, 1.25), fault.wait_s or 0.0)
        if self._closing.wait(min(wait_s, MAX_WAIT_S)):
            self._check_open()

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise EndpointError(f"The teacher {self.label} is no longer asked: it was closed.")

    def _counted(self, answer: Answer) -> Answer:
        with self._state:
            if answer.cached:
                self._counts["cached_answers"] += 1
            else:
                self._counts["calls"] += 1
                self._counts["prompt_tokens"] += answer.prompt_tokens
                self._counts["answer_tokens"] += answer.answer_tokens
        return answer


_COUNTED = ("calls", "cached_answers", "retries", "prompt_tokens", "answer_tokens")


def open_endpoint(settings: TeacherSettings, task: str = "") -> Endpoint:
    """Return the endpoint that the settings name; nothing is asked or written yet.

    Args:
        settings: Who to ask, and how.
        task: Whose budget it is, see `budget.new_task`; "": this process's.

    Raises:
        ValueError: If the settings are wrong.
        EndpointError: If the key cannot be used.
    """
    check_teacher(settings)
    return Endpoint(settings, task)
