import pytest
import torch
from torch.nn.functional import cross_entropy

from davinci.models.build import build_model
from davinci.models.module import LanguageModule, MicroBatch
from davinci.models.network import Network, compile_layers, recompute_activations
from davinci.models.settings import ModelSettings, OptimizerSettings

TINY = ModelSettings(
    hidden_size=16,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    intermediate_size=24,
    vocab_size=32,
    context_length=16,
)
WINDOWS = torch.randint(0, 32, (3, 9), generator=torch.Generator().manual_seed(0))


def gradients(network: Network) -> dict[str, torch.Tensor]:
    network.zero_grad()
    network(WINDOWS).backward()
    return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def test_the_loss_is_that_of_transformers_logits() -> None:
    model = build_model(TINY, seed=0)
    logits = model(input_ids=WINDOWS[:, :-1]).logits
    expected = cross_entropy(logits.flatten(0, 1), WINDOWS[:, 1:].flatten(), reduction="sum")
    assert Network(model)(WINDOWS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_mask_leaves_targets_out() -> None:
    network = Network(build_model(TINY, seed=0))
    mask = torch.zeros(3, 8, dtype=torch.bool)
    mask[1, 2:4] = True
    alone = network(WINDOWS[1:2, :5]) - network(WINDOWS[1:2, :3])
    assert network(WINDOWS, mask).item() == pytest.approx(alone.item(), rel=1e-5)


def test_no_position_sees_what_comes_after() -> None:
    network = Network(build_model(TINY, seed=0))
    other = WINDOWS.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 32
    mask = torch.zeros(3, 8, dtype=torch.bool)
    mask[:, :4] = True
    assert network(WINDOWS, mask).item() == network(other, mask).item()


def test_recomputed_activations_change_no_gradient_and_no_name() -> None:
    plain, saving = (Network(build_model(TINY, seed=0).train()) for _ in range(2))
    recompute_activations(saving)
    kept = gradients(plain)
    for name, gradient in gradients(saving).items():
        torch.testing.assert_close(gradient, kept[name])
    assert list(saving.state_dict()) == list(plain.state_dict())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of torch
def test_compiled_layers_train_alike_under_the_same_names() -> None:
    plain, fast = (Network(build_model(TINY, seed=0).train()) for _ in range(2))
    compile_layers(fast)
    kept = gradients(plain)
    for name, gradient in gradients(fast).items():
        torch.testing.assert_close(gradient, kept[name], rtol=1e-4, atol=1e-5)
    assert list(fast.state_dict()) == list(plain.state_dict())


def test_micro_batches_of_several_processes_sum_to_the_steps_mean_over_its_loss_tokens() -> None:
    network = Network(build_model(TINY, seed=0))
    module = LanguageModule(
        network,
        optimizer=OptimizerSettings(lr_peak=1e-3),
        lr_at_step=lambda step: 1e-3,
        num_micro_batches=3,
        world_size=2,
    )
    masks = torch.rand(6, 3, 8, generator=torch.Generator().manual_seed(1)) < 0.5
    total = int(masks.sum())
    shares = [
        module.training_step(MicroBatch(WINDOWS, mask, total), index)
        for index, mask in enumerate(masks)
    ]
    nlls = [network(WINDOWS, mask) for mask in masks]
    # Lightning divides by 3 micro-batches, and two processes average.
    assert sum(s.item() for s in shares) / 6 == pytest.approx(
        sum(n.item() for n in nlls) / total, rel=1e-6
    )
