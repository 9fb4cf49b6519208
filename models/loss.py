"""Next-token loss over large vocabularies, without the tensor of all logits.

With 151,936 tokens, the logits of one 4096-token sequence and their gradients are the largest
tensors of a 3B model's step. Here they exist for a chunk of tokens at a time: as each chunk's loss
is computed, so are its gradients with respect to hidden states and weights, and the chunk is gone.

Legend: N tokens, C tokens of a chunk, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from davinci.models.memory import MAX_CHUNK_LOGITS


def next_token_nll_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    mask_N: Tensor | None = None,
    *,
    chunk_tokens: int = 0,
) -> Tensor:
    """Return the summed negative log-likelihood of the targets in nats, float32, shape ().

    Logits are computed in the dtype of autocast where it is on, else in that of `hidden_ND`;
    log-sum-exp and sum in float32 (float64 stays float64).

    Args:
        hidden_ND: Last hidden states.
        weight_VD: Output matrix.
        targets_N: Token ids.
        mask_N: Which targets count; None counts all.
        chunk_tokens: Tokens at a time; 0 chooses by `MAX_CHUNK_LOGITS`.

    Source: the idea of computing gradients in the forward pass is that of Liger Kernel (Hsu et al.
    2024), here without a kernel of its own.
    """
    chunk = chunk_tokens or max(1, MAX_CHUNK_LOGITS // weight_VD.shape[0])
    arguments = (hidden_ND, weight_VD, targets_N, mask_N, chunk)
    total: Tensor = _ChunkedLoss.apply(*arguments)  # type: ignore[no-untyped-call]
    return total


class _ChunkedLoss(torch.autograd.Function):
    """Sums the loss chunk by chunk; the gradients are kept from the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        mask_N: Tensor | None,
        chunk: int,
    ) -> Tensor:
        device = hidden_ND.device.type
        low = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if low else hidden_ND.dtype
        with torch.autocast(device, enabled=False):
            return _forward(ctx, hidden_ND, weight_VD, targets_N, mask_N, chunk, dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden_grad, weight_grad = ctx.saved_tensors
        found = [None if g is None else g * grad.to(g.dtype) for g in (hidden_grad, weight_grad)]
        return (*found, None, None, None)


def _forward(
    ctx: Any,
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    mask_N: Tensor | None,
    chunk: int,
    dtype: torch.dtype,
) -> Tensor:
    wide = torch.promote_types(torch.float32, hidden_ND.dtype)
    wants_hidden, wants_weight = ctx.needs_input_grad[:2]
    work_VD = weight_VD.to(dtype)
    total = torch.zeros((), dtype=wide, device=hidden_ND.device)
    hidden_grad = torch.empty_like(hidden_ND) if wants_hidden else None
    weight_grad = torch.zeros_like(weight_VD, dtype=wide) if wants_weight else None
    for start in range(0, len(targets_N), chunk):
        part = slice(start, start + chunk)
        hidden_CD, targets_C1 = hidden_ND[part].to(dtype), targets_N[part, None]
        logits_CV = (hidden_CD @ work_VD.T).to(wide)
        # In place throughout: on a CPU three times as fast as logsumexp and a softmax from it.
        logits_CV.sub_(logits_CV.amax(-1, keepdim=True))
        chosen_C1 = logits_CV.gather(-1, targets_C1)
        sums_C1 = logits_CV.exp_().sum(-1, keepdim=True)
        nll_C1 = sums_C1.log() - chosen_C1
        if mask_N is not None:
            nll_C1 = nll_C1 * mask_N[part, None]
        total += nll_C1.sum()
        if hidden_grad is None and weight_grad is None:
            continue
        grad_CV = logits_CV.div_(sums_C1)
        grad_CV.scatter_add_(-1, targets_C1, torch.full_like(nll_C1, -1.0))
        if mask_N is not None:
            grad_CV *= mask_N[part, None]
        low_CV = grad_CV.to(dtype)
        if hidden_grad is not None:
            hidden_grad[part] = low_CV @ work_VD
        if weight_grad is not None:
            weight_grad += low_CV.T @ hidden_CD
    ctx.save_for_backward(
        hidden_grad, None if weight_grad is None else weight_grad.to(weight_VD.dtype)
    )
    return total
