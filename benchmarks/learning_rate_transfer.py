"""Whether the best learning rate of a narrow model suits a wide one, with and without muP.

    python benchmarks/learning_rate_transfer.py

Trains Qwen2 models of four widths at nine rates, a factor 2 apart, on a small language with
structure (a second-order Markov chain over 64 tokens), 150 steps of 16 sequences each, two seeds,
and prints the loss of the last steps and each width's best rate.
"""

import math
import statistics
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from davinci.models.build import build_model
from davinci.models.network import Network
from davinci.models.optimizer import build_optimizer
from davinci.models.process import prepare_process
from davinci.models.settings import ModelSettings, OptimizerSettings

WIDTHS = (32, 64, 128, 256)
RATES = tuple(2.0**power for power in range(-11, -2))
NUM_STEPS, BATCH, CONTEXT, VOCAB = 150, 16, 64, 64
WARMUP_STEPS = 15
LAST_STEPS = 15
SEEDS = (0, 1)
BASE = ModelSettings(
    hidden_size=32,
    num_layers=2,
    num_heads=2,
    num_kv_heads=2,
    head_dim=16,
    intermediate_size=88,
    vocab_size=VOCAB,
    context_length=CONTEXT,
    base_hidden_size=32,
)


def language(num_tokens: int) -> Tensor:
    """Return tokens of a second-order Markov chain with four likely successors a state."""
    rng = np.random.default_rng(0)
    successors = rng.integers(0, VOCAB, (VOCAB, VOCAB, 4))
    choices = rng.choice(4, num_tokens, p=(0.6, 0.2, 0.15, 0.05))
    tokens = [0, 1]
    for choice in choices:
        tokens.append(int(successors[tokens[-2], tokens[-1], choice]))
    return torch.tensor(tokens)


def final_loss(settings: ModelSettings, rate: float, tokens: Tensor, seed: int) -> float:
    """Return the mean loss of the last steps; infinity where it is no number."""
    network = Network(build_model(settings, seed=seed))
    optimizer = build_optimizer(
        network.model, OptimizerSettings(lr_peak=rate), settings.width_multiple
    )
    rng, losses = np.random.default_rng(seed), []
    for step in range(NUM_STEPS):
        begins = rng.integers(0, len(tokens) - CONTEXT - 1, BATCH)
        windows = torch.stack([tokens[b : b + CONTEXT + 1] for b in begins])
        loss = network(windows) / (BATCH * CONTEXT)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"] * min(1.0, (step + 1) / WARMUP_STEPS)
        optimizer.step()
        losses.append(loss.item())
    mean = statistics.fmean(losses[-LAST_STEPS:])
    return mean if math.isfinite(mean) else math.inf


def main() -> None:
    """Train, and print a table for each parametrization."""
    prepare_process(1)
    tokens = language(200_000)
    kinds: tuple[Literal["standard", "mup"], ...] = ("standard", "mup")
    for kind in kinds:
        print(f"{kind}: mean loss of the last {LAST_STEPS} steps by width and log2 of the rate")
        print("width  " + " ".join(f"{math.log2(rate):6.0f}" for rate in RATES) + "   best")
        for width in WIDTHS:
            times = width // 32
            settings = replace(
                BASE,
                hidden_size=width,
                num_heads=2 * times,
                num_kv_heads=2 * times,
                intermediate_size=88 * times,
                parametrization=kind,
            )
            means = [
                statistics.fmean(final_loss(settings, rate, tokens, seed) for seed in SEEDS)
                for rate in RATES
            ]
            best = RATES[means.index(min(means))]
            row = " ".join(f"{mean:6.3f}" for mean in means)
            print(f"{width:5}  {row}   2^{math.log2(best):.0f}", flush=True)


if __name__ == "__main__":
    main()
