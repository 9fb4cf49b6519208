"""A checkpoint under the harness's model interface: what its tasks ask, the subject answers.

Where the harness's own backend cuts a context that is too long, this one does not answer: `unfit`
has the items, and they score 0. An answer with less room than asked for is cut there, as by any
model; `cramped` has those items.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from davinci.platform.evaluation.engine.generation import Request
from davinci.platform.evaluation.engine.likelihood import Question
from davinci.platform.evaluation.subject import Subject

Item = tuple[str, int]
"""A task's name, and the place of an item in it."""
MAX_NEW_TOKENS = 256
"""Where a task does not say; the harness's own backend has the same."""
KNOWN_WORDS = {
    "until", "max_gen_toks", "do_sample", "temperature", "top_p", "max_new_tokens", "num_beams",
}  # fmt: skip


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A checkpoint as the harness sees it.

    Attributes:
        unfit: Items whose context and answer do not fit the model's context together.
        cramped: Items whose answer has less room than their task gives it.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        begin_with_end_of_text: bool = True,
        seed: int = 0,
        progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    ) -> None:
        """Serve `subject`.

        Args:
            subject: The checkpoint.
            begin_with_end_of_text: Whether the end of text stands before every context, as it stood
                before every document in training. Models of others may not want it.
            seed: Of sampled answers.
            progress: Told how many requests of how many are done.
        """
        super().__init__()
        self.unfit: set[Item] = set()
        self.cramped: set[Item] = set()
        self._subject = subject
        self._begin = (subject.end_id,) if begin_with_end_of_text else ()
        self._seed = seed
        self._progress = progress

    @property
    def eot_token_id(self) -> int:
        """The end of text."""
        return self._subject.end_id

    @property
    def max_length(self) -> int:
        """Most tokens that the model reads at once."""
        return self._subject.context_length

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Return the token ids of a text; see `begin_with_end_of_text`."""
        ids = self._subject.tokenizer.encode(string, add_special_tokens=False).ids
        return ids if add_special_tokens is False else [*self._begin, *ids]

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Return log-probability and greediness of every continuation; see `LM.loglikelihood`.

        Requests with one context are one question. An item that is unfit gets zeros.

        Raises:
            ValueError: If a continuation has no token, or a likelihood is no finite number.
        """
        places: dict[tuple[int, ...], dict[tuple[int, ...], list[int]]] = {}
        for place, request in enumerate(requests):
            context, continuation = self._encoded(*request.args[:2])
            if not continuation:
                raise ValueError(
                    f"A continuation holds at least one token, but task {request.task_name!r}, "
                    f"item {request.doc_id}, asks for {request.args[1]!r}."
                )
            if len(context) + len(continuation) > self.max_length + 1:
                self.unfit.add(_item(request))
                continue
            places.setdefault(context, {}).setdefault(continuation, []).append(place)
        questions = [Question(context, tuple(asked)) for context, asked in places.items()]
        found = self._subject.likelihoods(
            questions, lambda done: self._progress(done, len(questions), "questions")
        )
        answers: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        for asked, likelihoods in zip(places.values(), found, strict=True):
            for same, likelihood in zip(asked.values(), likelihoods, strict=True):
                for place in same:
                    answers[place] = (likelihood.logprob_nats, likelihood.greedy)
        return answers

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Return the log-probability of whole texts, read in windows; see the harness's LM."""
        windows: list[list[int]] = []
        scored: list[int] = []
        owners: list[int] = []
        for owner, request in enumerate(requests):
            ids = self.tok_encode(request.args[0], add_special_tokens=False)
            for pair in get_rolling_token_windows(
                ids, self.prefix_token_id, self.max_length, context_len=1
            ):
                context, continuation = make_disjoint_window(pair)
                windows.append([*context, *continuation])
                scored.append(len(continuation))
                owners.append(owner)
        nlls = self._subject.nlls_nats(windows)
        totals = [0.0] * len(requests)
        for owner, values, number in zip(owners, nlls, scored, strict=True):
            totals[owner] -= float(values[len(values) - number :].sum())
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return the answer to every request, cut at the first of its stop strings.

        Greedy, unless the task asks for a temperature: then repeated requests get other draws.

        Raises:
            ValueError: If a task asks for a way to generate that the engine does not have.
        """
        repeats: Counter[tuple[Item, int]] = Counter()
        asked: dict[int, Request] = {}
        for place, request in enumerate(requests):
            key = (_item(request), request.idx)
            repeats[key] += 1
            text, wanted = request.args[0], _checked(request)
            most = int(wanted.get("max_gen_toks", wanted.get("max_new_tokens", MAX_NEW_TOKENS)))
            ids = tuple(self.tok_encode(text)) or (self.prefix_token_id,)
            room = self.max_length - len(ids)
            if room <= 0:
                self.unfit.add(_item(request))
                continue
            if room < most:
                self.cramped.add(_item(request))
            sampled = bool(wanted.get("do_sample", float(wanted.get("temperature", 0)) > 0))
            asked[place] = Request(
                ids=ids,
                stop=_stops(wanted.get("until")),
                max_new_tokens=min(most, room),
                end_ids=frozenset({self._subject.end_id}),
                temperature=float(wanted.get("temperature", 1.0)) if sampled else 0.0,
                top_p=float(wanted.get("top_p", 1.0)),
                seed=_seed(self._seed, key, repeats[key]),
            )
        texts = self._subject.answers(
            list(asked.values()), lambda done: self._progress(done, len(asked), "answers")
        )
        text_of = dict(zip(asked, texts, strict=True))
        return [text_of.get(place, "") for place in range(len(requests))]

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        raise NotImplementedError("`loglikelihood` answers by itself.")

    def _encoded(self, context: str, continuation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ids of both, cut where the harness cuts them."""
        if context:
            before, after = self._encode_pair(context, continuation)
            return tuple(before), tuple(after)
        ids = self.tok_encode(continuation, add_special_tokens=False)
        if ids and ids[0] == self.prefix_token_id:
            return tuple(ids[:1]), tuple(ids[1:])
        return (self.prefix_token_id,), tuple(ids)


def _item(request: Instance) -> Item:
    return str(request.task_name), int(request.doc_id or 0)


def _checked(request: Instance) -> Mapping[str, Any]:
    wanted: Mapping[str, Any] = request.args[1]
    unknown = sorted(set(wanted) - KNOWN_WORDS)
    if unknown or int(wanted.get("num_beams", 1)) != 1:
        raise ValueError(
            f"Task {request.task_name!r} generates with {unknown or ['num_beams']}, which the "
            f"engine does not have; it knows {', '.join(sorted(KNOWN_WORDS))}, one beam."
        )
    return wanted


def _stops(until: str | Sequence[str] | None) -> tuple[str, ...]:
    if until is None:
        return ()
    return (until,) if isinstance(until, str) else tuple(until)


def _seed(seed: int, key: tuple[Item, int], repeat: int) -> int:
    text = repr((seed, key, repeat)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
