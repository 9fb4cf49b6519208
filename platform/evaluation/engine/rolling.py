"""How likely a model finds given tokens: in batches by length, one answer per sequence.

Sequences are padded on the right. A causal model never looks to the right, so padding needs no
mask and changes nothing but the order in which floats are added.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Qwen2ForCausalLM

IGNORED = -100
Floats = NDArray[np.float64]


def token_nlls_nats(
    model: Qwen2ForCausalLM, sequences: Sequence[Sequence[int]], *, max_logits: int
) -> list[Floats]:
    """Return the negative log-likelihood of every token but the first, given those before it.

    Args:
        model: In evaluation mode.
        sequences: Token ids, each at least two and at most `context_length + 1` long.
        max_logits: Most logits of one pass; bounds memory.

    Returns:
        One array of shape (len(sequence) - 1,) per sequence, in their order.

    Raises:
        ValueError: If the model returns something that is no finite number.
    """
    nlls: list[Floats] = [np.zeros(0)] * len(sequences)
    with torch.inference_mode():
        for batch in _batches_by_length(sequences, max_logits // model.config.vocab_size):
            rows = _score(model, [sequences[index] for index in batch])
            for index, row in zip(batch, rows, strict=True):
                nlls[index] = row[: len(sequences[index]) - 1]
    for index, values in enumerate(nlls):
        if not np.isfinite(values).all():
            raise ValueError(f"Likelihoods must be finite numbers, but sequence {index}'s are not.")
    return nlls


def sliding_windows(
    tokens: Sequence[int], *, context_length: int, stride: int
) -> Iterator[tuple[list[int], int]]:
    """Yield `(window, num_scored)`: the last `num_scored` tokens of each window are to be scored.

    Every token but the first is scored exactly once. The first window scores all of its tokens;
    each later one moves on by `stride` and sees at least `context_length - stride` tokens before.
    """
    num_targets = len(tokens) - 1
    end = min(context_length, num_targets)
    yield list(tokens[: end + 1]), end
    while end < num_targets:
        begin, end = end, min(end + stride, num_targets)
        yield list(tokens[max(0, end - context_length) : end + 1]), end - begin


def _batches_by_length(sequences: Sequence[Sequence[int]], max_tokens: int) -> Iterator[list[int]]:
    order = sorted(range(len(sequences)), key=lambda index: (len(sequences[index]), index))
    batch: list[int] = []
    for index in order:
        # Lengths rise, so this sequence sets the padded length of the batch it joins.
        if batch and (len(batch) + 1) * len(sequences[index]) > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _score(model: Qwen2ForCausalLM, sequences: Sequence[Sequence[int]]) -> Floats:
    longest = max(len(sequence) for sequence in sequences)
    targets = np.full((len(sequences), longest), IGNORED, dtype=np.int64)
    for row, sequence in zip(targets, sequences, strict=True):
        row[: len(sequence)] = sequence
    targets_BS: Tensor = torch.from_numpy(targets).to(model.device)
    inputs_BT = targets_BS[:, :-1].clamp(min=0)
    logits_BTV = model(input_ids=inputs_BT, use_cache=False).logits
    nlls = cross_entropy(
        logits_BTV.flatten(0, 1).float(),
        targets_BS[:, 1:].flatten(),
        ignore_index=IGNORED,
        reduction="none",
    )
    return nlls.view(len(sequences), -1).double().cpu().numpy()
