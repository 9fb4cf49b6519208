"""How likely a model finds continuations of a context; what continuations share is computed once.

All continuations of a context stand in one row behind it, each seeing the context and itself alone;
rows that begin alike stand behind one computed beginning. Logits are computed where a continuation
is predicted, and nowhere else.

Legend: B rows, Q tokens of a row, P tokens of the shared beginning, K = P + Q, N predicted tokens,
V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM

from davinci.platform.evaluation.engine.passes import Prefix, hidden_states
from davinci.platform.evaluation.engine.prefixes import group_by_prefix

MAX_ROW_TOKENS = 512
"""Of a row's continuations; more are split into rows, as attention grows with its square."""


@dataclass(frozen=True, slots=True)
class Question:
    """A context and the continuations asked after it: token ids, none of them empty."""

    context: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]

    @property
    def num_tokens(self) -> int:
        """Tokens that one row with everything has: each continuation's last is only predicted."""
        return len(self.context) + sum(len(ids) - 1 for ids in self.continuations)


class Likelihood(NamedTuple):
    """Of one continuation: its log-probability, and whether greedy decoding would write it."""

    logprob_nats: float
    greedy: bool


def score_continuations(
    model: Qwen2ForCausalLM,
    questions: Sequence[Question],
    *,
    max_tokens: int,
    max_logits: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[Likelihood]]:
    """Return the likelihood of every continuation, in the order of the questions.

    Args:
        model: In evaluation mode.
        questions: Context and longest continuation must fit the model's context.
        max_tokens: Most tokens of one pass, the shared beginning of each row counted.
        max_logits: Most logits computed at a time; bounds memory.
        progress: Told how many questions are done after every pass.

    Raises:
        ValueError: If the model returns something that is no finite number.
    """
    owners = [owner for owner, question in enumerate(questions) for _ in _split(question)]
    parts = [part for question in questions for part in _split(question)]
    scored: list[list[Likelihood]] = [[] for _ in parts]
    done = 0
    with torch.inference_mode():
        for group in group_by_prefix([part.context for part in parts]):
            first = parts[group.members[0]].context
            prefix = Prefix.of(model, first[: group.length])
            for batch in _batches(parts, group.members, prefix.length, max_tokens):
                rows = [_lay_out(parts[index], prefix.length) for index in batch]
                likelihoods = _score(model, rows, prefix, max_logits)
                for index, found in zip(batch, likelihoods, strict=True):
                    scored[index] = found
                done += len(batch)
                progress(done * len(questions) // len(parts))
    answers: list[list[Likelihood]] = [[] for _ in questions]
    for owner, found in zip(owners, scored, strict=True):
        answers[owner] += found
    return answers


def _split(question: Question) -> Iterator[Question]:
    """Yield the question in parts with a row's worth of continuations, one at least."""
    chosen: list[tuple[int, ...]] = []
    tokens = 0
    for continuation in question.continuations:
        tokens += len(continuation) - 1
        if chosen and tokens > MAX_ROW_TOKENS:
            yield Question(question.context, tuple(chosen))
            chosen, tokens = [], len(continuation) - 1
        chosen.append(continuation)
    yield Question(question.context, tuple(chosen))


class _Row(NamedTuple):
    """A question laid out: what is read, and where which token is predicted.

    `owners` has the continuation of each token read, -1 for the context. The n-th prediction is of
    `targets[n]`, read off place `places[n]`, for the continuation `continuations[n]`.
    """

    ids: list[int]
    positions: list[int]
    owners: list[int]
    places: list[int]
    targets: list[int]
    continuations: list[int]


def _lay_out(question: Question, shared: int) -> _Row:
    """Return the row of a question without the first `shared` tokens of its context."""
    context = question.context[shared:]
    row = _Row(
        ids=list(context),
        positions=list(range(shared, len(question.context))),
        owners=[-1] * len(context),
        places=[],
        targets=[],
        continuations=[],
    )
    for number, continuation in enumerate(question.continuations):
        begin = len(row.ids)
        row.ids.extend(continuation[:-1])
        row.positions.extend(
            range(len(question.context), len(question.context) + len(continuation) - 1)
        )
        row.owners.extend([number] * (len(continuation) - 1))
        row.places.extend([len(context) - 1, *range(begin, begin + len(continuation) - 1)])
        row.targets.extend(continuation)
        row.continuations.extend([number] * len(continuation))
    return row


def _batches(
    questions: Sequence[Question], members: Sequence[int], shared: int, max_tokens: int
) -> Iterator[list[int]]:
    lengths = {index: questions[index].num_tokens - shared for index in members}
    batch: list[int] = []
    for index in sorted(members, key=lambda index: (lengths[index], index)):
        # Lengths rise, so this one sets the padded length of the batch that it joins.
        if batch and (len(batch) + 1) * (shared + lengths[index]) > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _score(
    model: Qwen2ForCausalLM, rows: Sequence[_Row], prefix: Prefix, max_logits: int
) -> list[list[Likelihood]]:
    ids_BQ, positions_BQ, mask_B1QK = _tensors(rows, prefix.length, model.device)
    hidden_BQD = hidden_states(model, ids_BQ, mask_B1QK, positions_BQ, prefix)
    row_of = [number for number, row in enumerate(rows) for _ in row.places]
    places = [place for row in rows for place in row.places]
    targets = [target for row in rows for target in row.targets]
    logprobs, greedy = _predict(model, hidden_BQD[row_of, places], targets, max_logits)
    found: list[list[Likelihood]] = []
    begin = 0
    for row in rows:
        end = begin + len(row.places)
        found.append(_per_continuation(row, logprobs[begin:end], greedy[begin:end]))
        begin = end
    return found


def _per_continuation(row: _Row, logprobs: np.ndarray, greedy: np.ndarray) -> list[Likelihood]:
    numbers = np.array(row.continuations)
    parts = [numbers == number for number in range(numbers[-1] + 1)]
    return [Likelihood(float(logprobs[part].sum()), bool(greedy[part].all())) for part in parts]


def _tensors(
    rows: Sequence[_Row], shared: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids and positions, (B, Q), and who sees whom, (B, 1, Q, K); padded on the right."""
    longest = max(len(row.ids) for row in rows)
    ids, positions, owners = (
        np.full((len(rows), longest), filler, dtype=np.int64) for filler in (0, 0, -2)
    )
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = row.ids
        positions[number, : len(row.ids)] = row.positions
        owners[number, : len(row.ids)] = row.owners
    owners_BQ = torch.from_numpy(owners).to(device)
    same_BQQ = owners_BQ[:, :, None] == owners_BQ[:, None, :]
    context_BQQ = (owners_BQ == -1)[:, None, :].expand_as(same_BQQ)
    # Places rise along a row, and so do positions within a context and within a continuation.
    mask_BQQ = (same_BQQ | context_BQQ).tril()
    mask_BQK = torch.nn.functional.pad(mask_BQQ, (shared, 0), value=True)
    return (
        torch.from_numpy(ids).to(device),
        torch.from_numpy(positions).to(device),
        mask_BQK[:, None],
    )


def _predict(
    model: Qwen2ForCausalLM, hidden_ND: Tensor, targets: Sequence[int], max_logits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-probability of each target, and whether it is the likeliest token; (N,)."""
    targets_N = torch.tensor(targets, device=hidden_ND.device)
    rows = max(1, max_logits // model.config.vocab_size)
    logprobs, greedy = [], []
    for part_ND, part_N in zip(
        torch.split(hidden_ND, rows), torch.split(targets_N, rows), strict=True
    ):
        logits_NV = model.lm_head(part_ND).float()
        chosen = logits_NV.gather(1, part_N[:, None])[:, 0]
        logprobs.append((chosen - logits_NV.logsumexp(dim=1)).double())
        greedy.append(logits_NV.argmax(dim=1) == part_N)
    values = torch.cat(logprobs).cpu().numpy()
    if not np.isfinite(values).all():
        raise ValueError(
            f"Likelihoods must be finite numbers, but {(~np.isfinite(values)).sum()} of "
            f"{len(values)} are not: the checkpoint is broken."
        )
    return values, torch.cat(greedy).cpu().numpy()
