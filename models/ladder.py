"""The ladder: from a rung's shape to batch, learning rate, warmup and tokens, by one rule.

N are the parameters outside the embeddings, which also name the rungs. Learning rate and batch are
the paper's 3B values (daVinci-LLM Table 5) times (N / N of the 3B)^(-1/3) and ^(2/3); the warmup
takes N tokens, a run 20 N.

Source: the exponents and the warmup are those of the OLMo ladder (Bhagia et al. 2024), after Porian
et al. 2024, who fitted them up to about 1B parameters; 20 tokens per parameter from Hoffmann et al.
2022. Anchoring them at the paper's 3B is ours: at 3B it trains on 130 times the tokens of 20 N, so
that short runs may bear a higher rate. `conf/scale` holds the values; a test holds them to this.
"""

from dataclasses import dataclass

from davinci.models.settings import ModelSettings
from davinci.models.size import num_embedding_parameters, num_parameters

TOKENS_PER_PARAMETER = 20
ANCHOR_PARAMETERS = 2_774_773_760
"""Of the paper's 3B, outside the embeddings."""
ANCHOR_LR = 3e-4
ANCHOR_BATCH_TOKENS = 1024 * 4096
MLP_RATIO = 5.375
"""Of the MLP's width to that of the model (daVinci-LLM Table 4), in multiples of 64."""
BATCH_SEQUENCES = 8
"""Batches come in multiples of so many sequences, so that up to 8 devices share them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is trained with a model: tokens in all, per step, and the rate they are trained at."""

    tokens: int
    batch_tokens: int
    lr_peak: float
    warmup_frac: float


def parameters_outside_embeddings(settings: ModelSettings) -> int:
    """Return N: all parameters but the embeddings."""
    return num_parameters(settings) - num_embedding_parameters(settings)


def chinchilla_tokens(settings: ModelSettings, multiple: float) -> int:
    """Return `multiple` times 20 tokens for each parameter outside the embeddings."""
    return round(TOKENS_PER_PARAMETER * multiple * parameters_outside_embeddings(settings))


def mlp_width(hidden_size: int) -> int:
    """Return the MLP's width of a rung: 5.375 times the model's, to the nearest multiple of 64."""
    return round(hidden_size * MLP_RATIO / 64) * 64


def budget(settings: ModelSettings, *, chinchilla: float = 1.0) -> Budget:
    """Return what the rule trains a model with.

    Tokens are whole batches; the learning rate has three digits.
    """
    ratio = parameters_outside_embeddings(settings) / ANCHOR_PARAMETERS
    unit = BATCH_SEQUENCES * settings.context_length
    batch_tokens = max(unit, round(ANCHOR_BATCH_TOKENS * ratio ** (2 / 3) / unit) * unit)
    tokens = chinchilla_tokens(settings, chinchilla) // batch_tokens * batch_tokens
    return Budget(
        tokens=tokens,
        batch_tokens=batch_tokens,
        lr_peak=float(f"{ANCHOR_LR * ratio ** (-1 / 3):.3g}"),
        warmup_frac=round(1 / (TOKENS_PER_PARAMETER * chinchilla), 4),
    )
