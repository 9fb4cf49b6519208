"""Answers in continuous batches: as one ends, the next prompt takes its slot.

Prompts that begin alike share what is computed for their beginning. Greedy unless a temperature is
given; then every answer draws from a generator of its own, so that it does not depend on what else
is in the batch.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2ForCausalLM

from davinci.platform.evaluation.engine.passes import Prefix, value_bytes_per_token
from davinci.platform.evaluation.engine.prefixes import Group, group_by_prefix
from davinci.platform.evaluation.engine.slots import Slots
from davinci.platform.evaluation.prompts import SpaceGuide

TAIL_MARGIN_TOKENS = 4
MAX_SLOTS = 64
"""More rows hardly speed up a step on a CPU, and make each one longer to wait for."""
REFILL_FRAC = 0.25
"""New prompts are read when so many slots are free: a pass over one prompt alone is dear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One answer asked for; it ends before the first of `stop`, or at the end of text.

    Attributes:
        ids: What the model reads, at least one token.
        space: White space of the prompt that the answer has to spell first; see `Prompt`.
        end_ids: Tokens that end the answer.
        temperature: 0 takes the likeliest token.
        top_p: Tokens are drawn from the likeliest ones that have so much probability together.
        seed: Of the draws.
    """

    ids: tuple[int, ...]
    stop: tuple[str, ...]
    max_new_tokens: int
    end_ids: frozenset[int]
    space: str = ""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(slots=True)
class _Answer:
    """One answer in the making. `space` is white space of the prompt still to be spelled."""

    request: Request
    space: str
    ids: list[int] = field(default_factory=list)
    text: str | None = None
    draws: np.random.Generator | None = None

    @property
    def length(self) -> int:
        """Tokens in the slot: the newest one is not in it yet."""
        return len(self.request.ids) + len(self.ids) - 1

    def finish(self, tokenizer: Tokenizer) -> bool:
        """Set the text if the answer is complete; return whether it is."""
        ended = bool(self.ids) and self.ids[-1] in self.request.end_ids
        written = tokenizer.decode(self.ids, skip_special_tokens=True)
        answer = written[len(self.request.space) :]
        cuts = [at for stop in self.request.stop if stop and (at := answer.find(stop)) >= 0]
        if cuts or ended or len(self.ids) >= self.request.max_new_tokens:
            self.text = answer[: min(cuts, default=len(answer))]
        return self.text is not None


def generate(
    model: Qwen2ForCausalLM,
    tokenizer: Tokenizer,
    requests: Sequence[Request],
    *,
    max_cache_bytes: int,
    max_tokens: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Return the answer to every request, in their order.

    Args:
        model: In evaluation mode.
        tokenizer: The model's own.
        requests: Prompt and new tokens together must fit the model's context.
        max_cache_bytes: Bound for the keys and values of the answers in the making.
        max_tokens: Most tokens of prompts that one pass reads.
        progress: Told how many answers are done, as they are.

    Raises:
        ValueError: If the model returns something that is no number.
    """
    answers = [
        _Answer(
            request,
            request.space,
            draws=np.random.default_rng(request.seed) if request.temperature else None,
        )
        for request in requests
    ]
    asked = [answer for answer in answers if answer.request.max_new_tokens > 0]
    if asked:
        with torch.inference_mode():
            _Desk(model, tokenizer, asked, max_cache_bytes, max_tokens).serve(progress)
    return [answer.text or "" for answer in answers]


