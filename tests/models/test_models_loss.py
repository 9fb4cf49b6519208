import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from davinci.models.loss import next_token_nll_sum


def given(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(10, 4, dtype=dtype, requires_grad=True)
    weight = torch.randn(7, 4, dtype=dtype, requires_grad=True)
    mask = torch.tensor([1, 1, 0, 1, 0, 0, 0, 0, 1, 1], dtype=torch.bool)
    return hidden, weight, torch.randint(0, 7, (10,)), mask


@pytest.mark.parametrize("chunk", [1, 3, 4, 10, 99])
@pytest.mark.parametrize("masked", [False, True])
def test_loss_and_gradients_are_those_of_the_whole_logits(chunk: int, masked: bool) -> None:
    hidden, weight, targets, mask = given()
    losses = cross_entropy(hidden @ weight.T, targets, reduction="none")
    expected = (losses * mask).sum() if masked else losses.sum()
    wanted = torch.autograd.grad(3 * expected, (hidden, weight))
    found = next_token_nll_sum(
        hidden, weight, targets, mask if masked else None, chunk_tokens=chunk
    )
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    for ours, theirs in zip(torch.autograd.grad(3 * found, (hidden, weight)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_nothing_counts_where_everything_is_masked() -> None:
    hidden, weight, targets, _ = given()
    loss = next_token_nll_sum(hidden, weight, targets, torch.zeros(10, dtype=torch.bool))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_a_large_logit_overflows_nothing() -> None:
    hidden = torch.full((1, 1), 1000.0)
    weight = torch.tensor([[1.0], [0.999]])
    assert next_token_nll_sum(hidden, weight, torch.tensor([1])).item() == pytest.approx(
        1.3133, abs=1e-3
    )


def test_under_autocast_the_products_are_in_bfloat16_and_the_gradients_in_float32() -> None:
    hidden, weight, targets, _ = given(torch.float32)
    expected = cross_entropy(hidden @ weight.T, targets, reduction="sum")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = next_token_nll_sum(hidden, weight, targets, chunk_tokens=3)
    found.backward()  # type: ignore[no-untyped-call]
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=0.02)
    assert found.item() != expected.item()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the largest tensor that any operation returns."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, Tensor):
                self.numel = max(self.numel, each.numel())
        return result


def test_the_whole_logits_never_exist() -> None:
    hidden = torch.randn(64, 8, requires_grad=True)
    weight = torch.randn(500, 8, requires_grad=True)
    with Largest() as seen:  # type: ignore[no-untyped-call]
        next_token_nll_sum(hidden, weight, torch.zeros(64, dtype=torch.int64), chunk_tokens=4)
    assert seen.numel == max(4 * 500, 500 * 8)
    with Largest() as seen:  # type: ignore[no-untyped-call]
        cross_entropy(hidden @ weight.T, torch.zeros(64, dtype=torch.int64))
    assert seen.numel == 64 * 500
