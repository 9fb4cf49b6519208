from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from davinci.models.build import build_model
from davinci.models.settings import ModelSettings
from davinci.models.size import flops_per_token, num_embedding_parameters, num_parameters

SCALES = sorted((Path(__file__).parents[2] / "conf" / "scale").glob("*.yaml"))
PAPER_3B = 3_085_938_688
PAPER_3B_OUTSIDE_EMBEDDINGS = 2_774_773_760
NOT_OF_THE_MODEL = ("name", "tokens", "batch_tokens", "lr_peak", "warmup_frac")
TINY = ModelSettings(
    hidden_size=8,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    intermediate_size=16,
    vocab_size=10,
    context_length=6,
)


def scale(path: Path) -> tuple[ModelSettings, dict[str, float]]:
    values = {str(name): value for name, value in OmegaConf.load(path).items()}
    training = {name: values.pop(name) for name in NOT_OF_THE_MODEL}
    return ModelSettings(**values), training


def test_the_parameters_of_a_tiny_model_are_those_counted_by_hand() -> None:
    # Embeddings 80; q 72, k and v 36 each, o 64; MLP 384; two norms 16; last norm 8.
    assert num_parameters(TINY) == 80 + 72 + 2 * 36 + 64 + 384 + 16 + 8


def test_untied_embeddings_count_twice() -> None:
    assert num_parameters(replace(TINY, tie_embeddings=False)) == num_parameters(TINY) + 80


def test_the_flops_of_a_token_are_six_per_parameter_and_the_attention_square() -> None:
    assert flops_per_token(TINY, 6) == 6 * num_parameters(TINY) + 12 * 1 * 8 * 6
    untied = replace(TINY, tie_embeddings=False)
    assert flops_per_token(untied, 6) == flops_per_token(TINY, 6)


@pytest.mark.parametrize("path", SCALES, ids=lambda path: path.stem)
def test_every_scale_has_the_parameters_of_its_instantiated_model(path: Path) -> None:
    settings, _ = scale(path)
    model = build_model(settings, device="meta")
    assert sum(p.numel() for p in model.parameters()) == num_parameters(settings)


def test_the_3b_scale_is_the_papers() -> None:
    settings, training = scale(next(path for path in SCALES if path.stem == "3b"))
    model = build_model(settings, device="meta")
    assert sum(p.numel() for p in model.parameters()) == num_parameters(settings) == PAPER_3B
    assert flops_per_token(settings, 0) == 18_515_632_128
    assert (training["lr_peak"], training["batch_tokens"]) == (3e-4, 1024 * 4096)


@pytest.mark.parametrize("path", [p for p in SCALES if p.stem not in ("nano", "3b")], ids=str)
def test_the_ladder_follows_its_rule(path: Path) -> None:
    settings, training = scale(path)
    outside = num_parameters(settings) - num_embedding_parameters(settings)
    named = float(path.stem[:-1]) * {"m": 1e6, "b": 1e9}[path.stem[-1]]
    assert outside == pytest.approx(named, rel=0.05)
    assert training["tokens"] == pytest.approx(20 * outside, rel=0.01)
    ratio = outside / PAPER_3B_OUTSIDE_EMBEDDINGS
    assert training["lr_peak"] == pytest.approx(3e-4 * ratio ** (-1 / 3), rel=0.01)
    assert training["batch_tokens"] == pytest.approx(1024 * 4096 * ratio ** (2 / 3), rel=0.06)
    assert training["tokens"] % training["batch_tokens"] == 0
    assert training["batch_tokens"] % (8 * settings.context_length) == 0


def test_nano_has_about_an_eighth_of_a_million_parameters() -> None:
    settings, _ = scale(next(path for path in SCALES if path.stem == "nano"))
    assert num_parameters(settings) == pytest.approx(130_000, rel=0.1)