class _Desk:
    """Who is being answered, and who waits."""

    def __init__(
        self,
        model: Qwen2ForCausalLM,
        tokenizer: Tokenizer,
        answers: Sequence[_Answer],
        max_cache_bytes: int,
        max_tokens: int,
    ) -> None:
        """Find out who shares what with whom, and make room."""
        self._model, self._tokenizer, self._max_tokens = model, tokenizer, max_tokens
        self._guide = SpaceGuide(tokenizer)
        self._vocabulary = tokenizer.get_vocab_size()
        capacity = max(len(a.request.ids) + a.request.max_new_tokens for a in answers)
        room = max_cache_bytes // (value_bytes_per_token(model) * capacity)
        self._num_slots = max(1, min(room, MAX_SLOTS, len(answers)))
        self._slots = Slots(model, self._num_slots, capacity)
        groups = group_by_prefix([answer.request.ids for answer in answers])
        self._waiting = deque(_waves(groups, answers))
        self._shared: tuple[Group, Prefix] | None = None
        self._active: list[_Answer] = []

    def serve(self, progress: Callable[[int], None]) -> None:
        """Answer everybody."""
        done = 0
        while self._active or self._waiting:
            if self._waiting and self._num_slots - len(self._active) >= self._refill():
                done += self._read()
            else:
                newest = [answer.ids[-1] for answer in self._active]
                lengths = [answer.length for answer in self._active]
                hidden_RD = self._slots.step(newest, lengths)
                done += self._write(hidden_RD, self._active)
            progress(done)

    def _refill(self) -> int:
        return max(1, round(REFILL_FRAC * self._num_slots)) if self._active else 1

    def _read(self) -> int:
        """Read as many waiting prompts of one group as there is room for; return how many end."""
        group, answer = self._waiting[0]
        if self._shared is None or self._shared[0] is not group:
            self._shared = (group, Prefix.of(self._model, answer.request.ids[: group.length]))
        prefix = self._shared[1]
        entering: list[_Answer] = []
        longest = 0
        while self._waiting and len(self._active) + len(entering) < self._num_slots:
            other, answer = self._waiting[0]
            longest = max(longest, len(answer.request.ids) - prefix.length)
            if other is not group or entering and (len(entering) + 1) * longest > self._max_tokens:
                break
            entering.append(self._waiting.popleft()[1])
        prompts = [answer.request.ids for answer in entering]
        hidden_RD = self._slots.fill(len(self._active), prompts, prefix)
        self._active += entering
        return self._write(hidden_RD, entering)

    def _write(self, hidden_RD: Tensor, answers: Sequence[_Answer]) -> int:
        """Append a token to each of `answers`; free the slots of those that end."""
        logits_RV = self._model.lm_head(hidden_RD)[:, : self._vocabulary].float()
        for answer, token in zip(answers, self._choose(logits_RV, answers), strict=True):
            answer.ids.append(token)
        ended = _ended(answers, self._tokenizer)
        for answer in ended:
            place = next(i for i, other in enumerate(self._active) if other is answer)
            last = self._active.pop()
            if last is not answer:
                self._slots.move(len(self._active), place)
                self._active[place] = last
        return len(ended)

    def _choose(self, logits_RV: Tensor, answers: Sequence[_Answer]) -> list[int]:
        """Return the next token of every answer, among those that go on with its white space."""
        for row_V, answer in zip(logits_RV, answers, strict=True):
            if answer.space:
                allowed = torch.from_numpy(self._guide.allowed(answer.space))
                row_V.masked_fill_(~allowed.to(row_V.device), -torch.inf)
        best_R, chosen_R = logits_RV.max(dim=-1)
        if not torch.isfinite(best_R).all():
            raise ValueError("Logits must be finite numbers, but some are not: broken checkpoint.")
        chosen: list[int] = chosen_R.tolist()
        for row, answer in enumerate(answers):
            if answer.draws is not None:
                chosen[row] = _draw(logits_RV[row], answer.request, answer.draws)
            answer.space = self._guide.left(answer.space, chosen[row]) if answer.space else ""
        return chosen


def _waves(groups: Sequence[Group], answers: Sequence[_Answer]) -> Iterator[tuple[Group, _Answer]]:
    """Yield who comes after whom: groups together, in a group those of like length together."""
    for group in groups:
        for index in sorted(group.members, key=lambda index: len(answers[index].request.ids)):
            yield group, answers[index]


def _draw(logits_V: Tensor, request: Request, draws: np.random.Generator) -> int:
    """Draw a token: temperature first, then the likeliest ones up to `top_p` together."""
    values = logits_V.double().cpu().numpy() / request.temperature
    probabilities = np.exp(values - values.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    before = np.cumsum(probabilities[order]) - probabilities[order]
    kept = order[before < request.top_p]
    return int(draws.choice(kept, p=probabilities[kept] / probabilities[kept].sum()))


def _ended(answers: Sequence[_Answer], tokenizer: Tokenizer) -> list[_Answer]:
    tails = tokenizer.decode_batch([answer.ids[-_tail_tokens(answer) :] for answer in answers])
    return [
        answer
        for answer, tail in zip(answers, tails, strict=True)
        if _may_end(answer, tail) and answer.finish(tokenizer)
    ]


def _may_end(answer: _Answer, tail: str) -> bool:
    request = answer.request
    return (
        answer.ids[-1] in request.end_ids
        or len(answer.ids) >= request.max_new_tokens
        or any(stop in tail for stop in request.stop)
    )


def _tail_tokens(answer: _Answer) -> int:
    """Return how many of the newest tokens can hold a stop string: each spells a byte or more."""
    longest = max((len(stop.encode()) for stop in answer.request.stop), default=0)
    return longest + TAIL_MARGIN_TOKENS
