"""Greedy answers in batches, with a key-value cache; finished rows leave the batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import DynamicCache, Qwen2ForCausalLM

from davinci.platform.evaluation.prompts import Prompt, SpaceGuide

TAIL_MARGIN_TOKENS = 4
KEEP_ROWS_FRAC = 0.75
"""Finished rows are taken out of the cache when no more than this share is still alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One answer asked for; it ends before the first of `stop`, or at the end of text."""

    prompt: Prompt
    stop: tuple[str, ...]
    max_new_tokens: int


@dataclass(slots=True)
class _Row:
    """One answer in the making. `space` is white space of the prompt still to be spelled."""

    request: Request
    space: str
    ids: list[int] = field(default_factory=list)
    text: str | None = None

    def finish(self, tokenizer: Tokenizer) -> bool:
        """Set the text if the answer is complete; return whether it is."""
        ended = bool(self.ids) and self.ids[-1] == self.request.prompt.end_id
        written = tokenizer.decode(self.ids, skip_special_tokens=True)
        answer = written[len(self.request.prompt.space) :]
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
) -> list[str]:
    """Return the greedy answer to every request, in their order.

    Args:
        model: In evaluation mode.
        tokenizer: The model's own.
        requests: Prompt and new tokens together must fit the model's context.
        max_cache_bytes: Bound for the keys and values of one batch.
    """
    rows = [_Row(request, request.prompt.space) for request in requests]
    guide = SpaceGuide(tokenizer)
    with torch.inference_mode():
        for batch in _batches(model, rows, max_cache_bytes):
            _run(model, tokenizer, guide, batch)
    return [row.text or "" for row in rows]


def _batches(
    model: Qwen2ForCausalLM, rows: Sequence[_Row], max_cache_bytes: int
) -> Iterator[list[_Row]]:
    config = model.config
    num_key_heads = config.num_key_value_heads or config.num_attention_heads
    values_per_token = 2 * config.num_hidden_layers * num_key_heads * int(config.head_dim)
    max_tokens = max_cache_bytes // (values_per_token * model.dtype.itemsize)
    waiting = [row for row in rows if row.request.max_new_tokens > 0]
    batch: list[_Row] = []
    longest = 0
    for row in sorted(waiting, key=lambda row: len(row.request.prompt.ids)):
        needed = len(row.request.prompt.ids) + row.request.max_new_tokens
        if batch and (len(batch) + 1) * max(longest, needed) > max_tokens:
            yield batch
            batch, longest = [], 0
        batch.append(row)
        longest = max(longest, needed)
    if batch:
        yield batch


def _run(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer, guide: SpaceGuide, rows: list[_Row]
) -> None:
    """Generate one batch; prompts are padded on the left, so that all rows grow together."""
    ids, mask = _left_padded([row.request.prompt.ids for row in rows], model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    alive = list(rows)
    while alive:
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1, : tokenizer.get_vocab_size()]
        chosen = _choose(logits, alive, guide)
        running = _advance(chosen.tolist(), alive, tokenizer)
        ids, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        if len(running) <= KEEP_ROWS_FRAC * len(alive):
            kept = torch.tensor(running, dtype=torch.long, device=model.device)
            alive = [alive[index] for index in running]
            ids, positions, mask = ids[kept], positions[kept], mask[kept]
            if alive:
                cache.batch_select_indices(kept)


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, prompt in enumerate(prompts):
        ids[index, longest - len(prompt) :] = torch.tensor(prompt)
        mask[index, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _choose(logits_BV: Tensor, rows: Sequence[_Row], guide: SpaceGuide) -> Tensor:
    """Return the likeliest token of every row, among those that go on with its white space."""
    for index, row in enumerate(rows):
        if row.space:
            allowed = torch.from_numpy(guide.allowed(row.space)).to(logits_BV.device)
            logits_BV[index].masked_fill_(~allowed, -torch.inf)
    chosen = logits_BV.argmax(dim=-1)
    for row, token_id in zip(rows, chosen.tolist(), strict=True):
        row.space = guide.left(row.space, token_id) if row.space else ""
    return chosen


def _advance(chosen: Sequence[int], rows: Sequence[_Row], tokenizer: Tokenizer) -> list[int]:
    """Append the tokens; return the indices of the rows that go on."""
    unfinished = [index for index, row in enumerate(rows) if row.text is None]
    for index in unfinished:
        rows[index].ids.append(chosen[index])
    tails = tokenizer.decode_batch(
        [rows[index].ids[-_tail_tokens(rows[index].request) :] for index in unfinished]
    )
    running = []
    for index, tail in zip(unfinished, tails, strict=True):
        row = rows[index]
        may_end = (
            row.ids[-1] == row.request.prompt.end_id
            or len(row.ids) >= row.request.max_new_tokens
            or any(stop in tail for stop in row.request.stop)
        )
        if not (may_end and row.finish(tokenizer)):
            running.append(index)
    return running


def _tail_tokens(request: Request) -> int:
    """Return how many of the newest tokens can hold a stop string: each spells a byte or more."""
    longest = max((len(stop.encode()) for stop in request.stop), default=0)
    return longest + TAIL_MARGIN_TOKENS
