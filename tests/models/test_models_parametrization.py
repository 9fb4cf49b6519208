"""muP: what a step changes must not depend on the width."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import Qwen2ForCausalLM

from davinci.models.build import build_model, save_model
from davinci.models.network import Network
from davinci.models.optimizer import build_optimizer, parameter_groups
from davinci.models.settings import ModelSettings, OptimizerSettings

KINDS: tuple[Literal["standard", "mup"], ...] = ("standard", "mup")
BASE = ModelSettings(
    hidden_size=32,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=16,
    intermediate_size=88,
    vocab_size=64,
    context_length=32,
    parametrization="mup",
    base_hidden_size=32,
)


def wide(times: int, parametrization: Literal["standard", "mup"]) -> ModelSettings:
    return replace(
        BASE,
        hidden_size=32 * times,
        num_heads=2 * times,
        num_kv_heads=times,
        intermediate_size=88 * times,
        parametrization=parametrization,
    )


def change_of_logits(settings: ModelSettings, num_steps: int = 4) -> float:
    """Return the root mean square by which some steps of Adam change the logits."""
    network = Network(build_model(settings, seed=0))
    optimizer = build_optimizer(
        network.model, OptimizerSettings(lr_peak=1e-2), settings.width_multiple
    )
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 * group["lr_scale"]
    windows = torch.randint(0, 64, (8, 33), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network.model(input_ids=windows).logits
    for _ in range(num_steps):
        optimizer.zero_grad()
        (network(windows) / windows[:, 1:].numel()).backward()
        optimizer.step()
    with torch.no_grad():
        return float((network.model(input_ids=windows).logits - before).pow(2).mean().sqrt())


def test_under_mup_a_step_changes_the_logits_alike_at_every_width_and_else_ever_more() -> None:
    mup = [change_of_logits(wide(times, "mup")) for times in (1, 2, 4, 8)]
    standard = [change_of_logits(wide(times, "standard")) for times in (1, 2, 4, 8)]
    assert max(mup) / min(mup) < 1.6, mup
    assert all(later > 1.3 * earlier for earlier, later in pairwise(standard)), standard
    assert mup[0] == standard[0], "at the base width the two are the same"


def test_groups_scale_rate_and_decay_against_each_other() -> None:
    model = build_model(wide(4, "mup"), seed=0)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {}
    for group in parameter_groups(model, 0.1, 4.0):
        assert isinstance(group["params"], list)
        for parameter in group["params"]:
            found[names[id(parameter)]] = (group["lr_scale"], group["weight_decay"])
    assert found["model.layers.0.mlp.down_proj.weight"] == (0.25, pytest.approx(0.4))
    assert found["model.embed_tokens.weight"] == (1.0, 0.1)
    assert found["model.norm.weight"] == (0.25, 0.0)
    assert found["model.layers.1.input_layernorm.weight"] == (1.0, 0.0)
    assert found["model.layers.1.self_attn.q_proj.bias"] == (1.0, 0.0)
    assert len(found) == len(list(model.named_parameters()))


def test_initial_weights_are_narrower_the_wider_the_model() -> None:
    standard, mup = (build_model(wide(4, kind), seed=0) for kind in KINDS)
    ours, theirs = (model.model.layers[0].mlp.up_proj.weight for model in (mup, standard))
    torch.testing.assert_close(ours, theirs / 2)
    assert torch.equal(mup.lm_head.weight, standard.lm_head.weight)
    assert mup.model.norm.weight.unique().tolist() == [0.25]


def test_a_mup_checkpoint_is_a_qwen2_model_like_any_other(tmp_path: Path) -> None:
    model = build_model(wide(2, "mup"), seed=0)
    save_model(model, tmp_path)
    ids = torch.arange(16)[None]
    theirs = Qwen2ForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(theirs(input_ids=ids).logits, model(input_ids=ids).logits)
